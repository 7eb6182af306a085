using System.Net;
using System.Security.Cryptography;
using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Cluster;
using Karya.Node.Configuration;
using Karya.Node.Diagnostics;
using Karya.Node.Execution;
using Karya.Node.Http;
using Karya.Node.Network;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Karya.Node.Storage.Sqlite;
using Karya.Node.Workers;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging;

namespace Karya.Node;

/// <summary>Where a running node can be reached, with the ports that were really taken.</summary>
internal sealed record NodeAddresses(Uri Http, IPEndPoint Tcp);

/// <summary>
/// A whole node: builds the parts, connects them, starts and stops them in a written order. The only place where they
/// meet.
/// </summary>
/// <remarks>
/// <code>
/// start: store ─ recover ─ journal ─ projector ─ loader ─ executor ─ workers ─ lease ─ shards ─ HTTP ─ TCP
/// stop:  TCP says goodbye ─ HTTP ─ partitions to others ─ shards closed ─ executor and workers drained ─ their ends to
///        others ─ tables caught up ─ TCP ─ shards ─ loader ─ journal ─ projector ─ lease ─ store
/// </code>
/// Use once: <see cref="StartAsync"/>, then <see cref="StopAsync"/>.
/// </remarks>
internal sealed class Node : IAsyncDisposable
{
    private const int HeartbeatsPerLease = 5;

    private static readonly TimeSpan FlushMax = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FarewellMax = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan UpkeepPeriod = TimeSpan.FromSeconds(1);

    private readonly NodeOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _log;
    private readonly AttemptEnded? _attemptEnded;
    private readonly TickClock _ticks;
    private readonly IStore _store;
    private readonly NodeConnectors _connectors;
    private readonly PartitionLease _lease; // Of a single node.
    private readonly IClusterStore? _shared; // Null: a single node.
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Made when the store is open, since the wheels begin at store time.
    private IClusterBoard? _board;
    private RedisBoard? _ownBoard; // The same, unless a test has brought one.
    private Shard[] _shards = [];
    private ShardLoop[] _loops = [];
    private Journal? _journal;
    private Projector? _projector;
    private Loader? _loader;
    private Executor? _executor;
    private PlanDesk? _desk;
    private Operations? _operations;
    private HttpApi? _http;
    private WorkerDesk? _workers;
    private Listener? _tcp;
    private ClusterLoop? _cluster;
    private Forwarder? _forwarder; // There when the cluster is.
    private WorkerRelay? _relay; // The same.
    private long _startedTimestamp;
    private ITimer? _upkeep;
    private volatile string? _notReady = "The node is starting.";
    private string? _lastTrouble;
    private int _lastOwned;
    private bool _areLoopsStarted;
    private bool _isStopped;

    /// <param name="options">Where the store is, and all else.</param>
    /// <param name="clock">The machine's.</param>
    /// <param name="loggers">Where messages go.</param>
    /// <param name="attemptEnded">
    /// Hears of every attempt that ended, on the threads that carry them out; for the demo's printing.
    /// </param>
    public Node(NodeOptions options, TimeProvider clock, ILoggerFactory loggers, AttemptEnded? attemptEnded = null)
        : this(options, clock, loggers, StoreOf(options, clock, loggers), attemptEnded)
    {
    }

    /// <summary>For tests that need a store which fails when told, or a board of their own.</summary>
    internal Node(
        NodeOptions options, TimeProvider clock, ILoggerFactory loggers, IStore store,
        AttemptEnded? attemptEnded = null, IClusterBoard? board = null)
    {
        _board = board;
        _shared = board is null && !options.Cluster.IsSet ? null : (IClusterStore)store;
        _options = options;
        _clock = clock;
        _loggers = loggers;
        _log = loggers.CreateLogger<Node>();
        _attemptEnded = attemptEnded;
        _store = store;
        _ticks = new TickClock(store.Clock);
        Metrics = new Metrics(clock);
        _connectors = new NodeConnectors(options, _log, clock);
        _lease = new PartitionLease(store.LeaseLength, store.RenewLease, () => store.Lost, WakeLoops, clock);
    }

