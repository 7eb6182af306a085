using System.Globalization;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
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

    public int Ordered(PlanMessage plan, string? key) =>
        Ledger.Ordered(Terms.Of(plan), key, _world.NowUs, DatabaseMs);

    public void Tried(int order) => Ledger.Tried(order, _world.NowUs);

    public void Acknowledged(int order, SubmitReply reply, int node, int tries)
    {
        _world.Note($"order {order} is plan {new PlanId(reply.Plan)}, existed {reply.Existed}");
        if (reply.Existed)
        {
            _cluster.Counters.Count(Happening.IdempotentReplay);
            if (_triedAt.TryGetValue(order, out int first) && first != node)
                _cluster.Counters.Count(Happening.IdempotentReplayElsewhere);
        }

        if (tries == 0)
            _triedAt.TryAdd(order, node);
        Ledger.Acknowledged(
            order, new PlanId(reply.Plan), reply.Existed, reply.Durability == Durability.Durable, _world.NowUs,
            DatabaseMs);
    }

    public void Refused(int order, ErrorCode code) => Ledger.Refused(order, code.ToString(), _world.NowUs);

    public void Unanswered(int order)
    {
        _cluster.Counters.Count(Happening.SubmitUnknown);
        Ledger.Unanswered(order, _world.NowUs);
    }

    public int CancelBegan(PlanId plan) => Ledger.CancelBegan(plan, _world.NowUs);

    public void CancelAcknowledged(int cancel)
    {
        _world.Note($"cancel {cancel} is acknowledged");
        Ledger.CancelAcknowledged(cancel, _world.NowUs);
    }

    public void CancelRefused(int cancel) => Ledger.CancelRefused(cancel, _world.NowUs);

    public void CancelUnanswered(int cancel) => Ledger.CancelUnanswered(cancel, _world.NowUs);

    public int UpdateBegan(PlanId plan, long? periodMs, int? retries) =>
        Ledger.UpdateBegan(plan, periodMs, 1 + retries, _world.NowUs);

    public void UpdateAcknowledged(int update) => Ledger.UpdateAcknowledged(update, _world.NowUs);

    public void UpdateRefused(int update) => Ledger.UpdateRefused(update, _world.NowUs);

    public void UpdateUnanswered(int update) => Ledger.UpdateUnanswered(update, _world.NowUs);

    public int TriggerBegan(PlanId plan) => Ledger.TriggerBegan(plan, _world.NowUs);

    public void TriggerAcknowledged(int trigger) => Ledger.TriggerAcknowledged(trigger, _world.NowUs);

    public void TriggerRefused(int trigger) => Ledger.TriggerRefused(trigger, _world.NowUs);

    public void TriggerUnanswered(int trigger) => Ledger.TriggerUnanswered(trigger, _world.NowUs);

    public void Observed(PlanId plan, PlanSnapshot snapshot, long askedUs) =>
        Ledger.Observed(plan, (PlanState)((int)snapshot.Status - 1), askedUs, _world.NowUs);

    public void ChildStarted(TaskKey parent, PlanId child, PlanMessage plan)
    {
        _cluster.Counters.Count(Happening.ChildStarted);
        Ledger.ChildStarted(parent, child, Terms.Of(plan), _world.NowUs);
    }
}
