using System.Globalization;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol.Messages;
using Karya.Simulation.Judging;
using Karya.Simulation.Kernel;
using Karya.Simulation.Nodes;

namespace Karya.Simulation.Work;

/// <summary>All clients, what they do, and what they are told: that goes into the ledger.</summary>
internal sealed class Workload
{
    private const int UserCount = 3;

    private readonly Cluster _cluster;
    private readonly World _world;
    private readonly Prng _chance;
    private readonly Client[] _clients;
    private readonly Dictionary<int, int> _triedAt = []; // Order, and the node that was tried first.
    private bool _isOver;

    public Workload(Cluster cluster)
    {
        _cluster = cluster;
        _world = cluster.World;
        _chance = cluster.World.Chance.Fork();
        for (ulong i = 0; i < UserCount; i++)
            Users.Add(new UserId(new UInt128(0x0192_0000_0000_7000, 0x8000_0000_0000_0001 + i)));
        Maker = new PlanMaker(_chance.Fork(), cluster.Profile.Kind, [.. Users.Select(user => user.Value)]);
        _clients = new Client[cluster.Profile.ClientCount];
        for (int i = 0; i < _clients.Length; i++)
            _clients[i] = new Client(cluster, this, i);
    }

    public List<UserId> Users { get; } = [];

    public PlanMaker Maker { get; }

    /// <summary>How often a client tries one thing, which has to end.</summary>
    public int TriesMax => 60;

    private Ledger Ledger => _cluster.Ledger;

    private long DatabaseMs => _cluster.Database.Clock.NowMs;

    public void AddUsers()
    {
        foreach (var user in Users)
        {
            _cluster.Database.Data.Tables.AddUser(
                new UserView(user, ((ulong)user.Value).ToString("x", CultureInfo.InvariantCulture), 0));
        }
    }

    public void Start()
    {
        double everyUs = 1_000_000 / _cluster.Profile.PlansPerSecond;
        void Next() => _world.After(_chance.Exponential(everyUs), () =>
        {
            if (_isOver)
                return;
            _chance.Pick(_clients).Act();
            Next();
        });
        Next();
    }

    /// <summary>Nothing new; what is under way goes on.</summary>
    public void Stop() => _isOver = true;

    public Order Ordered(PlanMessage plan, string? key) => Ledger.Ordered(plan, key, _world.NowUs, DatabaseMs);

    public void Acknowledged(Order order, SubmitReply reply, int node)
    {
        _world.Note($"order {order.Number} is plan {new PlanId(reply.Plan)}, existed {reply.Existed}");
        if (reply.Existed)
        {
            _cluster.Counters.Count(Happening.IdempotentReplay);
            if (_triedAt.TryGetValue(order.Number, out int first) && first != node)
                _cluster.Counters.Count(Happening.IdempotentReplayElsewhere);
        }

        Ledger.Acknowledged(
            order, new PlanId(reply.Plan), reply.Durability == Durability.Durable, _world.NowUs, DatabaseMs);
    }

    /// <summary>Where an order was tried first.</summary>
    public void TriedAt(Order order, int node) => _triedAt.TryAdd(order.Number, node);

    public void Ended(Order order, RequestEnd end)
    {
        if (end == RequestEnd.Unknown)
            _cluster.Counters.Count(Happening.SubmitUnknown);
        Ledger.Ended(order, end, _world.NowUs);
    }

    public Change Cancelled(PlanId plan) => Ledger.Cancelled(plan, _world.NowUs);

    public Change Updated(PlanId plan, long? periodMs, int? retries) =>
        Ledger.Updated(plan, periodMs, 1 + retries, _world.NowUs);

    public Change Triggered(PlanId plan) => Ledger.Triggered(plan, _world.NowUs);

    public void Ended(Change change, RequestEnd end)
    {
        _world.Note($"change of {change.Plan} is {end}");
        Ledger.Ended(change, end, _world.NowUs);
    }

    public void Saw(PlanId plan, PlanSnapshot? snapshot, long askedUs) => Ledger.Sights.Add(new Sight(
        plan, snapshot is null ? null : (PlanState)((int)snapshot.Status - 1), askedUs, _world.NowUs));

    public void ChildStarted(TaskKey parent, PlanId child, PlanMessage plan)
    {
        _cluster.Counters.Count(Happening.ChildStarted);
        Ledger.Children.TryAdd(child, (parent, plan));
    }
}
