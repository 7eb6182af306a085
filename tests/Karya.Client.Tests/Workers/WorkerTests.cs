using System.Text;
using Karya.Client.Tests.Fakes;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Workers;

/// <summary>Deliveries in, ends out.</summary>
public sealed class WorkerTests : IAsyncDisposable
{
    private readonly WorkerRig _rig = new();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_worker_subscribes_with_a_credit_for_each_run_at_once()
    {
        var worker = _rig.Client.CreateWorker(
            tasks => tasks
                .MapTask<int>("a", (_, _, _) => Task.CompletedTask)
                .MapTask<int>("b", (_, _, _) => Task.CompletedTask, concurrency: 2)
                .AddTask<ResizeImage>(concurrency: 3),
            new KaryaWorkerOptions { Concurrency = 7 });
        worker.Start();
        var connection = await _rig.Node.AcceptAsync();

        var subscription = await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));

        Assert.Equal(
            [new NameCredits("a", 7), new NameCredits("b", 2), new NameCredits("resize-image", 3)], subscription.Names);
    }

    [Fact]
    public async Task A_class_runs_with_its_arguments_and_its_result_is_told()
    {
        var (_, connection) = await _rig.StartAsync(tasks => tasks.AddTask<ResizeImage>());
        await connection.PushAsync(Samples.Delivery(id: 7, arguments: "{\"width\":20}"));

        var end = await WorkerRig.EndAsync(connection);

        Assert.Equal((7UL, DeliveryOutcome.Success, null), (end.Id, end.Outcome, end.Error));
        Assert.Equal("{\"pixels\":400}", Encoding.UTF8.GetString(end.Result!));
    }

    [Fact]
    public async Task A_function_without_result_sends_none_and_bytes_are_passed_through()
    {
        var (_, connection) = await _rig.StartAsync(tasks => tasks
            .MapTask<string>("text", (_, _, _) => Task.CompletedTask)
            .MapTask<int, int>("double", (number, _, _) => Task.FromResult(number * 2))
            .MapBytes("bytes", (bytes, _, _) => Task.FromResult<byte[]?>([.. bytes.Span, 3])));
        await connection.PushAsync(Samples.Delivery(1, "text", "\"a\""));
        var text = await WorkerRig.EndAsync(connection);
        await connection.PushAsync(Samples.Delivery(2, "double", "21"));
        var twice = await WorkerRig.EndAsync(connection);
        await connection.PushAsync(Samples.Delivery(3, "bytes", "x"));
        var bytes = await WorkerRig.EndAsync(connection);

        Assert.Null(text.Result);
        Assert.Equal("42", Encoding.UTF8.GetString(twice.Result!));
        Assert.Equal([(byte)'x', 3], bytes.Result!);
    }

    [Fact]
    public async Task The_context_has_what_the_delivery_says()
    {
        var handler = new HeldHandler();
        var (_, connection) = await _rig.StartAsync(tasks => tasks.MapTask<object>("a", handler.RunAsync));
        await connection.PushAsync(Samples.Delivery(1, "a", attempt: 2));

        var context = await handler.Started;

        Assert.Equal((Samples.PlanId, Samples.TaskId, "a"), (context.PlanId, context.TaskId, context.Name));
        Assert.Equal((2, 4, 9L, 1L), (context.Attempt, context.AttemptsMax, context.Epoch, context.Occurrence));
        Assert.Equal(new DateTimeOffset(2025, 12, 31, 23, 59, 59, TimeSpan.Zero), context.DueAt);
        Assert.Equal(TimeSpan.FromSeconds(1), context.Lateness);
        Assert.Equal(TaskCancelReason.None, context.CancelReason);
        handler.Release();
        await WorkerRig.EndAsync(connection);
    }

    [Fact]
    public async Task Lateness_is_by_the_clock_of_the_store()
    {
        _rig.Node.StoreTimeMs += 3_600_000; // The clock of this machine is an hour behind.
        var handler = new HeldHandler();
        var (_, connection) = await _rig.StartAsync(tasks => tasks.MapTask<object>("a", handler.RunAsync));
        await connection.PushAsync(Samples.Delivery(1, "a"));

        Assert.Equal(TimeSpan.FromSeconds(3601), (await handler.Started).Lateness);
        handler.Release();
        await WorkerRig.EndAsync(connection);
    }

    [Fact]
    public async Task Failures_are_told_as_what_they_are()
    {
        var (_, connection) = await _rig.StartAsync(tasks => tasks
            .MapTask<int>("boom", (_, _, _) => throw new InvalidOperationException("Boom."))
            .MapTask<int>("never", (_, _, _) => throw new PermanentTaskException("Width must be positive."))
            .MapTask<int>("later", (_, _, _) => throw new RetryLaterException(TimeSpan.FromSeconds(90), "Busy."))
            .MapTask<int>("token", (_, _, _) => throw new OperationCanceledException("Not ours.")));

        var boom = await RunAsync(connection, "boom");
        var never = await RunAsync(connection, "never");
        var later = await RunAsync(connection, "later");
        var token = await RunAsync(connection, "token");

        Assert.Equal(
            (DeliveryOutcome.Failure, "System.InvalidOperationException: Boom.", 0L),
            (boom.Outcome, boom.Error, boom.RetryAfterMs));
        Assert.Equal((DeliveryOutcome.Permanent, "Width must be positive."), (never.Outcome, never.Error));
        Assert.Equal((DeliveryOutcome.Failure, "Busy.", 90_000L), (later.Outcome, later.Error, later.RetryAfterMs));
        Assert.Equal(DeliveryOutcome.Failure, token.Outcome);
    }

    [Fact]
    public async Task Arguments_that_cannot_be_read_fail_for_good()
    {
        var (_, connection) = await _rig.StartAsync(tasks => tasks.AddTask<ResizeImage>());
        await connection.PushAsync(Samples.Delivery(arguments: "{\"width\":\"wide\"}"));

        var end = await WorkerRig.EndAsync(connection);

        Assert.Equal(DeliveryOutcome.Permanent, end.Outcome);
        Assert.StartsWith(
            "The arguments of 'resize-image' cannot be read as ResizeArgs: ", end.Error, StringComparison.Ordinal);
        Assert.Contains("$.width", end.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(64 * 1024, DeliveryOutcome.Success)]
    [InlineData(64 * 1024 + 1, DeliveryOutcome.Permanent)]
    public async Task A_result_may_have_64_KiB(int bytes, DeliveryOutcome outcome)
    {
        var (_, connection) = await _rig.StartAsync(
            tasks => tasks.MapBytes("a", (_, _, _) => Task.FromResult<byte[]?>(new byte[bytes])));

        var end = await RunAsync(connection, "a");

        Assert.Equal(outcome, end.Outcome);
        if (outcome == DeliveryOutcome.Permanent)
            Assert.Contains("65537 bytes; at most 65536", end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_long_error_text_is_cut_between_characters()
    {
        var (_, connection) = await _rig.StartAsync(tasks => tasks
            .MapTask<int>("a", (_, _, _) => throw new PermanentTaskException("a" + new string('\u00E4', 5000) + "\0")));

        var end = await RunAsync(connection, "a");

        Assert.Equal(4095, Encoding.UTF8.GetByteCount(end.Error!));
        Assert.EndsWith("\u00E4", end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ends_that_are_ready_go_in_one_request()
    {
        var handlers = Enumerable.Range(0, 20).Select(_ => new HeldHandler()).ToArray();
        var (_, connection) = await _rig.StartAsync(
            tasks => tasks.MapTask<int>("a", (i, context, token) => handlers[i].RunAsync(i, context, token)),
            new KaryaWorkerOptions { Concurrency = 20 });
        for (int i = 0; i < handlers.Length; i++)
            await connection.PushAsync(Samples.Delivery((ulong)i, "a", $"{i}"));
        foreach (var handler in handlers)
            await handler.Started;

        var open = new List<uint>();
        for (int i = 0; i < 4; i++) // As many requests as may be unanswered.
        {
            handlers[i].Release();
            var (id, finish) = await connection.ExpectAsync<FinishRequest>();
            Assert.Single(finish.Ends);
            open.Add(id);
        }

        var worker = Assert.Single(_rig.Client.Workers);
        foreach (var handler in handlers[4..])
            handler.Release();
        await Until(() => worker.Running == 0);
        await connection.ReplyAsync(open[0], new FinishReply([]));
        var (_, rest) = await connection.ExpectAsync<FinishRequest>();

        Assert.Equal(16, rest.Ends.Count);
    }

    [Fact]
    public async Task Progress_is_sent_and_of_many_values_the_latest()
    {
        var handler = new HeldHandler();
        var (_, connection) = await _rig.StartAsync(tasks => tasks.MapTask<object>("a", handler.RunAsync));
        await connection.PushAsync(Samples.Delivery(5, "a"));
        var context = await handler.Started;
        context.ReportProgress(0.1, "begun");
        var (id, first) = await connection.ExpectAsync<ProgressRequest>();
        for (int i = 0; i < 100; i++)
            context.ReportProgress(i / 100.0);
        context.ReportProgress(7);
        await connection.ReplyAsync(id, new ProgressReply(true));
        var (second, last) = await connection.ExpectAsync<ProgressRequest>();
        await connection.ReplyAsync(second, new ProgressReply(true));
        handler.Release();

        Assert.Equal(new ProgressRequest(5, 0.1, "begun"), first);
        Assert.Equal(new ProgressRequest(5, 1, null), last);
        Assert.Equal(DeliveryOutcome.Success, (await WorkerRig.EndAsync(connection)).Outcome);
    }

    [Theory]
    [InlineData(RevokeReason.Cancelled, TaskCancelReason.PlanCancelled)]
    [InlineData(RevokeReason.TimedOut, TaskCancelReason.TimedOut)]
    [InlineData(RevokeReason.LeaseEnded, TaskCancelReason.LeaseLost)]
    public async Task A_revoked_delivery_stops_its_handler_and_nothing_more_is_said_of_it(
        RevokeReason reason, TaskCancelReason seen)
    {
        var handler = new HeldHandler();
        var (worker, connection) = await _rig.StartAsync(tasks => tasks.MapTask<object>("a", handler.RunAsync));
        await connection.PushAsync(Samples.Delivery(5, "a"));
        var context = await handler.Started;
        await connection.PushAsync(new Revoke(5, reason));
        await handler.Cancelled;
        await Until(() => worker.Running == 0);
        await _rig.Client.PingAsync().Soonly();

        Assert.Equal(seen, context.CancelReason);
        Assert.Null(connection.Arrived);
    }

    [Fact]
    public async Task A_handler_does_not_inherit_the_context_of_whoever_connected_first()
    {
        var local = new AsyncLocal<string?> { Value = "of the caller" };
        await _rig.Client.PingAsync().Soonly();
        string? seen = "nothing yet";
        var (_, connection) = await _rig.StartAsync(tasks => tasks.MapTask<int>("a", (_, _, _) =>
        {
            seen = local.Value;
            return Task.CompletedTask;
        }));

        await RunAsync(connection, "a");

        Assert.Null(seen);
    }

    [Fact]
    public async Task What_no_worker_serves_is_given_back()
    {
        var (_, connection) = await _rig.StartAsync(
            tasks => tasks.MapTask<int>("a", (_, _, _) => Task.CompletedTask));
        await connection.PushAsync(Samples.Delivery(9, "b"));

        var end = await WorkerRig.EndAsync(connection);

        Assert.Equal((9UL, DeliveryOutcome.Released), (end.Id, end.Outcome));
    }

    [Fact]
    public async Task Two_workers_of_a_client_have_names_of_their_own()
    {
        await _rig.StartAsync(tasks => tasks.MapTask<int>("a", (_, _, _) => Task.CompletedTask));
        var other = _rig.Client.CreateWorker(tasks => tasks.MapTask<int>("a", (_, _, _) => Task.CompletedTask));

        var e = Assert.Throws<InvalidOperationException>(other.Start);

        Assert.Contains("'a'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_worker_without_tasks_or_with_twins_or_bad_names_is_refused()
    {
        Assert.Throws<ArgumentException>(() => _rig.Client.CreateWorker(_ => { }));
        Assert.Throws<ArgumentException>(() => _rig.Client.CreateWorker(
            tasks => tasks.AddTask<ResizeImage>().AddTask<ResizeImage>()));
        Assert.Throws<ArgumentException>(() => _rig.Client.CreateWorker(
            tasks => tasks.MapTask<int>("A", (_, _, _) => Task.CompletedTask)));
        Assert.Throws<ArgumentException>(() => _rig.Client.CreateWorker(tasks => tasks.AddTask<Nameless>()));
        Assert.Throws<ArgumentOutOfRangeException>(() => _rig.Client.CreateWorker(
            tasks => tasks.AddTask<ResizeImage>(concurrency: 0)));
    }

    private static async Task<DeliveryEnd> RunAsync(FakeConnection connection, string name)
    {
        await connection.PushAsync(Samples.Delivery(1, name, "0"));
        return await WorkerRig.EndAsync(connection);
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
            await Task.Yield();
    }

    private sealed class Nameless : IKaryaTask<int>
    {
        public Task RunAsync(int args, TaskContext context, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
