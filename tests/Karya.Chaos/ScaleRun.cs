using System.Collections.Concurrent;
using System.Globalization;
using Karya.Client;
using Karya.LocalServers;
using Karya.Process.Tests;
using Karya.Protocol;

namespace Karya.Chaos;

/// <summary>
/// The same load on one, two and three nodes that share a machine, and what is seen of a node that joins: whether the
/// node side scales shows in the processor time of a task, not in tasks per second, since the machine stays the same.
/// </summary>
internal sealed class ScaleRun(Action<string> say) : IAsyncDisposable
{
    private const int Partitions = 256;
    private const int WaitingMax = 4000;
    private const long PeriodMs = 250;

    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan Measured = TimeSpan.FromSeconds(15);

    private readonly PostgresServer _postgres = PostgresServer.Start();
    private readonly RedisServer _redis = RedisServer.Start();
    private readonly List<NodeProcess> _nodes = [];
    private readonly List<KaryaClient> _clients = [];
    private readonly List<KaryaWorker> _workers = [];

    public async Task RunAsync()
    {
        say("nodes  tasks/s  us of processor time a task: nodes  Postgres  this driver   partitions of each node");
        for (int count = 1; count <= 3; count++)
            await LoadAsync(count);
        await JoinAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        _redis.Dispose();
        _postgres.Dispose();
    }

    private async Task LoadAsync(int count)
    {
        string schema = string.Create(CultureInfo.InvariantCulture, $"scale_{count}");
        long done = 0;
        for (int i = 0; i < count; i++)
            await StartAsync(schema);
        for (int i = 0; i < count; i++)
            await ConnectAsync(i, (_, _, _) => Task.FromResult(Interlocked.Increment(ref done)));
        var leases = await BalancedAsync(schema);

        using var stop = new CancellationTokenSource();
        long submitted = 0;
        var submitting = _clients.Select(client => Task.Run(async () =>
        {
            var user = await client.CreateUserAsync("scale");
            var plan = new Plan { User = user.Id, Action = KaryaAction.Task("noop", 1) };
            while (!stop.IsCancellationRequested)
            {
                if (Interlocked.Read(ref submitted) - Interlocked.Read(ref done) > WaitingMax)
                {
                    await Task.Delay(1, CancellationToken.None);
                    continue;
                }

                Interlocked.Add(ref submitted, 500);
                await foreach (var outcome in client.SubmitManyAsync(Enumerable.Repeat(plan, 500)))
                {
                    if (outcome.Error is not null)
                        Interlocked.Decrement(ref submitted);
                }
            }
        })).ToList();

        await Task.Delay(WarmUp, CancellationToken.None);
        var before = (Done: Interlocked.Read(ref done), Nodes: NodesUs(), Postgres: PostgresUs(), Mine: MineUs());
        await Task.Delay(Measured, CancellationToken.None);
        double tasks = Interlocked.Read(ref done) - before.Done;
        double nodes = (NodesUs() - before.Nodes) / tasks;
        double postgres = (PostgresUs() - before.Postgres) / tasks;
        double mine = (MineUs() - before.Mine) / tasks;
        await stop.CancelAsync();
        await Task.WhenAll(submitting);
        say(string.Create(
            CultureInfo.InvariantCulture,
            $"{count,5} {tasks / Measured.TotalSeconds,8:F0} {nodes,44:F0} {postgres,9:F0} {mine,12:F0}   {leases}"));
        await EndAsync();
    }

