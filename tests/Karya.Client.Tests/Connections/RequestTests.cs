using System.Text;
using Karya.Client.Tests.Fakes;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Connections;

/// <summary>Every request of the client, and what becomes of its answer.</summary>
public sealed class RequestTests : IAsyncDisposable
{
    private readonly FakeNode _node = new();
    private readonly KaryaClient _client;
    private FakeConnection? _connection;

    public RequestTests() => _client = _node.Client();

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task The_first_frame_is_a_hello_with_versions_and_name()
    {
        await using var client = await KaryaClient.ConnectAsync($"karya://127.0.0.1:{_node.Port}").Soonly();

        var connection = await _node.AcceptAsync();

        Assert.Equal(1, connection.Hello!.VersionMin);
        Assert.Equal(1, connection.Hello.VersionMax);
        Assert.StartsWith("Karya.Client/", connection.Hello.Client, StringComparison.Ordinal);
        Assert.Null(connection.Hello.Token);
        Assert.Equal($"node-1 (127.0.0.1:{_node.Port})", client.Node);
    }

    [Fact]
    public async Task A_plan_is_submitted_with_everything_it_says()
    {
        var id = Guid.CreateVersion7();
        var end = new DateTimeOffset(2027, 12, 31, 0, 0, 0, TimeSpan.Zero);
        var plan = new Plan
        {
            Name = "crm-sync",
            Action = KaryaAction.Http(
                HttpMethod.Post, "https://crm.local/sync", "{}", timeout: TimeSpan.FromSeconds(30)),
            Schedule = Schedule.Cron("30 2 * * *", "Europe/Berlin") with { EndAt = end },
            MaxRetries = 5,
            RetryDelay = TimeSpan.FromSeconds(2),
            RetryDelayMax = TimeSpan.FromMinutes(1),
            Missed = MissedRuns.Skip,
            Hooks =
            [
                Hook.OnFailure(KaryaAction.Slack("#ops", "[]"), maxRetries: 1),
                Hook.OnCompletion(KaryaAction.Chain(new Plan { Action = KaryaAction.Task("report", 1) })),
            ],
            User = Samples.UserId,
            IdempotencyKey = "crm:1",
            Id = id,
            Durability = Durability.Accepted,
        };
        var submitting = _client.SubmitAsync(plan);

        var sent = await AnswerAsync<SubmitRequest, SubmitReply>(
            new SubmitReply(Uuids.ToNumber(id), Durability.Durable, Existed: true));
        var handle = await submitting.Soonly();

        Assert.Equal(Durability.Accepted, sent.Durability);
        Assert.Equal("crm:1", sent.Key);
        Assert.Equal(Uuids.ToNumber(id), sent.Plan.Id);
        Assert.Equal(Uuids.ToNumber(Samples.UserId), sent.Plan.User);
        Assert.Equal(
            new ScheduleMessage.Cron("30 2 * * *", "Europe/Berlin", end.ToUnixTimeMilliseconds()), sent.Plan.Schedule);
        Assert.Equal(new PolicyMessage(5, 2000, 60_000, MissedRuns.Skip), sent.Plan.Policy);
        Assert.Equal("crm-sync", sent.Plan.Content.Name);
        var rest = Assert.IsType<RestAction>(sent.Plan.Content.Action);
        Assert.Equal(
            ("POST", "https://crm.local/sync", "{}", 30_000L), (rest.Method, rest.Url, rest.Body, rest.TimeoutMs));
        Assert.Equal(1, sent.Plan.Content.Hooks[0].Retries);
        var chained = Assert.IsType<ChainAction>(sent.Plan.Content.Hooks[1].Action).Plan;
        Assert.Equal(sent.Plan.User, chained.User);
        Assert.Equal("1", Encoding.UTF8.GetString(Assert.IsType<TaskAction>(chained.Content.Action).Arguments));
        Assert.Equal((id, true, Durability.Durable), (handle.Id, handle.Existed, handle.Durability));
    }

    [Fact]
    public async Task A_delay_is_rounded_up_to_milliseconds()
    {
        var schedule = Schedule.After(TimeSpan.FromTicks(10_001));
        var submitting = _client.SubmitAsync(Samples.Plan with { Schedule = schedule });

        var sent = await AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await submitting.Soonly();

        Assert.Equal(new ScheduleMessage.After(2), sent.Plan.Schedule);
    }

    [Fact]
    public async Task A_plan_without_user_gets_the_default_one_which_is_found_once()
    {
        var first = _client.SubmitAsync(Samples.Plan with { User = null });
        var found = await AnswerAsync<FindUserRequest, FindUserReply>(new FindUserReply(Samples.User));
        var sent = await AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await first.Soonly();
        var second = _client.SubmitAsync(Samples.Plan with { User = null });
        await AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await second.Soonly();

        Assert.Equal("default", found.Name);
        Assert.Equal(Uuids.ToNumber(Samples.UserId), sent.Plan.User);
    }

