using System.Diagnostics;
using Karya.LocalServers;

namespace Karya.Chaos;

/// <summary>
/// Makes faults, one after the other, each kind before any comes twice; some of them while Redis is flushed, too. After
/// each it waits until every partition has an owner that lives, and every node its part.
/// </summary>
internal sealed class Nemesis
{
    private const int Partitions = 256;

    private static readonly TimeSpan RecoveryMax = TimeSpan.FromSeconds(40);

    private readonly ChaosOptions _options;
    private readonly ChaosCluster _cluster;
    private readonly Action<string> _say;
    private readonly Random _random;
    private readonly Queue<FaultKind> _next = [];

    public Nemesis(ChaosOptions options, ChaosCluster cluster, Action<string> say)
    {
        _options = options;
        _cluster = cluster;
        _say = say;
        _random = new Random(options.Seed);
    }

    public List<Fault> Faults { get; } = [];

    /// <summary>What did not become as it should.</summary>
    public List<string> Failures { get; } = [];

    public async Task RunAsync()
    {
        var watch = Stopwatch.StartNew();
        do
        {
            await Task.Delay(_random.Next(500, 1500), CancellationToken.None); // Quiet, to compare with.
            await OneAsync(NextKind());
        }
        while (Failures.Count == 0 && (_options.Length is { } length ? watch.Elapsed < length : _next.Count > 0));
    }

    /// <summary>Waits until every partition has an owner that lives, and every node its part.</summary>
    public async Task RecoverAsync(string after)
    {
        var watch = Stopwatch.StartNew();
        var owners = _cluster.Owners;
        var counts = new Dictionary<string, int>();
        while (watch.Elapsed < RecoveryMax)
        {
            counts = await _cluster.Leases.CountAsync();
            int least = Partitions / owners.Count * 8 / 10;
            if (owners.All(owner => counts.GetValueOrDefault(owner) >= least) && counts.Count == owners.Count)
                return;
            await Task.Delay(50, CancellationToken.None); // What it waits for is in other processes.
        }

        string had = string.Join(", ", counts.Select(count => $"{count.Key} {count.Value}"));
        Failures.Add($"{RecoveryMax.TotalSeconds} s after {after} the partitions were not where they should be: {had}");
    }

    private FaultKind NextKind()
    {
        if (_next.Count == 0)
        {
            var kinds = Enum.GetValues<FaultKind>();
            _random.Shuffle(kinds);
            foreach (var kind in kinds)
                _next.Enqueue(kind);
        }

        return _next.Dequeue();
    }

    private async Task OneAsync(FaultKind kind)
    {
        var slot = _cluster.Slots[_random.Next(_cluster.Slots.Count)];
        string where = kind switch
        {
            FaultKind.RedisIsSlow or FaultKind.RedisFlush or FaultKind.RedisStop => "Redis",
            FaultKind.PostgresRestart => "Postgres",
            FaultKind.GracefulRestart => "all nodes",
            FaultKind.NodeAdded => "a new node",
            _ => slot.Name,
        };
        var fault = new Fault(kind, where, Clock.NowMs);
        Faults.Add(fault);
        if (kind < FaultKind.RedisRefuses && _random.Next(4) == 0)
            Flush();
        await DoAsync(kind, slot);
        fault.HealedMs = Clock.NowMs;
        await RecoverAsync(fault.ToString());
        fault.RecoveredMs = Clock.NowMs;
        _say($"{fault}: healed after {fault.HealedMs - fault.BeganMs} ms, recovered "
            + $"{fault.RecoveredMs - fault.HealedMs} ms later");
    }

    private void Flush()
    {
        Faults.Add(new Fault(FaultKind.RedisFlush, "Redis", Clock.NowMs)
        {
            HealedMs = Clock.NowMs,
            RecoveredMs = Clock.NowMs,
        });
        _cluster.Redis.Ask("FLUSHALL");
    }

    private async Task DoAsync(FaultKind kind, Slot slot)
    {
        switch (kind)
        {
            case FaultKind.Kill:
                await slot.KillAsync();
                await OutageAsync();
                await slot.StartAsync(_cluster.Leases);
                break;
            case FaultKind.KillAndStart:
                await slot.KillAsync();
                await slot.StartAsync(_cluster.Leases);
                break;
            case FaultKind.Pause:
                slot.Node!.Signal("STOP");
                await OutageAsync();
                slot.Node.Signal("CONT");
                break;
            case FaultKind.DatabaseHearsNothing:
                await CutAsync(slot.Database, proxy => proxy.HoldClient());
                break;
            case FaultKind.DatabaseSaysNothing:
                await CutAsync(slot.Database, proxy => proxy.HoldServer());
                break;
            case FaultKind.DatabaseRefuses:
                await CutAsync(slot.Database, Refuse);
                break;
            case FaultKind.RedisRefuses:
                await CutAsync(slot.Redis, Refuse);
                break;
            case FaultKind.PeersHold:
                await CutAsync(slot.Peers, proxy => proxy.HoldClient());
                break;
            case FaultKind.PeersAnswerNothing:
                await CutAsync(slot.Peers, proxy => proxy.HoldServer());
                break;
            case FaultKind.PeersRefuse:
                await CutAsync(slot.Peers, Refuse);
                break;
            default:
                await DoAsync(kind);
                break;
        }
    }

    private async Task DoAsync(FaultKind kind)
    {
        switch (kind)
        {
            case FaultKind.RedisIsSlow:
                _cluster.Redis.Pause();
                await OutageAsync();
                _cluster.Redis.Resume();
                break;
            case FaultKind.RedisFlush:
                _cluster.Redis.Ask("FLUSHALL");
                break;
            case FaultKind.RedisStop:
                _cluster.Redis.Kill();
                await OutageAsync();
                _cluster.Redis.StartAgain();
                break;
            case FaultKind.PostgresRestart:
                _cluster.Postgres.Kill();
                _cluster.Postgres.StartAgain();
                break;
            case FaultKind.GracefulRestart:
                foreach (var slot in _cluster.Slots)
                {
                    var watch = Stopwatch.StartNew();
                    await slot.StopAsync();
                    _say($"{slot.Name} stopped in {watch.ElapsedMilliseconds} ms");
                    await slot.StartAsync(_cluster.Leases);
                    await RecoverAsync($"the restart of {slot.Name}");
                }

                break;
            case FaultKind.NodeAdded:
                var added = await _cluster.AddAsync();
                await RecoverAsync($"the start of {added.Name}");
                await _cluster.RemoveAsync(added);
                break;
        }
    }

    private async Task CutAsync(CuttingProxy proxy, Action<CuttingProxy> cut)
    {
        cut(proxy);
        await OutageAsync();
        proxy.ReleaseAll();
    }

    private static void Refuse(CuttingProxy proxy)
    {
        proxy.RefuseNew();
        proxy.DropAll();
    }

    private Task OutageAsync() => Task.Delay(_options.Outage, CancellationToken.None);
}
