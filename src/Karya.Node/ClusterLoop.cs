using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Cluster;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Node;

/// <summary>How a node takes part in a cluster.</summary>
/// <param name="Times">Of leases and moves.</param>
/// <param name="Heartbeat">Between two signs of life.</param>
/// <param name="Weight">Its part of the partitions, relative to other nodes' weights.</param>
internal sealed record ClusterLoopOptions(ClusterTimes Times, TimeSpan Heartbeat, int Weight = 1)
{
    /// <summary>For how long a sign of life counts, in ms.</summary>
    public long AliveMs => 3 * (long)Heartbeat.TotalMilliseconds;
}

/// <summary>
/// Makes a node a member of a cluster: carries out what its <see cref="Reconciler"/> decides, with the store, the board
/// and the shards, and tells it how that ended.
/// </summary>
/// <remarks>
/// <code>
///              ┌── renew ──► lease thread ──┐
/// reconciler ──┼── leases ─► look thread ───┼──► answers, notices of shards, wake-ups, heartbeats ──► reconciler
///  (a thread)  └── claim, load, release ────┘
///               ─── grant, close, revoke ──► shards
/// </code>
/// A renewal waits for nothing else: it has a thread and a connection of its own. Public methods may be called from any
/// thread.
/// </remarks>
internal sealed class ClusterLoop : IFiringRight, IDisposable
{
    /// <summary>The longest sleep of the thread.</summary>
    private const long SleepMsMax = 1000;

    private static readonly TimeSpan GatePause = TimeSpan.FromMilliseconds(20);

    private readonly ClusterLoopOptions _options;
    private readonly IClusterStore _store;
    private readonly IClusterBoard _board;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly Journal _journal;
    private readonly TickClock _ticks;
    private readonly TimeProvider _clock;
    private readonly Action _wakeShards;
    private readonly LeaseTrust _trust;
    private readonly FiringGate _gate;
    private readonly MemberView _members;
    private readonly Reconciler _reconciler;
    private readonly Mailbox<Action> _events = new();
    private readonly Thread _thread;
    private readonly ErrandThread _renewals = new("karya-lease");
    private readonly ErrandThread _looks = new("karya-look");
    private readonly ErrandThread _changes = new("karya-claim");
    private readonly CancellationTokenSource _stopping = new();
    private readonly long[] _opened; // By partition, the epoch under which its shard has it; 0: it has not. Any thread.
    private ClusterNode? _me;
    private volatile PartitionMap? _map;
    private volatile IReadOnlyList<PeerNode> _others = [];
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Of the thread that reconciles.
    private readonly List<ClusterRequest> _requests = [];
    private readonly List<ClaimedPartition> _loads = [];
    private readonly List<TaskCompletionSource> _draining = []; // Who waits for all to be released.
    private long _beats;
    private long _beatDueMs;
    private int _releasing;
    private bool _isBeating;

    private int _isLooking; // 1: asked for by Look, and not done. Any thread.

    /// <param name="options">How it takes part.</param>
    /// <param name="store">Has been joined.</param>
    /// <param name="board">Stays its owner's.</param>
    /// <param name="shards">All of the node.</param>
    /// <param name="journal">Of the node.</param>
    /// <param name="ticks">Store time.</param>
    /// <param name="clock">Its timestamps are those of the lease.</param>
    /// <param name="wakeShards">Called when the right to fire had run out and is back.</param>
    public ClusterLoop(
        ClusterLoopOptions options, IClusterStore store, IClusterBoard board, IReadOnlyList<Shard> shards,
        Journal journal, TickClock ticks, TimeProvider clock, Action wakeShards)
    {
        _options = options;
        _store = store;
        _board = board;
        _shards = shards;
        _journal = journal;
        _ticks = ticks;
        _clock = clock;
        _wakeShards = wakeShards;
        _opened = new long[store.Owned.PartitionCount];
        _trust = new LeaseTrust(options.Times.LeaseMs);
        _gate = new FiringGate(store.Owned, _trust);
        var me = store.Identity;
        _members = new MemberView(new Member(me.Name, options.Weight), me.Incarnation, options.AliveMs);
        _reconciler = new Reconciler(me, options.Times, store.Owned, _trust, _members);
        _thread = new Thread(Run) { Name = "karya-cluster", IsBackground = true };
    }

