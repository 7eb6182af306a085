using System.Buffers;
using System.Diagnostics;
using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Node;
using Karya.Node.Cluster;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Sqlite;
using Karya.Node.Workers;
using Karya.Protocol;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// A node without its network: shard, journal, projector and executor on a store, with a connector that succeeds at
/// once. Commands go straight into the inbox, as the wire hands them over.
/// </summary>
internal sealed class NodeRig : IAsyncDisposable
{
    public const int PartitionCount = 256;
    public const int ProjectionLagMax = 1_000_000;

    private const int InboxCapacity = 65_536;
    private const int Concurrency = 256;
    private const int HorizonMs = 600_000;
    private const int ProjectionIntervalMs = 500;
    private const int UserCount = 1000;

    private static readonly UserId[] Users = MakeUsers();

    private readonly string? _folder;
    private readonly TickClock _ticks;
    private readonly PlanIds _ids = new();
    private readonly IStore _store;
    private readonly PartitionLease _lease;
    private readonly Shard _shard;
    private readonly Journal _journal;
    private readonly Projector _projector;
    private readonly Loader _loader;
    private readonly Executor _executor;
    private readonly WorkerDesk _workers;
    private readonly ShardLoop _loop;

    /// <param name="store">New or filled; the rig opens it and disposes it.</param>
    /// <param name="started">Hears of every attempt that starts.</param>
    /// <param name="folder">Removed with the rig.</param>
    public NodeRig(IStore store, AttemptStarted? started = null, string? folder = null)
    {
        _store = store;
        _folder = folder;
        _ticks = new TickClock(store.Clock);
        OpenSent = Stopwatch.GetTimestamp();
        var marks = store.Open(PartitionCount);
        long nowMs = _ticks.NowMs();
        var waiter = new DeadlineWaiter(store.Clock);
        _shard = new Shard(
            new ShardOptions(
                0, PartitionCount, Concurrency, Concurrency, HorizonMs, ProjectionIntervalMs, ProjectionLagMax),
            new ShardInbox(InboxCapacity, waiter.Wake), nowMs);
        _journal = new Journal(store, [_shard.Inbox]);
        _projector = new Projector(store, _journal, [_shard], TimeSpan.FromDays(7), store.Clock);
        _loader = new Loader(store, [_shard], PartitionCount);
        _lease = new PartitionLease(
            store.LeaseLength, store.RenewLease, () => store.Lost, waiter.Wake, TimeProvider.System);
        var connector = new NoConnector();
        _executor = new Executor(
            new ExecutorOptions(Concurrency)
            {
                Started = started ?? ((in _, _) => { }),
                MayBegin = _lease.WaitToBeginAsync,
            },
            new Connectors(connector, connector),
            (in command) => _shard.Inbox.PostOutcome(command), _ticks.NowMs, TimeProvider.System);
        _workers = new WorkerDesk(
            new WorkerDeskOptions(
                TimeSpan.FromSeconds(30), _lease.Ask, _ticks.NowMs, (in _, _) => { }, (in _, in _, _) => { }),
            [_shard], TimeProvider.System);
        _loop = new ShardLoop(
            0, _shard, waiter, _ticks, TimeProvider.System, _journal, _projector, _loader, _executor, _workers, _lease);
        _lease.Start();
        LoadSent = Stopwatch.GetTimestamp();
        PartitionHost.OpenAll(store, marks, [_shard], nowMs);
        _journal.Start();
        _projector.Start();
        _loader.Start();
        _executor.Start();
        _loop.Start();
    }

    /// <summary>On a fresh SQLite file.</summary>
    public static NodeRig OnSqlite(AttemptStarted? started = null)
    {
        string folder = Directory.CreateTempSubdirectory("karya-figure-").FullName;
        var rig = new NodeRig(new SqliteStore(Path.Combine(folder, "karya.db"), TimeProvider.System), started, folder);
        rig.AddUsers();
        return rig;
    }

    /// <summary>A plan's body: a REST call of about 200 bytes, as users submit them.</summary>
    public static byte[] Body { get; } = MakeBody();

    public ShardStatus Status => _shard.Status;

    /// <summary>A stopwatch's timestamp from before the store was opened.</summary>
    public long OpenSent { get; }

