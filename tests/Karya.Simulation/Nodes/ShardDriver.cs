using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Storage;
using Karya.Protocol;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Nodes;

/// <summary>Drives a real shard: turns when something came in or is due, and what they ask for.</summary>
internal sealed class ShardDriver : IDisposable
{
    private const long RetryPauseUs = 200_000;
    private const int PlansPerPage = 256;

    private readonly Cluster _cluster;
    private readonly SimNode _node;
    private readonly NodeProcess _process;
    private readonly World _world;
    private readonly int _number;
    private readonly List<(long Position, Action Done)> _waitingForTables = [];
    private readonly Prng _chance;
    private long _turnAtUs = long.MaxValue;
    private ProjectionBatch? _batch;
    private bool _isProjecting;

    public ShardDriver(Cluster cluster, SimNode node, NodeProcess process, int number, long nowMs)
    {
        _cluster = cluster;
        _node = node;
        _process = process;
        _world = cluster.World;
        _number = number;
        _chance = cluster.World.Chance.Fork();
        var settings = cluster.Settings;
        Shard = new Shard(
            new ShardOptions(
                number, settings.PartitionCount, settings.InFlightMax, settings.LaneInFlightMax, settings.HorizonMs,
                settings.ProjectionIntervalMs, settings.ProjectionLagMax),
            new ShardInbox(settings.InboxCapacity, WakeSoon), nowMs);
    }

    public Shard Shard { get; }

    public void Start(long nowMs)
    {
        Shard.Open(nowMs);
        WakeSoon();
    }

    /// <summary>A message came in: the thread wakes up.</summary>
    public void WakeSoon() => PlanTurn(_chance.Between(5, 60));

    /// <summary>Does it when the tables have everything that was acknowledged before.</summary>
    public void WhenTablesCaughtUp(Action done)
    {
        long position = Shard.Status.Position;
        if (Shard.Status.ProjectedPosition >= position)
        {
            done();
            return;
        }

        _waitingForTables.Add((position, done));
        Shard.Inbox.RequestProjection();
    }

    /// <summary>The journal has moved: a projection may have waited for it.</summary>
    public void ProjectIfDurable()
    {
        if (_batch is null || _isProjecting
            || _process.JournalOf(_number).DurableOf(_number) < _batch.DurablePosition)
        {
            return;
        }

        ProjectionFilter.RemoveLost(
            _batch, mark => _process.Owned.Covers(mark.Partition, mark.Epoch), _process.Owned.PartitionCount);
        if (_batch.Marks.Count == 0)
        {
            EndProjection();
            return;
        }

        _isProjecting = true;
        foreach (ref var mark in _batch.Marks.Span)
            mark.Epoch = _process.Owned.EpochOf(mark.Partition);
        var streams = new[] { _process.JournalOf(_number).Stream };
        var batch = _batch;
        _cluster.Database.Transact(
            _node, NodeProcess.ReadTimeoutUs, () => streams, isExclusive: false,
            data => data.Begin(streams[0], batch.Marks.Span),
            (data, begun) => data.Project(begun, batch),
            asked =>
            {
                _isProjecting = false;
                if (asked is { End: AskedEnd.Answered, Value.IsCommitted: true })
                {
                    EndProjection();
                    return;
                }

                if (asked.End == AskedEnd.Answered && asked.Value!.Stale.Count > 0)
                {
                    _cluster.Counters.Count(Happening.StaleProjection);
                    _process.LookAgain(asked.Value.Stale);
                }

                _node.After(RetryPauseUs, ProjectIfDurable);
            });
    }

    public void Dispose() => Shard.Dispose();

    private void EndProjection()
    {
        _batch = null;
        Shard.Inbox.PostProjected();
    }

    private void PlanTurn(long delayUs)
    {
        long atUs = _world.NowUs + delayUs;
        if (atUs >= _turnAtUs)
            return;
        _turnAtUs = atUs;
        _node.After(delayUs, () =>
        {
            if (_turnAtUs != atUs)
                return;
            _turnAtUs = long.MaxValue;
            Turn();
        });
    }

    private void Turn()
    {
        long nowMs = _process.Ticks.NowMs();
        Shard.HoldFiring(!_process.IsTrusted);
        var effects = Shard.Turn(nowMs);
        HandOut(effects);
        ReleaseWaiting();
        if (Shard.NextTurnMs <= nowMs)
            PlanTurn(_chance.Between(5, 60));
        else
            PlanTurn(Math.Min(Shard.NextTurnMs - nowMs, _cluster.Settings.SleepMsMax) * 1000 + _chance.Below(200));
    }