    public NodeOptions Options => _options;

    /// <summary>That of the cluster's configuration, or the machine's.</summary>
    public string Name => _shared?.Identity.Name ?? Environment.MachineName;

    /// <summary>Known from the end of <see cref="StartAsync"/> on.</summary>
    public NodeAddresses Addresses { get; private set; } = new(new Uri("http://127.0.0.1"), new IPEndPoint(0, 0));

    public Metrics Metrics { get; }

    /// <summary>The counter for callers in this process; there is one once the node has started.</summary>
    public IPlanDesk Desk => _desk!;

    /// <summary>What connections get; there is something once the node has started.</summary>
    internal NodeParts? Parts { get; private set; }

    /// <summary>
    /// Completes with the reason when the node cannot go on. It must then be stopped; a restart reads what is true.
    /// </summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>
    /// Throws <see cref="StoreException"/> when the store cannot be opened, or an I/O exception when a port is taken.
    /// </summary>
    public async Task StartAsync(CancellationToken stopping)
    {
        IReadOnlyList<ProjectedMark> marks = [];
        if (_shared is not null)
            Join(_shared);
        else
            marks = _store.Open(_options.Engine.Partitions);
        long nowMs = _ticks.NowMs();
        Build(nowMs, out var journal, out var projector, out var loader, out var executor, out var http);
        if (_cluster is null)
            _lease.Start();
        OpenShards(marks, nowMs);
        _ = WatchAsync(journal);
        journal.Start();
        projector.Start();
        loader.Start();
        executor.Start();
        _workers!.Start();
        _relay?.Start();
        foreach (var loop in _loops)
            loop.Start();
        _areLoopsStarted = true;
        var addresses = await http.StartAsync(stopping);
        var endpoints = await _tcp!.StartAsync(stopping);
        Addresses = new NodeAddresses(addresses[0], endpoints[0]);
        _connectors.Guard(Addresses);
        if (_cluster is not null)
        {
            _cluster.MapChanged = _tcp.Push;
            _cluster.Start(Myself(), _forwarder!.HasEndsOf);
        }

        _notReady = null;
        _operations!.Start();
        _upkeep = _clock.CreateTimer(_ => KeepUp(journal, projector), null, UpkeepPeriod, UpkeepPeriod);
    }

