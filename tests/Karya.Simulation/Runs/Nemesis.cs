using Karya.Simulation.Kernel;
using Karya.Simulation.Nodes;

namespace Karya.Simulation.Runs;

/// <summary>Does to a cluster what its profile says, until all is to be healed.</summary>
internal sealed class Nemesis
{
    private readonly Cluster _cluster;
    private readonly World _world;
    private readonly Prng _chance;
    private readonly List<Action> _heals = [];
    private readonly HashSet<SimNode> _stopping = []; // With all others, and not ended yet.
    private readonly List<SimNode> _stopped = []; // The same, ended.
    private bool _isOver;

    public Nemesis(Cluster cluster)
    {
        _cluster = cluster;
        _world = cluster.World;
        _chance = cluster.World.Chance.Fork();
    }

    /// <summary>Faults that were done.</summary>
    public long FaultCount { get; private set; }

    private long LeaseUs => _cluster.Settings.Times.LeaseMs * 1000;

    public void Start()
    {
        foreach (var kind in Enum.GetValues<FaultKind>())
        {
            if (_cluster.Profile.FaultEveryUs.TryGetValue(kind, out double everyUs))
                PlanNext(kind, everyUs);
        }
    }

    /// <summary>No more faults, and those that last end.</summary>
    public void HealAll()
    {
        _isOver = true;
        foreach (var heal in _heals.ToArray())
            heal();
        _heals.Clear();
        foreach (var node in _cluster.Nodes)
        {
            node.SleepBehindRenewal(0);
            if (!node.IsUp)
                _cluster.Start(node);
        }
    }

    public void Ended(SimNode node)
    {
        if (_stopping.Contains(node))
            _stopped.Add(node);
        else
            StartLater(node, _chance.Between(1000, 5_000_000));
        HasEnded(node);
    }

    private void PlanNext(FaultKind kind, double everyUs) => _world.After(_chance.Exponential(everyUs), () =>
    {
        if (_isOver)
            return;
        Do(kind);
        PlanNext(kind, everyUs);
    });

    private void Do(FaultKind kind)
    {
        FaultCount++;
        var node = _cluster.Nodes[_chance.Below(_cluster.Nodes.Count)];
        _world.Note($"fault {kind} at node {node.Number}");
        switch (kind)
        {
            case FaultKind.Crash when node.IsUp:
                Count(Happening.Crash);
                _cluster.Crash(node);
                HasEnded(node);
                StartLater(node, _chance.Between(1000, 3 * LeaseUs));
                break;
            case FaultKind.Restart when node.Process is { IsServing: true } process:
                Count(Happening.GracefulStop);
                process.StopInOrder();
                break;
            case FaultKind.StopAll when _stopping.Count == 0:
                StopAll();
                break;
            case FaultKind.Pause:
                Pause(node);
                break;
            case FaultKind.CutDatabase:
                Cut(node.Place, Place.Database);
                break;
            case FaultKind.CutRedis:
                Cut(node.Place, Place.Redis);
                break;
            case FaultKind.CutClients:
                Cut(node.Place, Place.Clients);
                break;
            case FaultKind.CutNodes:
                var other = _cluster.Nodes[_chance.Below(_cluster.Nodes.Count)];
                if (other != node)
                    Cut(node.Place, other.Place);
                break;
            default:
                DoToServers(kind, node);
                break;
        }
    }

    private void DoToServers(FaultKind kind, SimNode node)
    {
        var database = _cluster.Database;
        switch (kind)
        {
            case FaultKind.DatabaseDown when !database.IsDown:
                Count(Happening.DatabaseDown);
                database.GoDown();
                HealLater(_chance.Between(100_000, 2 * LeaseUs), database.ComeUp);
                break;
            case FaultKind.DatabaseSlow:
                Count(Happening.DatabaseSlow);
                database.Slowness = _chance.Between(10, 500);
                HealLater(_chance.Between(100_000, 2 * LeaseUs), () => database.Slowness = 1);
                break;
            case FaultKind.DatabaseFull:
                Count(Happening.DatabaseFull);
                database.Data.IsFull = true;
                HealLater(_chance.Between(100_000, 2 * LeaseUs), () => database.Data.IsFull = false);
                break;
            case FaultKind.DatabaseClockStep:
                Count(Happening.DatabaseClockStep);
                database.Clock.OffsetUs += _chance.Between(-5_000_000, 20_000_000);
                break;
            case FaultKind.WallClockStep:
                Count(Happening.WallClockStep);
                node.Clock.WallOffsetUs += _chance.Between(-3 * LeaseUs, 3 * LeaseUs);
                if (_chance.Chance(0.4))
                    Cut(node.Place, Place.Database); // Now it matters which clock its lease is measured by.
                break;
            case FaultKind.RedisDown:
                Count(Happening.RedisDown);
                _cluster.Redis.IsDown = true;
                HealLater(_chance.Between(100_000, 4 * LeaseUs), () => _cluster.Redis.IsDown = false);
                break;
            case FaultKind.RedisFlush:
                Count(Happening.RedisFlushed);
                _cluster.Redis.Flush();
                break;
            case FaultKind.RedisStale:
                Count(Happening.RedisStale);
                _cluster.Redis.FreezeReads();
                HealLater(_chance.Between(100_000, 4 * LeaseUs), _cluster.Redis.ThawReads);
                break;
        }
    }

    private void StopAll()
    {
        Count(Happening.StoppedAll);
        foreach (var node in _cluster.Nodes.Where(node => node.Process is { IsServing: true }))
            _stopping.Add(node);
        foreach (var node in _stopping.ToArray())
            node.Process!.StopInOrder();
    }

    /// <summary>Who was stopped with all others waits for the last one.</summary>
    private void HasEnded(SimNode node)
    {
        _stopping.Remove(node);
        if (_stopping.Count > 0 && !_isOver)
            return;
        foreach (var stopped in _stopped)
            StartLater(stopped, _chance.Between(1000, 5_000_000));
        _stopped.Clear();
    }

    private void Pause(SimNode node)
    {
        long lengthUs = _chance.Chance(0.5)
            ? _chance.Between(10_000, LeaseUs / 2)
            : _chance.Between(LeaseUs / 2, 2 * LeaseUs);
        Count(lengthUs > LeaseUs ? Happening.PausePastLease : Happening.Pause);
        if (_chance.Chance(0.5))
            node.Sleep(lengthUs);
        else
            node.SleepBehindRenewal(lengthUs);
    }

    private void Cut(Place one, Place other)
    {
        int ways = _chance.Below(3); // Both, there, back.
        Count(ways == 0 ? Happening.LinkCut : Happening.OneWayCut);
        if (ways != 2)
            _cluster.Network.Cut(one, other);
        if (ways != 1)
            _cluster.Network.Cut(other, one);
        HealLater(_chance.Between(50_000, 2 * LeaseUs), () =>
        {
            if (ways != 2)
                _cluster.Network.Heal(one, other);
            if (ways != 1)
                _cluster.Network.Heal(other, one);
        });
    }

    private void StartLater(SimNode node, long delayUs) => HealLater(delayUs, () =>
    {
        if (node.IsUp)
            return;
        Count(Happening.Restart);
        _cluster.Start(node);
    });

    private void HealLater(long delayUs, Action heal)
    {
        _heals.Add(heal);
        _world.After(delayUs, () =>
        {
            if (_heals.Remove(heal))
                heal();
        });
    }

    private void Count(Happening what) => _cluster.Counters.Count(what);
}
