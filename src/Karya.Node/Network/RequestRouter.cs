using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>Requests that are answered by asking the desk and waiting for it.</summary>
internal sealed class RequestRouter(NodeParts node, Func<int> connectionCount)
{
    /// <summary>Tasks and errors of a summary.</summary>
    private const int SummaryMax = 100;

    /// <summary>Answers one request. Throws <see cref="DeskException"/>.</summary>
    public delegate Task Serve(Connection connection, ulong tag, CancellationToken stopping);

    /// <summary>Reads a request. Null: it is malformed, which the reader knows, or nobody knows it.</summary>
    public Serve? Find(Opcode opcode, ref WireReader reader) => opcode switch
    {
        Opcode.Update => ReadUpdate(ref reader),
        Opcode.Cancel => Read<CancelRequest>(ref reader, CancelAsync),
        Opcode.Trigger => Read<TriggerRequest>(ref reader, TriggerAsync),
        Opcode.Get => Read<GetRequest>(ref reader, GetAsync),
        Opcode.Summary => Read<SummaryRequest>(ref reader, SummarizeAsync),
        Opcode.List => Read<ListRequest>(ref reader, ListAsync),
        Opcode.Tasks => Read<TasksRequest>(ref reader, ListTasksAsync),
        Opcode.Errors => Read<ErrorsRequest>(ref reader, ListErrorsAsync),
        Opcode.Result => Read<ResultRequest>(ref reader, GetResultAsync),
        Opcode.CreateUser => Read<CreateUserRequest>(ref reader, CreateUserAsync),
        Opcode.FindUser => Read<FindUserRequest>(ref reader, FindUserAsync),
        Opcode.Map => Read<MapRequest>(ref reader, GetMapAsync),
        Opcode.Stats => Read<StatsRequest>(ref reader, GetStatsAsync),
        Opcode.Cluster => Read<ClusterStatusRequest>(ref reader, DescribeClusterAsync),
        Opcode.Drain => Read<DrainRequest>(ref reader, DrainAsync),
        Opcode.Connectors => Read<ConnectorsRequest>(ref reader, DescribeConnectorsAsync),
        Opcode.DeadLetters => Read<DeadLettersRequest>(ref reader, ListDeadAsync),
        Opcode.DeadLetter => Read<DeadLetterRequest>(ref reader, ChangeDeadAsync),
        Opcode.StartOperation => Read<StartOperationRequest>(ref reader, StartOperationAsync),
        Opcode.Operations => Read<OperationsRequest>(ref reader, ListOperationsAsync),
        _ => null,
    };

    private delegate Task Handle<T>(T request, Connection connection, ulong tag, CancellationToken stopping);

    private static Serve? Read<T>(ref WireReader reader, Handle<T> handle) where T : IMessage<T>
    {
        var request = T.Read(ref reader);
        return reader.TryEnd()
            ? (connection, tag, stopping) => handle(request, connection, tag, stopping)
            : null;
    }

    /// <summary>Its hooks are judged as those of a submit are: form alone does not keep a bad URL out.</summary>
    private Serve? ReadUpdate(ref WireReader reader)
    {
        var judging = reader;
        SubmissionReader.CheckUpdate(ref judging, node.Desk.Submits.Rules);
        var serve = Read<UpdateRequest>(ref reader, UpdateAsync);
        if (serve is null || judging.Fault is not { } fault)
            return serve;
        reader.Refuse(fault.Code, fault.Slot, fault.Message);
        return null;
    }

    private async Task UpdateAsync(
        UpdateRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        string? period = request.PeriodMs is { } periodMs ? PeriodTexts.Of(periodMs) : null;
        var hooks = request.Hooks?.Select(WireActions.Of).ToArray();
        var change = new PlanChange(period, request.PeriodMs, request.Retries, hooks) { IsWire = hooks is not null };
        var plan = await node.Desk.UpdateAsync(new PlanId(request.Plan), change, stopping);
        AnswerPlan(connection, tag, plan, snapshot => snapshot);
    }

