using Karya.Engine.Shards;
using Karya.Node;
using Karya.Node.Cluster;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Protocol.Messages;
using Karya.Simulation.Kernel;
using Karya.Simulation.Stores;

namespace Karya.Simulation.Nodes;

/// <summary>
/// One life of a node: the real shards, journal policy, lease, reconciler and codec, joined as a node joins them, with
/// messages of the simulation where a node has threads and sockets.
/// </summary>
internal sealed class NodeProcess : IDisposable
{
    public const long ReadTimeoutUs = 2_000_000;

    private readonly Cluster _cluster;
    private readonly SimNode _node;
    private readonly World _world;
    private readonly DatabaseServer _database;
    private readonly StoreClock _clock;
    private readonly LeaseTrust _trust;
    private readonly MemberView _members;
    private readonly Reconciler _reconciler;
    private readonly List<ClusterRequest> _requests = [];
    private ShardDriver[] _shards = [];
    private JournalDriver[] _journals = [];
    private long _reconcileAtUs = long.MaxValue;
    private long _heartbeat;
    private bool _wasTrusted;

    public NodeProcess(Cluster cluster, SimNode node)
    {
        _cluster = cluster;
        _node = node;
        _world = cluster.World;
        _database = cluster.Database;
        var settings = cluster.Settings;
        Identity = new NodeIdentity(
            FormattableString.Invariant($"node-{node.Number}"), FormattableString.Invariant($"{node.Life}"));
        _clock = new StoreClock(node.Clock);
        Ticks = new TickClock(_clock);
        Owned = new OwnedPartitions(settings.PartitionCount)
        {
            Losing = partition => ShardOf(partition).Shard.Inbox.PostChange(
                new PartitionChange(PartitionChangeKind.Revoke, partition)),
        };
        _trust = new LeaseTrust(settings.Times.LeaseMs);
        Gate = new FiringGate(Owned, _trust);
        _members = new MemberView(new Member(Identity.Name, 1), Identity.Incarnation, settings.AliveMs);
        _reconciler = new Reconciler(Identity, settings.Times, Owned, _trust, _members)
        {
            HasEndsOf = partition => Executor!.HasEndsOf(partition),
        };
        var chance = cluster.World.Chance.Fork();
        Submits = new RequestDesk(cluster, node, this, new PlanIds(bytes => Fill(bytes, chance)));
        Executor = new SimExecutor(cluster, node, this);
    }

    public NodeIdentity Identity { get; }

    public TickClock Ticks { get; }

    public OwnedPartitions Owned { get; }

    public FiringGate Gate { get; }

    public RequestDesk Submits { get; }

    public SimExecutor Executor { get; }

    public long LeaseMs => _cluster.Settings.Times.LeaseMs;

    public long CommitTimeoutUs => LeaseMs * 1000 / 2;

    public bool IsServing => _shards.Length > 0;

    public bool IsTrusted => _trust.IsTrusted(_node.Clock.MonotonicMs);

    public IReadOnlyList<ShardDriver> Shards => _shards;

    /// <summary>Comes up as soon as the database lets it.</summary>
    public void Start() => _database.Ask(
        _node, ReadTimeoutUs,
        data =>
        {
            int[] streams = new int[_cluster.Settings.ShardCount];
            for (int i = 0; i < streams.Length; i++)
                streams[i] = data.NewStream();
            return streams;
        },
        asked =>
        {
            if (asked.End == AskedEnd.Answered)
                Open(asked.Value!);
            else
                _node.After(500_000, Start);
        });

    /// <summary>Finishes, hands everything over, and ends.</summary>
    public void StopInOrder()
    {
        _reconciler.IsStopping = true;
        Reconcile();
        EndWhenDrained();
    }

    public void LearnTime(long sent, long shownUs) => _clock.Learn(sent, _node.Clock.GetTimestamp(), shownUs);

    public void Wake()
    {
        if (!IsServing)
            return;
        _reconciler.Wake(_node.Clock.MonotonicMs);
        Reconcile();
    }

    /// <summary>Requests on plans of a partition may be taken here.</summary>
    public bool MayTake(int partition) => Owned.EpochOf(partition) > 0 && ShardOf(partition).Shard.Owns(partition);