    [Fact]
    public async Task A_default_user_that_is_missing_is_created_and_found_again()
    {
        var other = Samples.User with { Id = 42 };
        var submitting = _client.SubmitAsync(Samples.Plan with { User = null });

        await AnswerAsync<FindUserRequest, ErrorMessage>(Samples.Error(ErrorCode.UserNotFound));
        await AnswerAsync<CreateUserRequest, CreateUserReply>(new CreateUserReply(other));
        await AnswerAsync<FindUserRequest, FindUserReply>(new FindUserReply(Samples.User)); // Somebody was faster.
        var sent = await AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await submitting.Soonly();

        Assert.Equal(Uuids.ToNumber(Samples.UserId), sent.Plan.User);
    }

    [Fact]
    public async Task A_plan_is_read_with_its_latest_task()
    {
        var getting = _client.GetAsync(Samples.PlanId);
        var asked = await AnswerAsync<GetRequest, PlanDetails>(
            Samples.Details(PlanStatus.Completed, PlanTaskStatus.Success, attempts: 2));

        var view = await getting.Soonly();

        Assert.Equal(Uuids.ToNumber(Samples.PlanId), asked.Plan);
        Assert.True(view!.Plan.HasEnded);
        Assert.Equal(Schedule.After(TimeSpan.FromMilliseconds(1500)), view.Plan.Schedule);
        Assert.Equal("resize-image", Assert.IsType<KaryaAction.WorkerTask>(view.Plan.Action).Name);
        Assert.Equal(TimeSpan.FromMilliseconds(250), view.Task.Lateness);
        Assert.Equal((2, Samples.PlanId, Samples.TaskId), (view.Task.Attempts, view.Task.PlanId, view.Task.Id));
    }

    [Fact]
    public async Task A_plan_that_does_not_exist_is_null()
    {
        var getting = _client.GetAsync(Samples.PlanId);
        await AnswerAsync<GetRequest, ErrorMessage>(Samples.Error(ErrorCode.PlanNotFound));

        Assert.Null(await getting.Soonly());
    }

    [Fact]
    public async Task A_list_asks_for_pages_until_there_is_none()
    {
        var filter = new PlanFilter { User = Samples.UserId, Status = PlanStatus.Running, PageSize = 2 };
        var listing = _client.ListAsync(filter).ToListAsync();

        var first = await AnswerAsync<ListRequest, ListReply>(
            new ListReply([Samples.Snapshot(), Samples.Snapshot()], [9]));
        var second = await AnswerAsync<ListRequest, ListReply>(new ListReply([Samples.Snapshot()], null));

        Assert.Equal(3, (await listing.Soonly()).Count);
        Assert.Equal((PlanStatus.Running, 2), (first.Status, first.Limit));
        Assert.Null(first.Cursor);
        Assert.Equal([9], second.Cursor!);
    }

    [Fact]
    public async Task Tasks_and_errors_come_in_pages()
    {
        var tasks = _client.TasksAsync(Samples.PlanId, pageSize: 1).ToListAsync();
        await AnswerAsync<TasksRequest, TasksReply>(new TasksReply([Samples.Task()], [1]));
        await AnswerAsync<TasksRequest, TasksReply>(new TasksReply([Samples.Task(occurrence: 2)], null));
        var errors = _client.ErrorsAsync(Samples.PlanId).ToListAsync();
        await AnswerAsync<ErrorsRequest, ErrorsReply>(
            new ErrorsReply([new ErrorSnapshot(1, 0, 2, 1_767_225_600_000, "boom", "timeout")], null));

        Assert.Equal([1, 2], (await tasks.Soonly()).Select(task => task.Occurrence));
        var error = Assert.Single(await errors.Soonly());
        Assert.Equal(("boom", "timeout"), (error.Text, error.Failure));
    }

    [Fact]
    public async Task A_plan_is_cancelled_triggered_and_summarized()
    {
        var cancelling = _client.CancelAsync(Samples.PlanId);
        await AnswerAsync<CancelRequest, CancelReply>(new CancelReply(Samples.Snapshot(PlanStatus.Cancelled)));
        var triggering = _client.TriggerAsync(Samples.PlanId);
        await AnswerAsync<TriggerRequest, TriggerReply>(new TriggerReply(Samples.Snapshot()));
        var summarizing = _client.SummarizeAsync(Samples.PlanId);
        await AnswerAsync<SummaryRequest, SummaryReply>(new SummaryReply(Samples.Snapshot(), [Samples.Task()], []));

        Assert.Equal(PlanStatus.Cancelled, (await cancelling.Soonly()).Status);
        Assert.Equal(PlanStatus.Running, (await triggering.Soonly()).Status);
        Assert.Single((await summarizing.Soonly()).Tasks);
    }

