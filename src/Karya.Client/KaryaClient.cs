using System.Runtime.CompilerServices;
using System.Text.Json;
using Karya.Client.Connections;
using Karya.Client.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>
/// Talks to a Karya cluster. Make one and share it: it is thread-safe, and all its requests go over one connection that
/// it keeps. Connecting begins with the first request, or with <see cref="ConnectAsync(string, CancellationToken)"/>.
/// </summary>
/// <remarks>
/// All requests may throw <see cref="KaryaException"/> and its subclasses: <see cref="KaryaConnectionException"/> and
/// <see cref="KaryaTimeoutException"/> when no answer came within <see cref="KaryaClientOptions.RequestTimeout"/>, <see
/// cref="KaryaOverloadedException"/> when the node takes no work. A request that was cancelled before it was sent is
/// not carried out; after that, cancelling only stops waiting for the answer.
/// </remarks>
public sealed class KaryaClient : IAsyncDisposable
{
    private readonly KaryaClientOptions _options;
    private readonly SemaphoreSlim _userGate = new(1);
    private readonly Lock _lock = new();
    private KaryaWorker[] _workers = [];
    private StrongBox<Guid>? _defaultUser;

    /// <summary>A client that connects when it is first used.</summary>
    /// <param name="options">Null for the defaults.</param>
    public KaryaClient(KaryaClientOptions? options = null)
    {
        _options = options ?? new KaryaClientOptions();
        _options.Check();
        Json = Plans.Json.Resolved(_options.Json);
        Link = new ClusterLink(_options);
        DeadLetters = new DeadLetters(this);
    }

    /// <summary>The node that requests go to at present, as <c>name (host:port)</c>; null when not connected.</summary>
    public string? Node => Link.Current?.Node;

    /// <summary>What ran out of attempts.</summary>
    public DeadLetters DeadLetters { get; }

    internal ClusterLink Link { get; }

    internal JsonSerializerOptions Json { get; }

    internal KaryaClientOptions Options => _options;

    internal IReadOnlyList<KaryaWorker> Workers => Volatile.Read(ref _workers);

    /// <summary>Connects to the first node that answers; all are tried once.</summary>
    /// <param name="address">Such as <c>karya://localhost:7070</c>.</param>
    /// <exception cref="FormatException">The text is no address.</exception>
    /// <exception cref="KaryaConnectionException">None answered.</exception>
    public static ValueTask<KaryaClient> ConnectAsync(string address, CancellationToken cancellationToken = default) =>
        ConnectAsync(new KaryaClientOptions { Address = ServerAddress.Parse(address) }, cancellationToken);