    private void HandOut(EffectList effects)
    {
        if (effects.Chunk is { } chunk)
            _process.JournalOf(_number).Post(chunk);
        foreach (ref readonly var dispatch in effects.Dispatches.Span)
            _process.Executor.Post(dispatch);
        foreach (ref readonly var revocation in effects.Revocations.Span)
            _process.Executor.Revoke(revocation);
        foreach (ref readonly var reply in effects.Replies.Span)
            reply.Target.Complete(reply);
        foreach (ref readonly var request in effects.PlanRequests.Span)
            Load(request);
        foreach (ref readonly var request in effects.HorizonRequests.Span)
            Load(request);
        foreach (ref readonly var stray in effects.Strays.Span)
            _process.Executor.Forward(stray);
        if (effects.Projection is { } batch)
        {
            _batch = batch;
            ProjectIfDurable();
        }

        foreach (var notice in effects.Notices.Span.ToArray())
            _process.Noticed(notice);
    }

    private void Load(PlanRequest request)
    {
        var pages = new Pages(this, request.Plan, HorizonRequest.AllPartitions, request.Version);
        _cluster.Database.Ask(
            _node, NodeProcess.ReadTimeoutUs,
            data =>
            {
                data.Tables.LoadPlan(request.Plan, request.WithDescendants, pages.Add);
                return true;
            },
            asked => pages.End(asked.End != AskedEnd.Answered));
    }

    private void Load(HorizonRequest request)
    {
        var pages = new Pages(this, PlanId.None, request.Partition, request.Version);
        _cluster.Database.Ask(
            _node, NodeProcess.ReadTimeoutUs,
            data =>
            {
                data.Tables.LoadDue(request.FromMs, request.ToMs, pages.IsWanted, pages.Add);
                return true;
            },
            asked => pages.End(asked.End != AskedEnd.Answered));
    }

    private void ReleaseWaiting()
    {
        if (_waitingForTables.Count == 0)
            return;
        long projected = Shard.Status.ProjectedPosition;
        for (int i = _waitingForTables.Count - 1; i >= 0; i--)
        {
            if (_waitingForTables[i].Position > projected)
                continue;
            var done = _waitingForTables[i].Done;
            _waitingForTables.RemoveAt(i);
            done();
        }
    }

    /// <summary>What the tables had when they were asked, in pages; handed in one after the other.</summary>
    private sealed class Pages(ShardDriver driver, PlanId requested, int onlyPartition, long version)
    {
        private readonly List<LoadedPage> _pages = [];

        public bool IsWanted(int partition) =>
            partition % driver._cluster.Settings.ShardCount == driver._number
            && (onlyPartition >= 0 ? onlyPartition == partition : driver.Shard.Owns(partition));

        public void Add(PlanId id, ReadOnlySpan<byte> memo, ReadOnlySpan<byte> body)
        {
            int partition = PartitionHash.Of(id.Value, driver._cluster.Settings.PartitionCount);
            if (!IsWanted(partition))
                return;
            if (_pages.Count == 0 || _pages[^1].Plans.Count >= PlansPerPage)
                _pages.Add(NewPage(hasFailed: false));
            _pages[^1].Add(id, partition, memo, body);
        }

        public void End(bool hasFailed)
        {
            if (hasFailed || _pages.Count == 0)
            {
                _pages.Clear();
                _pages.Add(NewPage(hasFailed));
            }

            _pages[^1].IsLast = true;
            long delayUs = 0;
            foreach (var page in _pages)
            {
                delayUs += driver._chance.Exponential(100);
                if (!driver._cluster.IsHealed && driver._chance.Chance(driver._cluster.Profile.SlowPages))
                    delayUs += driver._chance.Between(1000, 4000 * driver._cluster.Settings.Times.LeaseMs);
                driver._node.After(delayUs, () => driver.Shard.Inbox.PostPage(page));
            }
        }

        private LoadedPage NewPage(bool hasFailed) => new()
        {
            Requested = requested,
            Partition = onlyPartition,
            Version = version,
            HasFailed = hasFailed,
        };
    }
}