    /// <summary>Finishes what runs, up to the drain time, writes everything out, and lets the store go.</summary>
    public async Task StopAsync()
    {
        if (_isStopped)
            return;
        _isStopped = true;
        _notReady = "The node is stopping.";
        if (_upkeep is not null)
            await _upkeep.DisposeAsync();
        _tcp?.SayGoodbye("The node is stopping.", _options.Executor.Drain);
        if (_http is not null)
        {
            using var impatient = new CancellationTokenSource(_options.Executor.Drain, _clock);
            await _http.StopAsync(impatient.Token);
        }

        if (_operations is not null)
            await _operations.DisposeAsync();
        await HandOverAsync();
        foreach (var loop in _loops)
            loop.Close();
        await Task.WhenAll(
            _executor?.StopAsync(_options.Executor.Drain) ?? Task.CompletedTask,
            _workers?.StopAsync(_options.Executor.Drain) ?? Task.CompletedTask);
        bool isTakenIn = await TakeInAsync();
        if (_forwarder is not null) // Ends of attempts whose partitions went before they ended.
            await Task.WhenAny(_forwarder.WhenIdleAsync(), Task.Delay(HandOverMax, _clock));
        if (isTakenIn)
            await FlushAsync();
        await HandOverAsync(); // What was taken once more, since nobody else took such an end.
        if (_tcp is not null)
        {
            using var impatient = new CancellationTokenSource(FarewellMax, _clock);
            await _tcp.StopAsync(impatient.Token);
        }

        if (_relay is not null)
            await _relay.DisposeAsync();
        if (_forwarder is not null)
            await _forwarder.DisposeAsync();
        foreach (var loop in _loops)
            loop.Dispose();
        _loader?.Dispose();
        _journal?.Dispose();
        _projector?.Dispose();
        _desk?.Dispose();
        _cluster?.Dispose();
        if (_ownBoard is not null)
            await _ownBoard.DisposeAsync();
        _lease.Dispose();
        _store.Dispose();
        foreach (var shard in _shards)
            shard.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_http is not null)
            await _http.DisposeAsync();
        if (_tcp is not null)
            await _tcp.DisposeAsync();
        if (_executor is not null)
            await _executor.DisposeAsync();
        _connectors.Dispose();
    }

    private void Join(IClusterStore store)
    {
        store.Join(_options.Engine.Partitions);
        if (_board is not null)
            return;

        // What Redis has of a cluster is found by what only its members know: clusters may share a server.
        string name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(store.Secret)))[..16];
        _board = _ownBoard = new RedisBoard(_options.Cluster.Redis, name, _loggers.CreateLogger<RedisBoard>());
    }

    private static IStore StoreOf(NodeOptions options, TimeProvider clock, ILoggerFactory loggers)
    {
        var postgres = options.Storage.Postgres;
        if (postgres.ConnectionString.Length == 0)
            return new SqliteStore(options.Storage.Path, clock);
        return new PostgresStore(
            new PostgresSettings(
                postgres.ConnectionString, postgres.Schema, options.Engine.ShardCount, options.Cluster.Lease,
                options.Storage.Retention)
            {
                Log = loggers.CreateLogger<PostgresStore>(),
                Identity = options.Cluster.Node is { } name ? NodeIdentity.Of(name) : null,
            },
            clock);
    }

    private void Build(
        long nowMs, out Journal journal, out Projector projector, out Loader loader, out Executor executor,
        out HttpApi http)
    {
        int shardCount = _options.Engine.ShardCount;
        var waiters = new DeadlineWaiter[shardCount];
        _shards = new Shard[shardCount];
        for (int i = 0; i < shardCount; i++)
        {
            waiters[i] = new DeadlineWaiter(_store.Clock);
            var inbox = new ShardInbox(_options.Engine.InboxCapacity, waiters[i].Wake);
            _shards[i] = new Shard(PartOptions.OfShard(_options, i), inbox, nowMs);
        }

        _connectors.Shards = _shards;
        _journal = journal = new Journal(_store, [.. _shards.Select(shard => shard.Inbox)], _shared);
        _projector = projector = new Projector(
            _store, journal, _shards, _options.Storage.Retention, _store.Clock, _shared);
        _loader = loader = new Loader(_store, _shards, _options.Engine.Partitions);
        if (_shared is not null)
        {
            _cluster = new ClusterLoop(
                new ClusterLoopOptions(
                    new ClusterTimes((long)_options.Cluster.Lease.TotalMilliseconds),
                    _options.Cluster.Lease / HeartbeatsPerLease),
                _shared, _board!, _shards, journal, _ticks, _clock, WakeLoops);
            _forwarder = ForwarderOf(_cluster, _shared);
        }

        IFiringRight right = _cluster is null ? _lease : _cluster;
        _executor = executor = new Executor(
            ExecutorOptionsOf(right), _connectors.With(SubmitChildAsync), PostOutcome, _ticks.NowMs, _clock);

        _workers = new WorkerDesk(
            new WorkerDeskOptions(
                _options.Workers.Lease, right.Ask, _ticks.NowMs, AttemptStarted, AttemptEnded),
            _shards, _clock);
        if (_cluster is not null)
            _relay = new WorkerRelay(_workers, _cluster.Others, _shared!.Identity.Name, _shared.Secret, _clock);
        _loops = new ShardLoop[shardCount];
        for (int i = 0; i < shardCount; i++)
        {
            _loops[i] = new ShardLoop(
                i, _shards[i], waiters[i], _ticks, _clock, journal, projector, loader, executor, _workers,
                right, _cluster, _forwarder);
        }

        _desk = new PlanDesk(
            new DeskOptions(
                _options.Engine.Partitions, (int)_options.Retry.Delay.TotalMilliseconds,
                (int)_options.Retry.DelayMax.TotalMilliseconds)
            { Rules = _connectors.Rules },
            _store, _shards, _loops, _ticks, _clock, _forwarder);
        _startedTimestamp = _clock.GetTimestamp();
        _operations = new Operations(
            new OperationParts(Name, _ticks.NowMs, _desk.ReplayAsync) { Store = _desk.Reads }, _clock);
        Parts = PartsOf(_desk, _workers, journal, projector);
        _tcp = new Listener(PartOptions.OfNetwork(_options.Tcp), Parts, _loggers, _clock);
        AddGauges(journal);
        var cluster = Parts.Cluster;
        _http = http = new HttpApi(
            PartOptions.OfHttp(_options), _desk, Parts.DeadLetters, () => cluster.DescribeAsync(ownOnly: false),
            _connectors.DescribeAsync, Metrics, HealthOf(journal, projector), _loggers);
    }

    private NodeParts PartsOf(PlanDesk desk, WorkerDesk workers, Journal journal, Projector projector) => new(
        Name,
        VersionOf(),
        desk,
        workers,
        _ticks.NowMs,
        () => StatsOf(workers, journal, projector),
        MapOf,
        _loggers.CreateLogger<Listener>())
    {
        Peers = _forwarder is null
            ? null
            : new PeerDesk(_shared!.Secret, _options.Engine.Partitions, _shards, _forwarder),
        Relay = _relay,
        Cluster = ClusterDeskOf(),
        Connectors = _connectors.DescribeAsync,
        WhyParked = action => _connectors.Breaker.WhyParked(Lanes.Of(action)),
        DeadLetters = new DeadLetterDesk(desk, _operations!),
    };

    private Forwarder ForwarderOf(ClusterLoop cluster, IClusterStore store) => new(
        _options.Engine.Partitions,
        new ForwarderParts(
            cluster.PlaceOf, cluster.IsHere, () => cluster.IsTrusted, cluster.Look,
            shard => _loops[shard].WhenTablesCaughtUpAsync()),
        new PeerLinks(store.Identity.Name, store.Secret, _clock), _shards, _ticks, _clock);

    private ClusterDesk ClusterDeskOf() => new(
        StatusOf, _options.Engine.Partitions,
        _cluster is null ? null : new ClusterDeskParts(_cluster, _shared!, _forwarder!.Links));

    /// <summary>Of this node, without its partitions.</summary>
    private NodeStatus StatusOf()
    {
        var me = Myself();
        return new NodeStatus(
            Name, _shared?.Identity.Incarnation ?? "", me.Tcp, me.Http, me.Version, NodeState.Up, 0, 0,
            (long)(_clock.GetUtcNow() - _store.Clock.GetUtcNow()).TotalMicroseconds, Late(0.5), Late(0.99),
            Metrics.Started, Sum(status => status.InFlight),
            (long)_clock.GetElapsedTime(_startedTimestamp).TotalMilliseconds,
            TroubleOf(_journal!, _projector!) ?? _ownBoard?.Trouble);

        long? Late(double quantile) => Metrics.LateMs(quantile) is { } ms ? (long)(ms * 1000) : null;
    }

    private void OpenShards(IReadOnlyList<ProjectedMark> marks, long nowMs)
    {
        if (_cluster is null)
        {
            PartitionHost.OpenAll(_store, marks, _shards, nowMs);
            return;
        }

        foreach (var shard in _shards)
            shard.Open(nowMs); // Its partitions come when they are claimed.
    }

    /// <summary>Where other nodes and clients reach this one.</summary>
    private ClusterNode Myself()
    {
        var address = Addresses.Tcp.Address;
        bool isAnywhere = address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
        var (host, port) = _options.Cluster.Advertised(
            isAnywhere ? Dns.GetHostName() : address.ToString(), Addresses.Tcp.Port);
        return new ClusterNode(
            _shared?.Identity.Owner ?? "", new NodeEndpoint(host, port),
            new UriBuilder(Addresses.Http) { Host = host }.Uri.ToString(), VersionOf());
    }

    private static string VersionOf() => typeof(Node).Assembly.GetName().Version!.ToString(3);

    private PartitionMap MapOf() => _cluster?.Map ?? PartitionMap.Single(
        _options.Engine.Partitions, new NodeEndpoint(Addresses.Tcp.Address.ToString(), Addresses.Tcp.Port));

    private StatsReply StatsOf(WorkerDesk workers, Journal journal, Projector projector) => new(
        TroubleOf(journal, projector),
        (long)_clock.GetElapsedTime(_startedTimestamp).TotalMilliseconds,
        Sum(status => status.ResidentPlans),
        Sum(status => status.Scheduled),
        Sum(status => status.Ready),
        Sum(status => status.InFlight),
        Sum(status => status.WaitingForWorker),
        journal.BacklogBytes,
        Sum(status => status.ChangedPlans),
        0,
        workers.Describe());

    private long Sum(Func<ShardStatus, long> read) => _shards.Sum(shard => read(shard.Status));

    private Health HealthOf(Journal journal, Projector projector)
    {
        var health = new Health(_clock, () => TroubleOf(journal, projector));
        foreach (var (number, loop) in _loops.Index())
            health.Watch($"Shard {number}", () => loop.LastTurn);
        return health;
    }

    private string? TroubleOf(Journal journal, Projector projector)
    {
        IFiringRight right = _cluster is null ? _lease : _cluster;
        return _notReady ?? journal.Trouble ?? right.Trouble ?? projector.Trouble;
    }

    /// <summary>
    /// Once a second: has the projector look for what can go, and tells of changes for the worse or better, and of
    /// partitions that came or went.
    /// </summary>
    private void KeepUp(Journal journal, Projector projector)
    {
        projector.Nudge();
        if (_shared is { } store && store.Owned.Count != _lastOwned)
            NodeLog.Owns(_log, _lastOwned = store.Owned.Count, _options.Engine.Partitions);
        string? trouble = TroubleOf(journal, projector);
        if (trouble is not null && trouble != _lastTrouble)
            NodeLog.NotReady(_log, trouble);
        else if (trouble is null && _lastTrouble is not null)
            NodeLog.ReadyAgain(_log);
        _lastTrouble = trouble;
    }

    private void WakeLoops()
    {
        foreach (var loop in _loops)
            loop.Wake();
    }

    private void AttemptStarted(in Dispatch dispatch, long nowMs)
    {
        Metrics.TaskDue(dispatch.StartedMs - dispatch.AttemptDueMs);
        Metrics.TaskDispatched(nowMs - dispatch.StartedMs);
        Metrics.AttemptStarted(nowMs - dispatch.AttemptDueMs);
    }

    private void AttemptEnded(in Dispatch dispatch, in Outcome outcome, long nowMs)
    {
        Metrics.AttemptEnded(outcome.IsSuccess, nowMs - dispatch.StartedMs);
        _attemptEnded?.Invoke(in dispatch, in outcome, nowMs);
    }

    private void CallEnded(in Dispatch dispatch, in Outcome outcome, long nowMs)
    {
        _connectors.Breaker.Ended(dispatch, outcome);
        AttemptEnded(dispatch, outcome, nowMs);
    }

    private Execution.ExecutorOptions ExecutorOptionsOf(IFiringRight right) => new(
        _options.Executor.Concurrency)
    {
        Started = AttemptStarted,
        Ended = CallEnded,
        MayBegin = right.WaitToBeginAsync,
    };

    private void AddGauges(Journal journal)
    {
        AddGauge("karya_resident_plans", "Plans held in memory.", status => status.ResidentPlans);
        AddGauge("karya_scheduled_tasks", "Tasks in the timing wheels.", status => status.Scheduled);
        AddGauge("karya_ready_tasks", "Due tasks that wait for a place.", status => status.Ready);
        AddGauge(
            "karya_waiting_for_worker_tasks", "Due tasks that wait for a worker.", status => status.WaitingForWorker);
        Metrics.Gauge("karya_tcp_connections", "Open connections of the wire protocol.", () => _tcp!.Count);
        AddGauge("karya_attempts_running", "Attempts that run.", status => status.InFlight);
        Metrics.Gauge(
            "karya_parked_targets", "Targets that are down, whose tasks wait.", () => _connectors.Breaker.ParkedCount);
        AddGauge(
            "karya_paced_targets", "Targets whose due tasks wait for executor.targetRate.", status => status.Paced);
        AddGauge("karya_projection_lag_plans", "Changed plans that the tables lack.", status => status.ChangedPlans);
        Metrics.Gauge(
            "karya_partitions", "Partitions that this node has.",
            () => _shared is null ? _options.Engine.Partitions : _shared.Owned.Count);
        if (_ownBoard is { } board)
            Metrics.Gauge("karya_redis_up", "Redis can be reached: 1, or not: 0.", () => board.Trouble is null ? 1 : 0);
        Metrics.Gauge("karya_journal_backlog_bytes", "Bytes of records not durable yet.", () => journal.BacklogBytes);
        Metrics.Gauge(
            "karya_clock_stalled_seconds", "How far the store's clock was set back.",
            () => _ticks.StalledMs / 1000.0);
    }

    private void AddGauge(string name, string help, Func<ShardStatus, long> read) =>
        Metrics.Gauge(name, help, () => Sum(read));

    private ValueTask<string?> SubmitChildAsync(Attempt attempt, PlanDraft draft, CancellationToken stopping) =>
        _desk!.SubmitChildAsync(attempt, draft, stopping);

    private void PostOutcome(in Command command) =>
        _shards[command.Partition % _shards.Length].Inbox.PostOutcome(command);

    private async Task WatchAsync(Journal journal)
    {
        var right = _cluster?.Failed ?? _lease.Failed;
        var first = await Task.WhenAny([journal.Failed, right, .. _loops.Select(loop => loop.Failed)]);
        _failed.TrySetResult(await first);
    }

    /// <summary>
    /// How long a stop tries to leave partitions, and ends of attempts, to others: a node that stays takes up to a
    /// lease to see that a partition is free, and one that stops gives it that time.
    /// </summary>
    private TimeSpan HandOverMax => TimeSpan.FromSeconds(10) + _options.Cluster.Lease;

    /// <summary>Gives all partitions to others. What does not go in time is free when its lease has run out.</summary>
    private async Task HandOverAsync()
    {
        if (_cluster is not null && _areLoopsStarted)
            await Task.WhenAny(_cluster.DrainAsync(), Failed, Task.Delay(HandOverMax, _clock));
    }

    /// <summary>
    /// Waits until the shards have seen what was posted to them, and it is durable: what is not theirs is the
    /// forwarder's then. False: it takes too long, or there is nobody to answer, since the start failed.
    /// </summary>
    private async Task<bool> TakeInAsync()
    {
        if (!_areLoopsStarted)
            return false;
        try
        {
            foreach (var shard in _shards)
            {
                var taken = new PendingReply();
                shard.Inbox.PostOutcome(new Command { Kind = CommandKind.Flush, ReplyTo = taken });
                await Task.WhenAny(taken.Code, Failed).WaitAsync(FlushMax, _clock);
            }

            return true;
        }
        catch (TimeoutException)
        {
            _notReady = "The journal did not take everything before the stop.";
            return false;
        }
    }

    /// <summary>
    /// The same once more, since the forwarder may have brought something back; then the tables. What does not make it
    /// in time, or in a node that cannot go on, is in the journal, or repeats.
    /// </summary>
    private async Task FlushAsync()
    {
        if (!await TakeInAsync())
            return;
        try
        {
            foreach (var loop in _loops)
                await Task.WhenAny(loop.WhenTablesCaughtUpAsync(), Failed).WaitAsync(FlushMax, _clock);
        }
        catch (TimeoutException)
        {
            _notReady = "The tables did not catch up before the stop; the journal has the rest.";
        }
    }
}