    /// <summary>It has a partition that new plans can go to.</summary>
    public bool HasAny
    {
        get
        {
            for (int partition = 0; partition < Owned.PartitionCount; partition++)
            {
                if (MayTake(partition))
                    return true;
            }

            return false;
        }
    }

    /// <summary>What clients are told; partitions that nobody is known to have are said to be here.</summary>
    public PartitionMap Map()
    {
        int[] owners = new int[Owned.PartitionCount];
        for (int partition = 0; partition < owners.Length; partition++)
            owners[partition] = MayTake(partition) ? _node.Number : Math.Max(0, OwnerOf(partition));
        return new PartitionMap(
            1, [.. _cluster.Nodes.Select(node => new NodeEndpoint("sim", 1 + node.Number))], owners);
    }

    public ShardDriver ShardOf(int partition) => _shards[partition % _shards.Length];

    /// <summary>The node that has a partition, as far as this one knows; -1 when nobody does.</summary>
    public int OwnerOf(int partition)
    {
        string owner = _reconciler.OwnerOf(partition);
        return owner.Length == 0 ? -1 : owner[5] - '0'; // node-N/life
    }

    /// <summary>Partitions whose records go to a stream, with the epochs they are owned under.</summary>
    public SeenEpoch[] OwnedOf(int stream)
    {
        int shard = Array.FindIndex(_journals, journal => journal.Stream == stream);
        var owned = new List<SeenEpoch>();
        for (int partition = shard; partition < Owned.PartitionCount; partition += _shards.Length)
        {
            if (Owned.EpochOf(partition) is var epoch and > 0)
                owned.Add(new SeenEpoch(partition, epoch));
        }

        return [.. owned];
    }

    /// <summary>An unknown commit was resolved under these epochs; 0 for partitions that were lost meanwhile.</summary>
    public void Resolved(IReadOnlyList<SeenEpoch> epochs)
    {
        foreach (var (partition, epoch) in epochs)
        {
            if (epoch > 0)
                Owned.Raise(partition, epoch);
            else
                _reconciler.Lost(partition, _requests);
        }

        Perform();
    }

    /// <summary>These epochs were refused as stale: by whom were they raised?</summary>
    public void LookAgain(IReadOnlyList<StaleEpoch> stale)
    {
        foreach (var (partition, epoch, owner) in stale)
        {
            if (owner == Identity.Owner)
                Owned.Raise(partition, epoch);
            else
                _reconciler.Lost(partition, _requests);
        }

        Perform();
    }

    public void JournalMoved()
    {
        foreach (var shard in _shards)
            shard.ProjectIfDurable();
    }

    public JournalDriver JournalOf(int shard) => _journals[shard];

    /// <summary>A shard has opened a partition, or closed it.</summary>
    public void Noticed(in PartitionNotice notice)
    {
        _world.Note($"node {_node.Number} {notice.Kind} {notice.Partition} epoch {notice.Epoch}");
        if (notice.Kind == PartitionNoticeKind.Opened)
        {
            _reconciler.Opened(notice.Partition, notice.Epoch);
            JournalOf(notice.Partition % _shards.Length).LetGo(notice.Partition);
            _cluster.Ledger.Opened(notice.Partition, notice.Epoch, _node.Number, _node.Life, _world.NowUs);
            _cluster.Redis.WakeAll(_node); // Who gave it up looks whether it may give up the next one.
        }
        else
        {
            _cluster.Ledger.Closed(notice.Partition, notice.Epoch);
            _reconciler.Closed(notice.Partition, notice.Epoch, _requests);
        }

        Perform();
        Reconcile();
    }

    public void Dispose()
    {
        foreach (var shard in _shards)
            shard.Dispose();
    }

    private static void Fill(byte[] bytes, Prng chance)
    {
        for (int i = 0; i < bytes.Length; i += sizeof(ulong))
            BitConverter.TryWriteBytes(bytes.AsSpan(i), chance.Next());
    }