    /// <summary>A plan in every partition, due four times a second, while a third node joins two.</summary>
    private async Task JoinAsync()
    {
        const string Schema = "scale_join";
        var seen = new ConcurrentDictionary<Guid, ConcurrentQueue<(long Occurrence, long AtMs)>>();
        await StartAsync(Schema);
        await StartAsync(Schema);
        await ConnectAsync(0, (_, context, _) =>
        {
            seen.GetOrAdd(context.PlanId, _ => []).Enqueue((context.Occurrence, Clock.NowMs));
            return Task.CompletedTask;
        });
        await BalancedAsync(Schema);
        var user = await _clients[0].CreateUserAsync("scale");
        var plans = new List<Guid>();
        for (int partition = 0; partition < Partitions; partition++)
        {
            var id = Guid.CreateVersion7();
            while (PartitionHash.Of(Uuids.ToNumber(id), Partitions) != partition)
                id = Guid.CreateVersion7();
            plans.Add(id);
            await _clients[0].SubmitAsync(new Plan
            {
                Id = id,
                User = user.Id,
                Action = KaryaAction.Task("noop", 1),
                Schedule = Schedule.Every(TimeSpan.FromMilliseconds(PeriodMs)),
            });
        }

        await Task.Delay(WarmUp, CancellationToken.None);
        var epochs = await Log(Schema).EpochsAsync();
        long joinedMs = Clock.NowMs;
        await StartAsync(Schema);
        string balance = await BalancedAsync(Schema);
        await Task.Delay(TimeSpan.FromSeconds(2), CancellationToken.None);
        long untilMs = Clock.NowMs;
        var now = await Log(Schema).EpochsAsync();
        var pauses = new List<long>();
        int missing = 0, twice = 0;
        for (int partition = 0; partition < Partitions; partition++)
        {
            var all = seen[plans[partition]].OrderBy(one => one.AtMs).ToList();
            twice += all.Count - all.Select(one => one.Occurrence).Distinct().Count();
            missing += (int)(all.Max(one => one.Occurrence) - all.Min(one => one.Occurrence)) + 1
                - all.Select(one => one.Occurrence).Distinct().Count();
            if (now[partition] == epochs[partition])
                continue;
            var within = all.Where(one => one.AtMs >= joinedMs && one.AtMs <= untilMs).ToList();
            pauses.Add(within.Zip(within.Skip(1), (one, next) => next.AtMs - one.AtMs).Max() - PeriodMs);
        }

        pauses.Sort();
        say(string.Create(
            CultureInfo.InvariantCulture,
            $"a third node joins two: {pauses.Count} partitions moved, {missing} occurrences missing, {twice} twice; "
            + $"an occurrence waited {pauses[pauses.Count / 2]} ms (p50), {pauses[(int)(pauses.Count * 0.99)]} (p99), "
            + $"{pauses[^1]} (max) longer than its period while its partition moved; partitions then: {balance}"));
        await EndAsync();
    }

    private async Task StartAsync(string schema) => _nodes.Add(await NodeProcess.StartOnPostgresAsync(
        _postgres.ConnectionString,
        ("KARYA_STORAGE__POSTGRES__SCHEMA", schema),
        ("KARYA_CLUSTER__REDIS", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{_redis.Port}")),
        ("KARYA_CLUSTER__NODE", string.Create(CultureInfo.InvariantCulture, $"n{_nodes.Count + 1}"))));

    private async Task ConnectAsync(int node, Func<int, TaskContext, CancellationToken, Task> handler)
    {
        var client = await KaryaClient.ConnectAsync($"karya://{_nodes[node].Tcp}");
        _clients.Add(client);
        var worker = client.CreateWorker(
            tasks => tasks.MapTask<int>("noop", handler), new KaryaWorkerOptions { Concurrency = 512 });
        worker.Start();
        _workers.Add(worker);
    }

    /// <summary>Waits until each node has its part. Returns the parts.</summary>
    private async Task<string> BalancedAsync(string schema)
    {
        while (true)
        {
            var counts = await Log(schema).CountAsync();
            if (counts.Count == _nodes.Count && counts.Values.Sum() == Partitions
                && counts.Values.Max() <= Math.Ceiling(1.1 * Partitions / _nodes.Count))
            {
                return string.Join(", ", counts.Values);
            }

            await Task.Delay(50, CancellationToken.None);
        }
    }

    private LeaseLog Log(string schema) => new($"{_postgres.ConnectionString};Search Path={schema};Pooling=false");

    private long NodesUs() => _nodes.Sum(node => ProcessorTime.Of(node.Id));

    private long PostgresUs() => ProcessorTime.OfFamily(_postgres.ProcessId);

    private static long MineUs() => ProcessorTime.Of(Environment.ProcessId);

    private async Task EndAsync()
    {
        foreach (var worker in _workers)
            await worker.DisposeAsync();
        foreach (var client in _clients)
            await client.DisposeAsync();
        foreach (var node in _nodes)
            await node.DisposeAsync();
        _workers.Clear();
        _clients.Clear();
        _nodes.Clear();
    }
}
