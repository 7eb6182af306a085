using System.Text;
using Karya.Client;
using Karya.LocalServers;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>The client library against a whole node: what programs get that speak the wire protocol.</summary>
public sealed class WireTests : IAsyncLifetime
{
    private NodeRig _rig = null!;
    private KaryaClient _client = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _rig = await NodeRig.StartAsync();
        _client = await KaryaClient.ConnectAsync($"karya://{_rig.Node.Addresses.Tcp}", Stopping);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _rig.DisposeAsync();
    }

    [Fact]
    public async Task A_plan_is_submitted_runs_and_is_waited_for()
    {
        var plan = await _client.SubmitAsync(Call("ok"), Stopping);
        var task = await plan.WaitAsync(cancellationToken: Stopping);
        Assert.Equal(PlanTaskStatus.Success, task.Status);
        Assert.Equal(1, task.Attempts);

        var view = await plan.GetAsync(Stopping);
        Assert.Equal("ok", view!.Plan.Name);
        Assert.Equal(PlanStatus.Completed, view.Plan.Status);
        Assert.Single(_rig.Target.Seen);
    }

    [Theory]
    [InlineData(Durability.Durable)]
    [InlineData(Durability.Accepted)]
    public async Task The_reply_says_what_was_given(Durability durability)
    {
        var plan = await _client.SubmitAsync(Call("x") with { Durability = durability }, Stopping);
        Assert.Equal(durability, plan.Durability);
        Assert.False(plan.Existed);
        await plan.WaitAsync(cancellationToken: Stopping);
    }

    [Fact]
    public async Task An_accepted_plan_is_answered_before_the_store_has_it_and_a_durable_one_is_not()
    {
        _rig.Store.BlockCommits();
        var accepted = await _client.SubmitAsync(Call("a") with { Durability = Durability.Accepted }, Stopping);
        Assert.Equal(Durability.Accepted, accepted.Durability);
        var durable = _client.SubmitAsync(Call("b"), Stopping).AsTask();
        Assert.False(durable.IsCompleted);
        _rig.Store.ReleaseCommits();
        Assert.Equal(Durability.Durable, (await durable).Durability);
    }

    [Fact]
    public async Task The_same_key_gives_the_same_plan_also_when_it_is_only_in_the_tables()
    {
        var plan = Call("keyed") with { IdempotencyKey = "order-7" };
        var first = await _client.SubmitAsync(plan, Stopping);
        await first.WaitAsync(cancellationToken: Stopping);

        var again = await _client.SubmitAsync(plan, Stopping);
        Assert.Equal((first.Id, true), (again.Id, again.Existed));
        var conflict = await Assert.ThrowsAsync<KaryaConflictException>(
            async () => await _client.SubmitAsync(plan with { Name = "another" }, Stopping));
        Assert.Equal(ErrorCode.IdempotencyKeyReused, conflict.Code);

        await _rig.RestartAsync();
        await using var later = await KaryaClient.ConnectAsync($"karya://{_rig.Node.Addresses.Tcp}", Stopping);
        Assert.True((await later.SubmitAsync(plan, Stopping)).Existed);
        Assert.Single(_rig.Target.Seen);
    }

    [Fact]
    public async Task Two_submits_of_one_key_at_once_make_one_plan()
    {
        var plan = Call("race") with { IdempotencyKey = "race" };
        var handles = await Task.WhenAll(
            Enumerable.Range(0, 16).Select(_ => _client.SubmitAsync(plan, Stopping).AsTask()));
        Assert.Single(handles.Select(handle => handle.Id).Distinct());
        Assert.Single(handles, handle => !handle.Existed);
    }

    [Fact]
    public async Task One_bad_plan_of_many_does_not_sink_the_rest()
    {
        Plan[] plans =
        [
            .. Enumerable.Range(0, 500).Select(i => i % 100 == 7
                ? Call("bad") with { Action = KaryaAction.Http(HttpMethod.Get, "ftp://nowhere") }
                : Call($"plan {i}") with { Schedule = Schedule.After(TimeSpan.FromHours(1)) }),
        ];
        int index = 0;
        await foreach (var outcome in _client.SubmitManyAsync(plans, cancellationToken: Stopping))
        {
            Assert.Equal(index % 100 == 7, outcome.Error is not null);
            if (outcome.Error is { } error)
                Assert.Equal((ErrorCode.InvalidUrl, "action.url"), (error.Code, error.Field));
            index++;
        }

        Assert.Equal(500, index);
        var listed = new HashSet<Guid>();
        var filter = new PlanFilter { PageSize = 100, User = _rig.Ann.ToGuid() };
        await foreach (var plan in _client.ListAsync(filter, Stopping))
            Assert.True(listed.Add(plan.Id));
        Assert.Equal(495, listed.Count);
    }

    [Fact]
    public async Task A_frame_of_ten_thousand_plans_is_taken_whole()
    {
        var far = Schedule.After(TimeSpan.FromDays(1));
        int taken = 0;
        var options = new SubmitManyOptions { BatchSize = 10_000 };
        await foreach (var outcome in _client.SubmitManyAsync(
            Enumerable.Range(0, 10_000).Select(i => Call("p") with { Schedule = far }), options, Stopping))
        {
            taken += outcome.Error is null ? 1 : 0;
        }

        Assert.Equal(10_000, taken);
    }

    [Fact]
    public async Task A_plan_is_updated_cancelled_and_triggered()
    {
        var plan = await _client.SubmitAsync(
            Call("later") with { Schedule = Schedule.Every(TimeSpan.FromHours(1)) }, Stopping);
        var change = new Client.PlanUpdate { Period = TimeSpan.FromHours(2) };
        var updated = await _client.UpdateAsync(plan.Id, change, Stopping);
        Assert.Equal(TimeSpan.FromHours(2), updated.Schedule.Period);

        await plan.TriggerAsync(Stopping);
        await Until.TrueAsync(() => _rig.Target.Seen.Count == 1, "the triggered task runs");
        var cancelled = await plan.CancelAsync(Stopping);
        Assert.Equal(PlanStatus.Cancelled, cancelled.Status);
        await Assert.ThrowsAsync<KaryaConflictException>(async () => await plan.TriggerAsync(Stopping));
        var missing = await Assert.ThrowsAsync<KaryaNotFoundException>(
            async () => await _client.CancelAsync(Guid.CreateVersion7(), Stopping));
        Assert.Equal(ErrorCode.PlanNotFound, missing.Code);
    }

    [Fact]
    public async Task A_cron_plan_says_when_it_runs_next()
    {
        var plan = await _client.SubmitAsync(
            Call("cron") with { Schedule = Schedule.Cron("30 2 * * *", "Europe/Berlin") }, Stopping);
        var view = await plan.GetAsync(Stopping);
        Assert.Equal(PlanTaskStatus.Created, view!.Task.Status);
        var due = TimeZoneInfo.ConvertTime(view.Task.DueAt, TimeZoneInfo.FindSystemTimeZoneById("Europe/Berlin"));
        Assert.Equal((30, 0), (due.Minute, due.Second));
        var bad = Call("bad") with { Schedule = Schedule.Cron("60 * * * *") };
        var refused = await Assert.ThrowsAsync<KaryaException>(
            async () => await _client.SubmitAsync(bad, Stopping));
        Assert.Equal(ErrorCode.CronInvalid, refused.Code);
    }

    [Fact]
    public async Task A_worker_carries_out_tasks_and_what_it_returns_is_kept()
    {
        await using var worker = _client.CreateWorker(tasks => tasks.MapTask<int, int>(
            "double", (n, context, stopping) => Task.FromResult(2 * n)));
        worker.Start();
        var plan = await _client.SubmitAsync(
            new Plan { Name = "twice", Action = KaryaAction.Task("double", 21) }, Stopping);
        var task = await plan.WaitAsync(cancellationToken: Stopping);
        Assert.Equal(PlanTaskStatus.Success, task.Status);
        byte[]? result = await _client.GetResultAsync(plan.Id, cancellationToken: Stopping);
        Assert.Equal("42", Encoding.UTF8.GetString(result!));
    }

    [Fact]
    public async Task A_task_that_no_worker_serves_waits_and_says_so()
    {
        var plan = await _client.SubmitAsync(
            new Plan { Name = "nobody", Action = KaryaAction.Task("nobody-home", 1) }, Stopping);
        var waiting = await Until.AskAsync(
            async () => (await plan.GetAsync(Stopping))!, view => view.Task.Note is not null, "the task says why");
        Assert.Contains("nobody-home", waiting.Task.Note, StringComparison.Ordinal);
        Assert.Equal(PlanTaskStatus.Created, waiting.Task.Status);
        await Until.AskAsync(
            () => _client.GetStatsAsync(Stopping), stats => stats.WaitingForWorker == 1, "it is counted");

        await using var worker = _client.CreateWorker(tasks => tasks.MapTask<int>(
            "nobody-home", (n, context, stopping) => Task.CompletedTask));
        worker.Start();
        Assert.Equal(PlanTaskStatus.Success, (await plan.WaitAsync(cancellationToken: Stopping)).Status);
    }

    [Fact]
    public async Task A_task_of_a_worker_that_takes_no_more_does_not_wait_for_one()
    {
        var running = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        await using var worker = _client.CreateWorker(tasks => tasks.MapTask<int>(
            "last", (n, context, stopping) =>
            {
                running.SetResult();
                return goOn.Task;
            }));
        worker.Start();
        var plan = await _client.SubmitAsync(
            new Plan { Name = "last", Action = KaryaAction.Task("last", 1) }, Stopping);
        await running.Task.WaitAsync(Stopping);
        var stop = worker.StopAsync(Stopping);
        await Until.AskAsync(
            () => _client.GetStatsAsync(Stopping),
            stats => stats.Workers.All(pool => pool.Credits == 0), "the worker takes no more");
        Assert.Null((await plan.GetAsync(Stopping))!.Task.Note);
        goOn.SetResult();
        await stop;
        Assert.Equal(PlanTaskStatus.Success, (await plan.WaitAsync(cancellationToken: Stopping)).Status);
    }

    [Fact]
    public async Task Failures_of_a_worker_are_retried_unless_they_are_permanent()
    {
        int tries = 0;
        await using var worker = _client.CreateWorker(tasks => tasks
            .MapTask<int>("shaky", (n, context, stopping) =>
                Interlocked.Increment(ref tries) < 3
                    ? throw new InvalidOperationException("not yet")
                    : Task.CompletedTask)
            .MapTask<int>("hopeless", (n, context, stopping) => throw new PermanentTaskException("never")));
        worker.Start();
        var shaky = await _client.SubmitAsync(
            new Plan { Name = "shaky", Action = KaryaAction.Task("shaky", 1), MaxRetries = 5 }, Stopping);
        var hopeless = await _client.SubmitAsync(
            new Plan { Name = "hopeless", Action = KaryaAction.Task("hopeless", 1), MaxRetries = 5 }, Stopping);
        Assert.Equal(3, (await shaky.WaitAsync(cancellationToken: Stopping)).Attempts);
        var failed = await hopeless.WaitAsync(cancellationToken: Stopping);
        Assert.Equal((PlanTaskStatus.Failure, 1), (failed.Status, failed.Attempts));
        await foreach (var error in _client.ErrorsAsync(hopeless.Id, cancellationToken: Stopping))
            Assert.Contains("never", error.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancelling_a_plan_reaches_the_running_handler()
    {
        var running = new TaskCompletionSource();
        var reached = new TaskCompletionSource<TaskCancelReason?>();
        await using var worker = _client.CreateWorker(tasks => tasks.MapTask<int>("long", RunAsync));
        worker.Start();
        var plan = await _client.SubmitAsync(
            new Plan { Name = "long", Action = KaryaAction.Task("long", 1) }, Stopping);
        await running.Task.WaitAsync(Stopping);
        await plan.CancelAsync(Stopping);
        Assert.Equal(TaskCancelReason.PlanCancelled, await reached.Task.WaitAsync(Stopping));
        var task = await plan.WaitAsync(cancellationToken: Stopping);
        Assert.Equal(PlanTaskStatus.Cancelled, task.Status);

        async Task RunAsync(int argument, TaskContext context, CancellationToken stopping)
        {
            running.SetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, stopping);
            }
            finally
            {
                reached.SetResult(context.CancelReason);
            }
        }
    }

    [Fact]
    public async Task A_worker_whose_connection_breaks_comes_back_and_ends_what_it_has()
    {
        using var proxy = new CuttingProxy("127.0.0.1", _rig.Node.Addresses.Tcp.Port);
        await using var far = await KaryaClient.ConnectAsync($"karya://127.0.0.1:{proxy.Port}", Stopping);
        var running = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        await using var worker = far.CreateWorker(tasks => tasks.MapTask<int>("steady", async (_, _, _) =>
        {
            running.TrySetResult();
            await goOn.Task;
        }));
        worker.Start();
        var plan = await _client.SubmitAsync(
            new Plan { Name = "steady", Action = KaryaAction.Task("steady", 1), MaxRetries = 0 }, Stopping);
        await running.Task.WaitAsync(Stopping);
        proxy.DropAll();
        goOn.SetResult();
        var task = await plan.WaitAsync(cancellationToken: Stopping);
        Assert.Equal((PlanTaskStatus.Success, 1), (task.Status, task.Attempts));
        Assert.False(proxy.Connections[0].IsOpen); // It came back on another.
    }

    [Fact]
    public async Task What_http_submits_a_worker_gets_and_what_tcp_submits_v1_shows()
    {
        await using var worker = _client.CreateWorker(tasks => tasks.MapTask<string, string>(
            "greet", (name, context, stopping) => Task.FromResult("hello " + name)));
        worker.Start();
        string plan = $$$"""
            {"user_id":"{{{_rig.Ann}}}","name":"by http","action":{"kind":"task","name":"greet","arguments":"ann"}}
            """;
        var (status, text) = await _rig.PostAsync("/api/plans", plan, ("Idempotency-Key", "greeting"));
        Assert.Equal(201, status);
        using var taken = System.Text.Json.JsonDocument.Parse(text);
        var id = taken.RootElement.GetProperty("id").GetGuid();
        var task = await _client.Handle(id).WaitAsync(cancellationToken: Stopping);
        Assert.Equal(PlanTaskStatus.Success, task.Status);
        byte[]? result = await _client.GetResultAsync(id, cancellationToken: Stopping);
        Assert.Equal("\"hello ann\"", Encoding.UTF8.GetString(result!));

        (status, _) = await _rig.PostAsync("/api/plans", plan, ("Idempotency-Key", "greeting"));
        Assert.Equal(200, status);
        (status, text) = await _rig.PostAsync(
            "/api/plans", plan.Replace("by http", "otherwise"), ("Idempotency-Key", "greeting"));
        Assert.Equal(409, status);
        Assert.Contains("IDEMPOTENCY_KEY_REUSED", text, StringComparison.Ordinal);

        (status, text) = await _rig.HttpAsync($"/v1/plan/{id}/summary");
        Assert.Equal(200, status);
        Assert.Contains("karya.core.entities.Action.WorkerRequest", text, StringComparison.Ordinal);
        Assert.Contains("\"SUCCESS\"", text, StringComparison.Ordinal);
    }

    private Plan Call(string name) => new()
    {
        Name = name,
        Action = KaryaAction.Http(HttpMethod.Get, $"http://{_rig.Target.Authority}/ok"),
        User = _rig.Ann.ToGuid(),
        MaxRetries = 0,
    };
}