    private async Task CancelAsync(
        CancelRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        AnswerPlan(
            connection, tag, await node.Desk.CancelAsync(new PlanId(request.Plan), stopping),
            plan => new CancelReply(plan));

    private async Task TriggerAsync(
        TriggerRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        AnswerPlan(
            connection, tag, await node.Desk.TriggerAsync(new PlanId(request.Plan), stopping),
            plan => new TriggerReply(plan));

    private async Task GetAsync(GetRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        if (await node.Desk.GetAsync(new PlanId(request.Plan), stopping) is not { } found)
        {
            connection.Refuse(tag, PeerErrors.PlanNotFound());
            return;
        }

        var task = Snapshots.Of(found.Task, found.Plan, node);
        connection.Answer(tag, new PlanDetails(Snapshots.Of(found.Plan), task));
    }

    private async Task SummarizeAsync(
        SummaryRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        if (await node.Desk.SummarizeAsync(new PlanId(request.Plan), SummaryMax, stopping) is not { } summary)
        {
            connection.Refuse(tag, PeerErrors.PlanNotFound());
            return;
        }

        connection.Answer(tag, new SummaryReply(
            Snapshots.Of(summary.Plan),
            [.. summary.Tasks.TakeLast(SummaryMax).Select(task => Snapshots.Of(task, summary.Plan, node))],
            [.. summary.Errors.TakeLast(SummaryMax).Select(Snapshots.Of)]));
    }

    private async Task ListAsync(ListRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        var page = await node.Desk.ListAsync(
            new UserId(request.User), Snapshots.StateOf(request.Status), Cursors.ReadPlan(request.Cursor),
            request.Limit, stopping);
        connection.Answer(tag, new ListReply(
            [.. page.Plans.Select(Snapshots.Of)], page.Next is { } next ? Cursors.Of(next) : null));
    }

    private async Task ListTasksAsync(
        TasksRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        var page = await node.Desk.ListTasksAsync(
            new PlanId(request.Plan), Cursors.ReadTask(request.Cursor), request.Limit, stopping);
        if (page is null)
        {
            connection.Refuse(tag, PeerErrors.PlanNotFound());
            return;
        }

        connection.Answer(tag, new TasksReply(
            [.. page.Tasks.Select(task => Snapshots.Of(task, page.Plan, node))],
            page.Next is { } next ? Cursors.Of(next) : null));
    }

    private async Task ListErrorsAsync(
        ErrorsRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        var page = await node.Desk.ListErrorsAsync(
            new PlanId(request.Plan), Cursors.ReadError(request.Cursor), request.Limit, stopping);
        if (page is null)
        {
            connection.Refuse(tag, PeerErrors.PlanNotFound());
            return;
        }

        connection.Answer(tag, new ErrorsReply(
            [.. page.Errors.Select(Snapshots.Of)], page.Next is { } next ? Cursors.Of(next) : null));
    }

    private async Task GetResultAsync(
        ResultRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        var key = new TaskKey(new PlanId(request.Plan), request.Occurrence, request.Hook);
        connection.Answer(tag, new ResultReply(await node.Desk.GetResultAsync(key, stopping)));
    }

    private async Task CreateUserAsync(
        CreateUserRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        connection.Answer(
            tag, new CreateUserReply(Snapshots.Of(await node.Desk.CreateUserAsync(request.Name, stopping))));

    private async Task FindUserAsync(
        FindUserRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        if (await node.Desk.FindUserAsync(request.Name, stopping) is { } user)
        {
            connection.Answer(tag, new FindUserReply(Snapshots.Of(user)));
            return;
        }

        connection.Refuse(tag, PeerErrors.Of(
            ErrorCode.UserNotFound, $"There is no user named {Quoted.Shorten(request.Name)}.", "name"));
    }

    private async Task DescribeClusterAsync(
        ClusterStatusRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        connection.Answer(tag, await node.Cluster.DescribeAsync(request.OwnOnly));

    private async Task DrainAsync(DrainRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        await node.Cluster.DrainAsync(request.Node, request.IsOn, byNode: connection.IsNode);
        connection.Answer(tag, new DrainReply());
    }

    private async Task DescribeConnectorsAsync(
        ConnectorsRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        connection.Answer(tag, await node.Connectors(request.Test, stopping));

    private async Task ListDeadAsync(
        DeadLettersRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        connection.Answer(tag, await node.DeadLetters.ListAsync(request, stopping));

    private async Task ChangeDeadAsync(
        DeadLetterRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        await node.DeadLetters.ChangeAsync(request, stopping);
        connection.Answer(tag, new DeadLetterReply());
    }

    private async Task StartOperationAsync(
        StartOperationRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        connection.Answer(tag, new StartOperationReply(await node.DeadLetters.StartAsync(request, stopping)));

    private async Task ListOperationsAsync(
        OperationsRequest request, Connection connection, ulong tag, CancellationToken stopping) =>
        connection.Answer(tag, await node.DeadLetters.OperationsAsync(request, stopping));

    private Task GetMapAsync(MapRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        connection.Answer(tag, new MapReply(node.Map()));
        return Task.CompletedTask;
    }

    private Task GetStatsAsync(StatsRequest request, Connection connection, ulong tag, CancellationToken stopping)
    {
        connection.Answer(tag, node.Stats() with { Connections = connectionCount() });
        return Task.CompletedTask;
    }

    private static void AnswerPlan<T>(Connection connection, ulong tag, PlanView? plan, Func<PlanSnapshot, T> reply)
        where T : IMessage<T>
    {
        if (plan is null)
            connection.Refuse(tag, PeerErrors.PlanNotFound());
        else
            connection.Answer(tag, reply(Snapshots.Of(plan)));
    }
}