    public bool IsTrusted => _trust.IsTrusted(NowMs);

    public string? Trouble => IsTrusted
        ? null
        : "The lease has run out, as the store did not answer in time: nothing is fired until it is renewed.";

    /// <summary>Completes with the reason when the node cannot go on.</summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>Which node has which partition, as far as this one knows; null before it has looked.</summary>
    public PartitionMap? Map => _map;

    /// <summary>Hears of a new map, on a thread of this loop.</summary>
    public Action<PartitionMap>? MapChanged { get; set; }

    /// <param name="me">Where this node is to be reached.</param>
    /// <param name="hasEndsOf">Ends of attempts wait in this process for whoever has a partition.</param>
    public void Start(ClusterNode me, Predicate<int> hasEndsOf)
    {
        _me = me;
        _reconciler.HasEndsOf = hasEndsOf;
        _store.PartitionLost = partition => _events.Post(() => _reconciler.Lost(partition, _requests));
        _store.Owned.Losing = partition => Tell(new PartitionChange(PartitionChangeKind.Revoke, partition));
        _board.Woken = () => _events.Post(() => _reconciler.Wake(NowMs));
        _renewals.Start();
        _looks.Start();
        _changes.Start();
        _thread.Start();
    }

    /// <summary>
    /// This node has a partition, and its shard has read it and says so in its figures: what these say of the tables
    /// holds for it.
    /// </summary>
    public bool IsHere(int partition) => _store.Owned.Covers(partition, Volatile.Read(ref _opened[partition]));

    /// <summary>A shard has opened a partition, or closed it. Called by the shard's thread after that turn.</summary>
    public void Noticed(PartitionNotice notice)
    {
        bool isOpened = notice.Kind == PartitionNoticeKind.Opened;
        Volatile.Write(ref _opened[notice.Partition], isOpened ? notice.Epoch : 0);
        _events.Post(() =>
        {
            if (!isOpened)
            {
                _reconciler.Closed(notice.Partition, notice.Epoch, _requests);
                return;
            }

            _reconciler.Opened(notice.Partition, notice.Epoch);
            _journal.LetGo(ShardOf(notice.Partition), notice.Partition);
            _board.WakeAll(); // Who gave it up looks whether it may give up the next one.
        });
    }

    /// <summary>The other node that has a partition; null when none has it, or this one, as far as is known.</summary>
    public NodeEndpoint? PlaceOf(int partition) =>
        _map is { } map && map.Owners[partition] is > 0 and var place ? map.Nodes[place] : null;

    /// <summary>The other nodes that have partitions, as far as is known.</summary>
    public IReadOnlyList<PeerNode> Others() => _others;

    /// <summary>
    /// Looks soon at where partitions are: somebody has found that what is known is not true any more. Cheap when it is
    /// said often.
    /// </summary>
    public void Look()
    {
        if (Interlocked.Exchange(ref _isLooking, 1) == 0)
            _events.Post(() => _reconciler.Wake(NowMs));
    }

    public GateAnswer Ask(int partition, long epoch) => _gate.Ask(partition, epoch, NowMs);

    public ValueTask<bool> WaitToBeginAsync(int partition, long epoch, CancellationToken stopping) =>
        Ask(partition, epoch) switch
        {
            GateAnswer.Begin => ValueTask.FromResult(true),
            GateAnswer.Drop => ValueTask.FromResult(false),
            _ => WaitAtGateAsync(partition, epoch, stopping),
        };

    /// <summary>
    /// Gives up all partitions, in order, and takes no more but to record ends of attempts that nobody else takes.
    /// Completes when all are released; never when the store stays away. May be called again, to wait again.
    /// </summary>
    public Task DrainAsync()
    {
        if (!_thread.IsAlive)
            return Task.CompletedTask; // It has never begun.
        var drained = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _events.Post(() =>
        {
            _reconciler.IsStopping = true;
            _draining.Add(drained);
        });
        return drained.Task;
    }

    /// <summary>Gives all partitions to others, one by one, and takes no more; or takes its part again.</summary>
    public void SetDraining(bool isOn) => _events.Post(() => _reconciler.IsDraining = isOn);