    /// <summary>A stopwatch's timestamp from when the store was open and nothing was loaded.</summary>
    public long LoadSent { get; }

    public static UserId UserOf(int number) => Users[number % UserCount];

    public PlanId NewId() => _ids.New(_ticks.NowMs());

    public long NowMs => _ticks.NowMs();

    /// <summary>Stores the users whose plans are submitted: their numbers of plans are kept.</summary>
    public void AddUsers()
    {
        foreach (var (number, user) in Users.Index())
            _store.AddUser(new UserView(user, $"user {number}", NowMs));
    }

    /// <summary>Submits a one-time plan. Waits while the inbox is full.</summary>
    public void Submit(int number, long delayMs, IReplyTarget? replyTo)
    {
        long nowMs = _ticks.NowMs();
        var id = _ids.New(nowMs);
        var command = new Command
        {
            Kind = CommandKind.Submit,
            Partition = PartitionHash.Of(id.Value, PartitionCount),
            Key = new TaskKey(id, 0, 0),
            AtMs = nowMs,
            Spec = SpecOf(id, UserOf(number), nowMs, delayMs),
            Payload = ArrayPool<byte>.Shared.Rent(Body.Length),
            PayloadBytes = Body.Length,
            ReplyTo = replyTo,
        };
        Body.CopyTo(command.Payload, 0);
        while (!_shard.Inbox.TryPost(command))
            Thread.Yield();
    }

    public static PlanSpec SpecOf(PlanId id, UserId user, long nowMs, long delayMs) => new()
    {
        Id = id,
        User = user,
        CreatedMs = nowMs,
        FirstDueMs = nowMs + delayMs,
        PeriodMs = delayMs,
        EndMs = PlanSpec.NoEnd,
        Kind = ScheduleKind.Once,
        AttemptsMax = 1,
        RetryDelayMs = 1000,
        RetryDelayMsMax = 60_000,
        Lane = 1,
    };

    /// <summary>Waits until nothing is scheduled, running or on its way to the tables.</summary>
    public void WaitUntilIdle()
    {
        while (Status.Scheduled + Status.InFlight + Status.Ready > 0)
            Thread.Sleep(1);
        WaitForTables();
    }

    public void WaitForTables() => _loop.WhenTablesCaughtUpAsync().Wait();

    public async ValueTask DisposeAsync()
    {
        _loop.Close();
        await _executor.StopAsync(TimeSpan.Zero);
        await _executor.DisposeAsync();
        _loop.Dispose();
        _workers.Dispose();
        _loader.Dispose();
        _journal.Dispose();
        _projector.Dispose();
        _lease.Dispose();
        _store.Dispose();
        _shard.Dispose();
        if (_folder is not null)
            Directory.Delete(_folder, recursive: true);
    }

    private static UserId[] MakeUsers()
    {
        var ids = new PlanIds();
        return [.. Enumerable.Range(0, UserCount).Select(number => new UserId(ids.New(number).Value))];
    }

    private static byte[] MakeBody()
    {
        var writer = new ArrayBufferWriter<byte>();
        var action = new RestAction(
            false, "orders.example.org/api/v2/orders/8842/remind?src=karya", "POST",
            [new("content-type", "application/json")], "{\"order\":8842,\"kind\":\"reminder\"}", 2000);
        PlanBodyCodec.Write(new PlanBody("remind about order 8842", "PT10M", action, []), writer);
        return writer.WrittenSpan.ToArray();
    }

    private sealed class NoConnector : IConnector
    {
        public ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping) =>
            ValueTask.FromResult(Outcome.Success);
    }
}

/// <summary>Counts answers; the thread that waits for the last one is told.</summary>
internal sealed class ReplyCounter(int expected) : IReplyTarget
{
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;

    public int Failed { get; private set; }

    public int Count => Volatile.Read(ref _count);

    public void Complete(in Reply reply)
    {
        if (reply.Code != ReplyCode.Ok)
            Failed++;
        if (++_count == expected) // One shard, one thread.
            _all.SetResult();
    }

    public void Wait()
    {
        if (!_all.Task.Wait(TimeSpan.FromMinutes(5)))
            throw new TimeoutException($"{_count} of {expected} answers came.");
    }
}
