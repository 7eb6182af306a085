using Karya.Simulation.Judging;
using Karya.Simulation.Kernel;
using Karya.Simulation.Runs;
using Karya.Simulation.Work;

namespace Karya.Simulation.Nodes;

/// <summary>All that takes part in a run.</summary>
internal sealed class Cluster : IDisposable
{
    private readonly SimNode[] _nodes;
    private readonly Action<SimNode> _ended;

    /// <param name="world">Its events and its chance.</param>
    /// <param name="profile">What it is made of.</param>
    /// <param name="ended">Hears of a node that has ended in order.</param>
    public Cluster(World world, Profile profile, Action<SimNode> ended)
    {
        World = world;
        Profile = profile;
        _ended = ended;
        Network = new Network(world, profile.Network, (int)Place.Node0 + profile.NodeCount);
        var chance = world.Chance.Fork();
        double Error() => (chance.Unit() * 2 - 1) * profile.ClockRateError;
        Database = new DatabaseServer(
            world, Network, profile.Store, new DatabaseClock(world, Error()), profile.Nodes.PartitionCount, Counters);
        Redis = new SimRedis(world, Network, () => Nodes);
        Targets = new Targets(this);
        _nodes = new SimNode[profile.NodeCount];
        for (int i = 0; i < _nodes.Length; i++)
            _nodes[i] = new SimNode(world, i, new MachineClock(world, Error()));
        Work = new Workload(this);
    }

    public World World { get; }

    public Profile Profile { get; }

    public NodeSettings Settings => Profile.Nodes;

    public Network Network { get; }

    public DatabaseServer Database { get; }

    public SimRedis Redis { get; }

    public Targets Targets { get; }

    public Workload Work { get; }

    public Ledger Ledger { get; } = new();

    public Counters Counters { get; } = new();

    public IReadOnlyList<SimNode> Nodes => _nodes;

    /// <summary>Nothing goes wrong by chance any more, and nothing takes longer than it must.</summary>
    public bool IsHealed { get; private set; }

    public void Heal()
    {
        IsHealed = true;
        Network.IsHealed = true;
        Database.IsHealed = true;
    }

    public void Start(SimNode node) => node.Start(started => new NodeProcess(this, started));

    public void Crash(SimNode node)
    {
        World.Note($"node {node.Number} crashes");
        Ledger.Crashes.Add((node.Number, node.Life));
        node.End();
    }

    public void EndInOrder(SimNode node)
    {
        World.Note($"node {node.Number} ends in order");
        node.End();
        _ended(node);
    }

    public void Dispose()
    {
        foreach (var node in _nodes)
            node.End();
    }
}