    [Fact]
    public async Task An_update_sends_what_is_given_and_leaves_the_rest()
    {
        var updating = _client.UpdateAsync(Samples.PlanId, new PlanUpdate { Period = TimeSpan.FromSeconds(5) });
        var sent = await AnswerAsync<UpdateRequest, PlanSnapshot>(Samples.Snapshot());
        await updating.Soonly();

        Assert.Equal(5000, sent.PeriodMs);
        Assert.Null(sent.Retries);
        Assert.Null(sent.Hooks);
    }

    [Fact]
    public async Task A_result_is_bytes_or_json()
    {
        var reading = _client.GetResultAsync(Samples.PlanId, occurrence: 3, hook: 1);
        var sent = await AnswerAsync<ResultRequest, ResultReply>(new ResultReply([1]));
        var typed = _client.Handle(Samples.PlanId).GetResultAsync<string>();
        await AnswerAsync<ResultRequest, ResultReply>(new ResultReply("\"done\""u8.ToArray()));
        var none = _client.Handle(Samples.PlanId).GetResultAsync<string>();
        await AnswerAsync<ResultRequest, ResultReply>(new ResultReply(null));

        Assert.Equal([1], (await reading.Soonly())!);
        Assert.Equal((3, 1), (sent.Occurrence, sent.Hook));
        Assert.Equal("done", await typed.Soonly());
        Assert.Null(await none.Soonly());
    }

    [Fact]
    public async Task Users_stats_and_ping_are_asked_for()
    {
        var creating = _client.CreateUserAsync("ada");
        await AnswerAsync<CreateUserRequest, CreateUserReply>(new CreateUserReply(Samples.User with { Name = "ada" }));
        var finding = _client.FindUserAsync("nobody");
        await AnswerAsync<FindUserRequest, ErrorMessage>(Samples.Error(ErrorCode.UserNotFound));
        var stats = _client.GetStatsAsync();
        await AnswerAsync<StatsRequest, StatsReply>(
            new StatsReply(null, 5000, 1, 2, 3, 4, 5, 6, 7, 8, [new WorkerStats("a", 1, 2, 3)]));
        var ping = await _client.PingAsync().Soonly();

        Assert.Equal("ada", (await creating.Soonly()).Name);
        Assert.Null(await finding.Soonly());
        Assert.Equal(TimeSpan.FromSeconds(5), (await stats.Soonly()).Uptime);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), ping.StoreTime);
        Assert.Equal(_client.Node, ping.Node);
    }

    [Theory]
    [InlineData(ErrorCode.IdempotencyKeyReused, typeof(KaryaConflictException), false)]
    [InlineData(ErrorCode.PlanFinished, typeof(KaryaConflictException), false)]
    [InlineData(ErrorCode.PlanNotFound, typeof(KaryaNotFoundException), false)]
    [InlineData(ErrorCode.Overloaded, typeof(KaryaOverloadedException), true)]
    [InlineData(ErrorCode.Unavailable, typeof(KaryaOverloadedException), true)]
    [InlineData(ErrorCode.InvalidUrl, typeof(KaryaException), false)]
    [InlineData(ErrorCode.Unknown, typeof(KaryaException), false)]
    public async Task A_refusal_is_an_exception_with_its_code_field_and_node(
        ErrorCode code, Type type, bool isTransient)
    {
        var cancelling = _client.CancelAsync(Samples.PlanId).AsTask();
        await AnswerAsync<CancelRequest, ErrorMessage>(Samples.Error(code, "Not like this.", retryAfterMs: 250));

        var e = await Assert.ThrowsAnyAsync<KaryaException>(() => cancelling.Soonly());

        Assert.IsType(type, e);
        Assert.Equal((code, "field", isTransient), (e.Code, e.Field, e.IsTransient));
        Assert.Contains("Not like this.", e.Message, StringComparison.Ordinal);
        Assert.StartsWith("node-1", e.Node, StringComparison.Ordinal);
        if (e is KaryaOverloadedException overloaded)
            Assert.Equal(TimeSpan.FromMilliseconds(250), overloaded.RetryAfter);
    }

    private async Task<T> AnswerAsync<T, TReply>(TReply reply) where T : IMessage<T> where TReply : IMessage<TReply>
    {
        _connection ??= await _node.AcceptAsync();
        return await _connection.AnswerAsync<T, TReply>(reply);
    }
}