    private void Open(int[] streams)
    {
        var settings = _cluster.Settings;
        long nowMs = Ticks.NowMs();
        _shards = new ShardDriver[settings.ShardCount];
        for (int i = 0; i < _shards.Length; i++)
            _shards[i] = new ShardDriver(_cluster, _node, this, i, nowMs);
        _journals = new JournalDriver[_shards.Length];
        for (int i = 0; i < _journals.Length; i++)
        {
            var inboxes = new ShardInbox?[_shards.Length];
            inboxes[i] = _shards[i].Shard.Inbox;
            _journals[i] = new JournalDriver(this, _node, _database, streams[i], inboxes);
        }

        foreach (var shard in _shards)
            shard.Start(nowMs);
        Reconcile();
        Beat();
        KeepUp();
    }

    private void Beat()
    {
        var mine = new Heartbeat(
            Identity.Name, Identity.Incarnation, ++_heartbeat, 1,
            _reconciler.CanOwn && _reconciler.KnowsMembers && IsTrusted,
            _reconciler.IsLeaving);
        long askedMs = _node.Clock.MonotonicMs;
        _cluster.Redis.Beat(_node, mine, heartbeats =>
        {
            _members.Saw(askedMs, heartbeats);
            Reconcile();
        });
        _node.After(_cluster.Settings.HeartbeatMs * 1000, Beat);
    }

    private void KeepUp()
    {
        foreach (var (number, journal) in _journals.Index())
        {
            long[] projected = new long[_shards.Length];
            projected[number] = _shards[number].Shard.Status.ProjectedPosition;
            journal.Prune(projected);
        }

        if (_wasTrusted && !IsTrusted && Owned.Count > 0)
            _cluster.Counters.Count(Happening.LeaseRanOut);
        _wasTrusted = IsTrusted;
        _node.After(_cluster.Settings.UpkeepMs * 1000, KeepUp);
    }

    private void Reconcile()
    {
        _reconciler.Run(_node.Clock.MonotonicMs, _requests);
        Perform();
        long delayUs = Math.Max(1000, (_reconciler.NextMs - _node.Clock.MonotonicMs) * 1000);
        if (_reconciler.NextMs == long.MaxValue || _world.NowUs + delayUs >= _reconcileAtUs)
            return;
        long atUs = _reconcileAtUs = _world.NowUs + delayUs;
        _node.After(delayUs, () =>
        {
            if (_reconcileAtUs != atUs)
                return;
            _reconcileAtUs = long.MaxValue;
            Reconcile();
        });
    }

    private void Perform()
    {
        while (_requests.Count > 0)
        {
            ClusterRequest[] requests = [.. _requests];
            _requests.Clear();
            foreach (var request in requests)
                Perform(request);
        }
    }

    private void Perform(in ClusterRequest request)
    {
        int partition = request.Partition;
        long epoch = request.Epoch;
        switch (request.Kind)
        {
            case ClusterRequestKind.Renew:
                Renew();
                break;
            case ClusterRequestKind.ReadLeases:
                ReadLeases();
                break;
            case ClusterRequestKind.Claim:
                Claim(request.Wanted!);
                break;
            case ClusterRequestKind.Load:
                Load(partition, epoch);
                break;
            case ClusterRequestKind.Close:
                _cluster.Counters.Count(Happening.PlannedMove);
                long nowMs = Ticks.NowMs();
                var times = _cluster.Settings.Times;
                ShardOf(partition).Shard.Inbox.PostChange(new PartitionChange(
                    PartitionChangeKind.Close, partition, null, nowMs + times.DrainMs, nowMs + times.AwayMs));
                break;
            case ClusterRequestKind.Release:
                Release(partition, epoch);
                break;
            case ClusterRequestKind.Drop:
                Drop(partition);
                break;
        }
    }

    private void Renew()
    {
        long sentMs = _node.Clock.MonotonicMs;
        _database.Ask(_node, LeaseMs * 1000 / 4, data => data.Renew(Identity.Owner), asked =>
        {
            if (asked.End == AskedEnd.Answered)
                _reconciler.Renewed(sentMs, asked.Value!, _requests);
            else
                _reconciler.RenewFailed(_node.Clock.MonotonicMs);
            Perform();
            foreach (var shard in _shards)
                shard.WakeSoon();
            Reconcile();
        });
        _node.HasSentRenewal();
    }