    /// <inheritdoc cref="ConnectAsync(string, CancellationToken)"/>
    public static async ValueTask<KaryaClient> ConnectAsync(
        KaryaClientOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var client = new KaryaClient(options);
        try
        {
            await client.Link.ConnectOnceAsync(cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>
    /// Hands a plan to the cluster. Returns when it is as safe as <see cref="Plan.Durability"/> says.
    /// </summary>
    /// <exception cref="KaryaConflictException">The idempotency key was used for another plan.</exception>
    /// <exception cref="KaryaException">
    /// With code <see cref="ErrorCode.Unknown"/>: the connection broke after the plan was sent, and it has neither an
    /// id nor a key by which it could be sent again.
    /// </exception>
    public async ValueTask<PlanHandle> SubmitAsync(Plan plan, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var user = await OwnerAsync(plan, cancellationToken).ConfigureAwait(false);
        var request = new SubmitRequest(plan.ToMessage(user), plan.Durability, plan.IdempotencyKey);
        var call = BulkSubmit.CallFor(nameof(SubmitAsync), plan.IsRepeatable);
        var reply = await Link.AskAsync<SubmitRequest, SubmitReply>(
            plan.Id is { } id ? call.Of(id) : call, request, cancellationToken)
            .ConfigureAwait(false);
        return new PlanHandle(this, Uuids.ToGuid(reply.Plan), reply.Existed, reply.Durability);
    }

    /// <summary>
    /// Hands many plans to the cluster, in batches of which a few are on their way at once. One outcome for each plan,
    /// in their order; a plan that is refused does not sink the rest, and neither does a batch that got no answer.
    /// </summary>
    public IAsyncEnumerable<SubmitOutcome> SubmitManyAsync(
        IEnumerable<Plan> plans, SubmitManyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plans);
        return SubmitManyAsync(plans.ToAsyncEnumerable(), options, cancellationToken);
    }

    /// <inheritdoc cref="SubmitManyAsync(IEnumerable{Plan}, SubmitManyOptions?, CancellationToken)"/>
    public IAsyncEnumerable<SubmitOutcome> SubmitManyAsync(
        IAsyncEnumerable<Plan> plans, SubmitManyOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(plans);
        return new BulkSubmit(this, options ?? new SubmitManyOptions()).RunAsync(plans, cancellationToken);
    }

    /// <summary>A handle for a plan that is known by its id. Asks nobody.</summary>
    public PlanHandle Handle(Guid planId) => new(this, planId, existed: true, Durability.Durable);

    /// <summary>A plan with its latest task; null when there is no such plan.</summary>
    public async ValueTask<PlanView?> GetAsync(Guid planId, CancellationToken cancellationToken = default)
    {
        try
        {
            var reply = await Link.AskAsync<GetRequest, PlanDetails>(
                Call.Read(nameof(GetAsync)).Of(planId), new GetRequest(Uuids.ToNumber(planId)), cancellationToken)
                .ConfigureAwait(false);
            return new PlanView(PlanState.From(reply.Plan), TaskState.From(reply.Task, planId));
        }
        catch (KaryaNotFoundException)
        {
            return null;
        }
    }

    /// <summary>A user's plans, newest first, asked for page by page.</summary>
    /// <param name="filter">Null for all of the default user.</param>
    public async IAsyncEnumerable<PlanState> ListAsync(
        PlanFilter? filter = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        filter ??= new PlanFilter();
        var user = Uuids.ToNumber(
            filter.User ?? await DefaultUserAsync(cancellationToken).ConfigureAwait(false));
        byte[]? cursor = null;
        do
        {
            var page = await Link.AskAsync<ListRequest, ListReply>(
                Call.Read(nameof(ListAsync)), new ListRequest(user, filter.Status, filter.PageSize, cursor),
                cancellationToken).ConfigureAwait(false);
            foreach (var plan in page.Plans)
                yield return PlanState.From(plan);
            cursor = page.Next;
        }
        while (cursor is not null);
    }

    /// <summary>
    /// Stops a plan and all its descendants. Workers that run its tasks are told to stop. A plan that has ended is
    /// marked as cancelled all the same.
    /// </summary>
    /// <exception cref="KaryaNotFoundException">There is no such plan.</exception>
    public async ValueTask<PlanState> CancelAsync(Guid planId, CancellationToken cancellationToken = default)
    {
        var reply = await Link.AskAsync<CancelRequest, CancelReply>(
            Call.Change(nameof(CancelAsync)).Of(planId), new CancelRequest(Uuids.ToNumber(planId)), cancellationToken)
            .ConfigureAwait(false);
        return PlanState.From(reply.Plan);
    }

    /// <summary>Changes a plan.</summary>
    /// <exception cref="KaryaNotFoundException">There is no such plan.</exception>
    /// <exception cref="KaryaConflictException">It runs by a cron expression, and has no period to change.</exception>
    public async ValueTask<PlanState> UpdateAsync(
        Guid planId, PlanUpdate update, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(update);
        var user = update.Hooks is { Count: > 0 } // Chained plans in them may name none.
            ? Uuids.ToNumber(await DefaultUserAsync(cancellationToken).ConfigureAwait(false))
            : default;
        var request = new UpdateRequest(
            Uuids.ToNumber(planId), Durations.ToMs(update.Period), update.MaxRetries,
            update.Hooks?.Select(hook => hook.ToMessage(user)).ToArray());
        var reply = await Link.AskAsync<UpdateRequest, PlanSnapshot>(
            Call.Change(nameof(UpdateAsync)).Of(planId), request, cancellationToken).ConfigureAwait(false);
        return PlanState.From(reply);
    }

    /// <summary>Runs the task that waits at once; the ones after it keep their instants.</summary>
    /// <exception cref="KaryaNotFoundException">There is no such plan.</exception>
    /// <exception cref="KaryaConflictException">No task waits: it has ended, or its only one is running.</exception>
    public async ValueTask<PlanState> TriggerAsync(Guid planId, CancellationToken cancellationToken = default)
    {
        var reply = await Link.AskAsync<TriggerRequest, TriggerReply>(
            Call.Once(nameof(TriggerAsync), "It may or may not have been triggered; look at its tasks first.")
                .Of(planId),
            new TriggerRequest(Uuids.ToNumber(planId)), cancellationToken).ConfigureAwait(false);
        return PlanState.From(reply.Plan);
    }

    /// <summary>A plan with its latest tasks and errors: at most 100 of each.</summary>
    /// <exception cref="KaryaNotFoundException">There is no such plan.</exception>
    public async ValueTask<PlanSummary> SummarizeAsync(Guid planId, CancellationToken cancellationToken = default)
    {
        var reply = await Link.AskAsync<SummaryRequest, SummaryReply>(
            Call.Read(nameof(SummarizeAsync)).Of(planId), new SummaryRequest(Uuids.ToNumber(planId)), cancellationToken)
            .ConfigureAwait(false);
        return new PlanSummary(
            PlanState.From(reply.Plan),
            [.. reply.Tasks.Select(task => TaskState.From(task, planId))],
            [.. reply.Errors.Select(TaskError.From)]);
    }

    /// <summary>All tasks of a plan, newest first, asked for page by page.</summary>
    /// <param name="pageSize">1 to 1,000.</param>
    public async IAsyncEnumerable<TaskState> TasksAsync(
        Guid planId, int pageSize = 200, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        byte[]? cursor = null;
        do
        {
            var page = await Link.AskAsync<TasksRequest, TasksReply>(
                Call.Read(nameof(TasksAsync)).Of(planId), new TasksRequest(Uuids.ToNumber(planId), pageSize, cursor),
                cancellationToken).ConfigureAwait(false);
            foreach (var task in page.Tasks)
                yield return TaskState.From(task, planId);
            cursor = page.Next;
        }
        while (cursor is not null);
    }

    /// <summary>All errors of a plan, newest first, asked for page by page.</summary>
    /// <param name="pageSize">1 to 1,000.</param>
    public async IAsyncEnumerable<TaskError> ErrorsAsync(
        Guid planId, int pageSize = 200, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        byte[]? cursor = null;
        do
        {
            var page = await Link.AskAsync<ErrorsRequest, ErrorsReply>(
                Call.Read(nameof(ErrorsAsync)).Of(planId), new ErrorsRequest(Uuids.ToNumber(planId), pageSize, cursor),
                cancellationToken).ConfigureAwait(false);
            foreach (var error in page.Errors)
                yield return TaskError.From(error);
            cursor = page.Next;
        }
        while (cursor is not null);
    }

    /// <summary>
    /// What a worker's handler returned for a task, as bytes; null when there is none: not yet, or it returned nothing.
    /// </summary>
    /// <param name="occurrence">From 1.</param>
    /// <param name="hook">0 for the occurrence itself, else the place of the hook plus 1.</param>
    public async ValueTask<byte[]?> GetResultAsync(
        Guid planId, long occurrence = 1, int hook = 0, CancellationToken cancellationToken = default)
    {
        var reply = await Link.AskAsync<ResultRequest, ResultReply>(
            Call.Read(nameof(GetResultAsync)).Of(planId), new ResultRequest(Uuids.ToNumber(planId), occurrence, hook),
            cancellationToken).ConfigureAwait(false);
        return reply.Result;
    }

    /// <summary>The figures of the node that the client is connected to.</summary>
    public async ValueTask<NodeStats> GetStatsAsync(CancellationToken cancellationToken = default) =>
        NodeStats.From(await Link.AskAsync<StatsRequest, StatsReply>(
            Call.Read(nameof(GetStatsAsync)), new StatsRequest(), cancellationToken).ConfigureAwait(false));

    /// <summary>Asks who is there, and who owns what. Works at a node that is alone, too.</summary>
    public async ValueTask<ClusterStatus> GetClusterAsync(CancellationToken cancellationToken = default)
    {
        var status = await Link.AskAsync<ClusterStatusRequest, ClusterStatusReply>(
            Call.Read(nameof(GetClusterAsync)), new ClusterStatusRequest(OwnOnly: false), cancellationToken)
            .ConfigureAwait(false);
        return new ClusterStatus(status.Nodes, status.Partitions);
    }

    /// <summary>
    /// Has a node give its partitions to the others and take none, or take its part again. It goes on serving requests;
    /// how far it is, <see cref="GetClusterAsync"/> tells. After a restart it takes its part again.
    /// </summary>
    /// <param name="node">The name of any node of the cluster.</param>
    /// <param name="isOn">False: it takes its part again.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="KaryaException">There is no such node, or it does not answer.</exception>
    public async ValueTask DrainAsync(string node, bool isOn = true, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(node);
        await Link.AskAsync<DrainRequest, DrainReply>(
            Call.Read(nameof(DrainAsync)), new DrainRequest(node, isOn), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The connectors that the node knows to which the client is connected.</summary>
    public async ValueTask<IReadOnlyList<ConnectorStatus>> GetConnectorsAsync(
        CancellationToken cancellationToken = default)
    {
        var reply = await Link.AskAsync<ConnectorsRequest, ConnectorsReply>(
            Call.Read(nameof(GetConnectorsAsync)), new ConnectorsRequest(null), cancellationToken)
            .ConfigureAwait(false);
        return reply.Connectors;
    }

    /// <summary>
    /// Has that node try out a connector: it connects and signs in, and sends nothing to anybody. Takes up to half a
    /// minute when nobody answers there.
    /// </summary>
    /// <param name="name">rest, slack, email or kafka.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="KaryaException">There is no such connector, or the node is not configured for it.</exception>
    public async ValueTask<ConnectorStatus> TestConnectorAsync(
        string name, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var reply = await Link.AskAsync<ConnectorsRequest, ConnectorsReply>(
            Call.Read(nameof(TestConnectorAsync)), new ConnectorsRequest(name), cancellationToken)
            .ConfigureAwait(false);
        return reply.Connectors.First(connector => connector.Name == name);
    }

    /// <summary>Asks for a sign of life.</summary>
    public async ValueTask<PingResult> PingAsync(CancellationToken cancellationToken = default)
    {
        var connection = await Link.ConnectionWithinAsync(nameof(PingAsync), cancellationToken).ConfigureAwait(false);
        long start = _options.TimeProvider.GetTimestamp();
        var pong = await Link.AskAsync<Ping, Pong>(Call.Read(nameof(PingAsync)), new Ping(), cancellationToken)
            .ConfigureAwait(false);
        return new PingResult(
            connection.Node, _options.TimeProvider.GetElapsedTime(start), Durations.InstantFromMs(pong.StoreTimeMs));
    }

    /// <summary>Makes a user, even when there is one of that name.</summary>
    public async ValueTask<KaryaUser> CreateUserAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        var reply = await Link.AskAsync<CreateUserRequest, CreateUserReply>(
            Call.Once(nameof(CreateUserAsync), "The user may or may not exist; find it by its name."),
            new CreateUserRequest(name), cancellationToken).ConfigureAwait(false);
        return KaryaUser.From(reply.User);
    }

    /// <summary>The oldest user of that exact name; null when there is none.</summary>
    public async ValueTask<KaryaUser?> FindUserAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        try
        {
            var reply = await Link.AskAsync<FindUserRequest, FindUserReply>(
                Call.Read(nameof(FindUserAsync)), new FindUserRequest(name), cancellationToken).ConfigureAwait(false);
            return KaryaUser.From(reply.User);
        }
        catch (KaryaNotFoundException)
        {
            return null;
        }
    }

    /// <summary>
    /// A worker that carries out tasks over this client's connection. It takes nothing before <see
    /// cref="KaryaWorker.Start"/>, and is drained when the client is disposed, if not before.
    /// </summary>
    public KaryaWorker CreateWorker(Action<KaryaWorkerBuilder> tasks, KaryaWorkerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(tasks);
        options ??= new KaryaWorkerOptions();
        options.Check();
        var builder = new KaryaWorkerBuilder(
            options.Json is null ? Json : Plans.Json.Resolved(options.Json), options.Concurrency);
        tasks(builder);
        var worker = new KaryaWorker(Link, builder.Build(), options);
        lock (_lock)
            _workers = [.. _workers, worker];
        return worker;
    }

    /// <summary>
    /// Drains the workers, then closes the connection. Requests that are not answered yet fail: await them first.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var worker in Workers)
            await worker.DisposeAsync().ConfigureAwait(false);
        await Link.DisposeAsync().ConfigureAwait(false);
        _userGate.Dispose();
    }

    internal async ValueTask<UInt128> OwnerAsync(Plan plan, CancellationToken cancellationToken) =>
        Uuids.ToNumber(plan.User ?? await DefaultUserAsync(cancellationToken).ConfigureAwait(false));

    /// <summary>
    /// Finds the user, or creates it and finds it again: when two clients create it at once, both end up with the
    /// older.
    /// </summary>
    internal async ValueTask<Guid> DefaultUserAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _defaultUser) is { } known)
            return known.Value;

        await _userGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_defaultUser is { } meanwhile)
                return meanwhile.Value;
            var user = await FindUserAsync(_options.UserName, cancellationToken).ConfigureAwait(false);
            if (user is null)
            {
                var created = await CreateUserAsync(_options.UserName, cancellationToken).ConfigureAwait(false);
                user = await FindUserAsync(_options.UserName, cancellationToken).ConfigureAwait(false) ?? created;
            }

            Volatile.Write(ref _defaultUser, new StrongBox<Guid>(user.Id));
            return user.Id;
        }
        finally
        {
            _userGate.Release();
        }
    }
}