    /// <summary>It shall have no partitions, as far as the thread of this loop has heard by now.</summary>
    public bool IsDraining => _reconciler.IsLeaving;

    public void Dispose()
    {
        _stopping.Cancel();
        _events.Close();
        if (_thread.IsAlive)
            _thread.Join();
        _store.PartitionLost = null;
        _store.Owned.Losing = null;
        _board.Woken = null;
        _changes.Dispose();
        _looks.Dispose();
        _renewals.Dispose();
        _stopping.Dispose();
    }

    private long NowMs => (long)_clock.GetElapsedTime(0).TotalMilliseconds;

    private int ShardOf(int partition) => partition % _shards.Count;

    private async ValueTask<bool> WaitAtGateAsync(int partition, long epoch, CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            var answer = Ask(partition, epoch);
            if (answer != GateAnswer.Wait)
                return answer == GateAnswer.Begin;
            await Task.Delay(GatePause, _clock, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return false;
    }

    private void Run()
    {
        var events = new List<Action>();
        var wait = TimeSpan.Zero;
        while (_events.TakeAll(events, wait))
        {
            foreach (var happened in events)
                happened();
            events.Clear();
            wait = TimeSpan.FromMilliseconds(Math.Clamp(Step() - NowMs, 0, SleepMsMax));
        }
    }

    /// <returns>When to look again, if nothing happens before.</returns>
    private long Step()
    {
        long nowMs = NowMs;
        _reconciler.Run(nowMs, _requests);
        foreach (var request in _requests)
            Perform(request);
        _requests.Clear();
        if (_loads.Count > 0)
            Load([.. _loads]);
        _loads.Clear();
        if (_draining.Count > 0 && _store.Owned.Count == 0 && _releasing == 0 && !_reconciler.IsClaiming)
        {
            foreach (var drained in _draining)
                drained.SetResult();
            _draining.Clear();
        }

        Beat(nowMs);
        return Math.Min(_reconciler.NextMs, _isBeating ? long.MaxValue : _beatDueMs);
    }

    private void Perform(in ClusterRequest request)
    {
        int partition = request.Partition;
        long epoch = request.Epoch;
        switch (request.Kind)
        {
            case ClusterRequestKind.Renew:
                _renewals.Post(Renew);
                break;
            case ClusterRequestKind.ReadLeases:
                _looks.Post(ReadLeases);
                break;
            case ClusterRequestKind.Claim:
                var wanted = request.Wanted!;
                _changes.Post(() => Claim(wanted));
                break;
            case ClusterRequestKind.Load:
                _loads.Add(new ClaimedPartition(partition, epoch)); // Those that are wanted together are read together.
                break;
            case ClusterRequestKind.Close:
                long nowMs = _ticks.NowMs();
                Tell(new PartitionChange(
                    PartitionChangeKind.Close, partition, null, nowMs + _options.Times.DrainMs,
                    nowMs + _options.Times.AwayMs));
                break;
            case ClusterRequestKind.Release:
                _releasing++;
                _changes.Post(() => Release(partition, epoch));
                break;
            case ClusterRequestKind.Drop:
                _journal.Hold(ShardOf(partition), partition); // Its shard was told when it was lost.
                break;
        }
    }

    private void Tell(in PartitionChange change) => _shards[ShardOf(change.Partition)].Inbox.PostChange(change);

    private void Renew()
    {
        long sentMs = NowMs;
        try
        {
            var renewed = _store.RenewLeases();
            _events.Post(() =>
            {
                bool wasTrusted = IsTrusted;
                _reconciler.Renewed(sentMs, renewed, _requests);
                if (!wasTrusted)
                    _wakeShards();
            });
        }
        catch (StoreException)
        {
            _events.Post(() => _reconciler.RenewFailed(NowMs));
        }
    }

    private void ReadLeases()
    {
        try
        {
            var leases = _store.ReadLeases();
            var nodes = _store.ReadNodes();
            if (_me is { } me && !nodes.Contains(me))
                _store.Announce(me); // At first, and when it was taken for gone.
            _events.Post(() =>
            {
                _reconciler.SawLeases(NowMs, leases, _requests);
                Draw(leases, nodes);
                Volatile.Write(ref _isLooking, 0);
            });
        }
        catch (StoreException)
        {
            _events.Post(() =>
            {
                _reconciler.ReadFailed(NowMs);
                Volatile.Write(ref _isLooking, 0);
            });
        }
    }

    /// <summary>
    /// The map of what was read. Its version is the sum of all epochs: it grows with every claim, and nodes that have
    /// seen the same have the same. What is nobody's is said to be here, where it may be asked for as well as anywhere.
    /// </summary>
    private void Draw(IReadOnlyList<LeaseRow> leases, IReadOnlyList<ClusterNode> nodes)
    {
        var places = new Dictionary<string, int>();
        var endpoints = new List<NodeEndpoint> { _me!.Tcp };
        places.Add(_me.Owner, 0);
        foreach (var node in nodes)
        {
            if (places.TryAdd(node.Owner, endpoints.Count))
                endpoints.Add(node.Tcp);
        }

        long version = 1;
        int[] owners = new int[leases.Count];
        foreach (var lease in leases)
        {
            version += lease.Epoch;
            owners[lease.Partition] = places.GetValueOrDefault(lease.Owner);
        }

        var map = new PartitionMap(version, endpoints, owners);
        bool isNew = _map is not { } known || version > known.Version || !endpoints.SequenceEqual(known.Nodes);
        _map = map;
        _others =
        [
            .. places.Where(place => place.Value > 0 && owners.Contains(place.Value))
                .Select(place => new PeerNode(NodeIdentity.NameOf(place.Key) ?? "", endpoints[place.Value]))
                .Distinct(), // A node that was killed is there twice while its last life still has leases.
        ];
        if (isNew)
            MapChanged?.Invoke(map);
    }

    private void Claim(IReadOnlyList<SeenLease> wanted)
    {
        try
        {
            var claimed = _store.Claim(wanted);
            _events.Post(() => _reconciler.Claimed(NowMs, claimed, _requests));
        }
        catch (StoreException)
        {
            _events.Post(() => _reconciler.ClaimFailed(NowMs));
        }
    }

    private void Release(int partition, long epoch)
    {
        bool isReleased = false;
        try
        {
            _store.Release(partition, epoch);
            isReleased = true;
        }
        catch (StoreException)
        {
            // It is tried again.
        }

        _events.Post(() =>
        {
            _releasing--;
            if (isReleased)
                _reconciler.Released(NowMs, partition);
            else
                _reconciler.ReleaseFailed(NowMs, partition);
            _board.WakeAll();
        });
    }

    private void Load(ClaimedPartition[] claimed) => _changes.Post(() =>
    {
        try
        {
            var images = _store.LoadPartitions(claimed);
            _events.Post(() => Grant(images));
        }
        catch (StoreException)
        {
            _events.Post(() =>
            {
                foreach (var (partition, epoch) in claimed)
                    _reconciler.LoadFailed(NowMs, partition, epoch);
            });
        }
        catch (RecordDamagedException e)
        {
            _failed.TrySetResult($"The store is damaged: {e.Message} Restore it from a backup.");
        }
    });

    /// <summary>What was lost while it was read is not granted.</summary>
    private void Grant(IReadOnlyList<PartitionImage> images)
    {
        foreach (var image in images)
        {
            if (_store.Owned.Covers(image.Partition, image.Epoch))
                Tell(new PartitionChange(PartitionChangeKind.Grant, image.Partition, image));
        }
    }

    private void Beat(long nowMs)
    {
        if (_isBeating || nowMs < _beatDueMs)
            return;
        _isBeating = true;
        _beatDueMs = nowMs + (long)_options.Heartbeat.TotalMilliseconds;
        var me = _store.Identity;
        _ = BeatAsync(nowMs, new Heartbeat(
            me.Name, me.Incarnation, ++_beats, _options.Weight,
            _reconciler.CanOwn && _reconciler.KnowsMembers && IsTrusted, _reconciler.IsLeaving));
    }

    private async Task BeatAsync(long askedMs, Heartbeat mine)
    {
        var heartbeats = await _board.BeatAsync(mine, _stopping.Token);
        _events.Post(() =>
        {
            _isBeating = false;
            if (heartbeats is not null)
                _members.Saw(askedMs, heartbeats);
        });
    }
}