    private void ReadLeases() => _database.Ask(_node, ReadTimeoutUs, data => data.ReadLeases(), asked =>
    {
        long nowMs = _node.Clock.MonotonicMs;
        if (asked.End == AskedEnd.Answered)
            _reconciler.SawLeases(nowMs, asked.Value!, _requests);
        else
            _reconciler.ReadFailed(nowMs);
        Perform();
        Reconcile();
    });

    private void Claim(IReadOnlyList<SeenLease> wanted)
    {
        int[] streams = new int[wanted.Count];
        for (int i = 0; i < streams.Length; i++)
            streams[i] = _journals[wanted[i].Partition % _journals.Length].Stream;
        _database.Transact(
            _node, ReadTimeoutUs, () => _database.Data.StreamsOf(wanted), isExclusive: true,
            data => data.Claim(Identity.Owner, LeaseMs, wanted, streams),
            (_, claimed) => claimed,
            asked =>
            {
                long nowMs = _node.Clock.MonotonicMs;
                if (asked.End == AskedEnd.Answered)
                {
                    if (asked.Value!.Count < wanted.Count)
                        _cluster.Counters.Count(Happening.ClaimRefused);
                    if (_reconciler.IsLeaving)
                        _cluster.Counters.Count(Happening.TakenBackForEnds, asked.Value.Count);
                    foreach (var claimed in asked.Value)
                        _world.Note($"node {_node.Number} claimed {claimed.Partition} epoch {claimed.Epoch}");
                    _reconciler.Claimed(nowMs, asked.Value, _requests);
                }
                else
                {
                    if (asked.End == AskedEnd.Unknown)
                        _cluster.Counters.Count(Happening.ClaimReplyLost);
                    _reconciler.ClaimFailed(nowMs);
                }

                Perform();
                Reconcile();
            });
    }

    private void Load(int partition, long epoch) => _database.Ask(
        _node, ReadTimeoutUs,
        data =>
        {
            var image = new PartitionImage(partition, epoch, data.ReadMark(partition));
            var images = new Dictionary<int, PartitionImage> { [partition] = image };
            data.ReadJournalOf(partition, row => PartitionImage.AddRow(row, images));
            data.Tables.LoadPlans(image.Missing, (id, memo, body) => image.Plans.Add(id, partition, memo, body));
            return image;
        },
        asked =>
        {
            if (asked.End != AskedEnd.Answered)
                _reconciler.LoadFailed(_node.Clock.MonotonicMs, partition, epoch);
            else if (Owned.Covers(partition, epoch))
                Grant(asked.Value!);
            Reconcile();
        });

    private void Grant(PartitionImage image)
    {
        _cluster.Counters.Count(Happening.TakeOver);
        ShardOf(image.Partition).Shard.Inbox.PostChange(
            new PartitionChange(PartitionChangeKind.Grant, image.Partition, image));
    }

    private void Release(int partition, long epoch) => _database.Ask(
        _node, ReadTimeoutUs, data => data.Release(Identity.Owner, partition, epoch), asked =>
        {
            long nowMs = _node.Clock.MonotonicMs;
            if (asked.End == AskedEnd.Answered)
            {
                _reconciler.Released(nowMs, partition);
                _cluster.Redis.WakeAll(_node);
            }
            else
            {
                _reconciler.ReleaseFailed(nowMs, partition);
            }

            Reconcile();
        });

    private void Drop(int partition)
    {
        _world.Note($"node {_node.Number} lost {partition}");
        _cluster.Counters.Count(Happening.LostPartition);
        JournalOf(partition % _shards.Length).Hold(partition);
    }

    /// <param name="wasIdle">It was so a moment ago: the shards have seen all that was posted to them since.</param>
    private void EndWhenDrained(bool wasIdle = false)
    {
        bool hasNothing = Owned.Count == 0 && !_reconciler.IsClaiming;
        if (hasNothing)
        {
            foreach (var shard in _shards)
                shard.Shard.Inbox.Close(); // What comes back is not fired.
        }

        bool isIdle = hasNothing && Executor.IsIdle && Array.TrueForAll(_journals, journal => journal.IsIdle);
        if (isIdle && wasIdle)
            _cluster.EndInOrder(_node);
        else
            _node.After(10_000, () => EndWhenDrained(isIdle));
    }
}
