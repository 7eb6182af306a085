using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.Tracing;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Execution;

public sealed class ExecutorTests : IAsyncDisposable
{
    private const long NowMs = 1_795_400_000_000;

    private static readonly PlanId Plan = new(7);
    private static readonly RestAction Rest = new(false, "h/x", "GET", [], null, 2000);

    private readonly FakeTimeProvider _time = new();
    private readonly Channel<Command> _posted = Channel.CreateBounded<Command>(1000);
    private readonly ScriptedConnector _rest = new();
    private readonly ConcurrentQueue<string> _events = new();
    private readonly List<Executor> _executors = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var executor in _executors)
            await executor.DisposeAsync();
    }

    [Fact]
    public async Task A_success_is_posted_with_what_the_engine_knows_it_by()
    {
        var executor = Started();
        Assert.True(executor.TryPost(NewDispatch(Rest, occurrence: 3)));

        var command = await PostedAsync();
        Assert.Equal(CommandKind.AttemptSucceeded, command.Kind);
        Assert.Equal(new TaskKey(Plan, 3, 0), command.Key);
        Assert.Equal(11, command.Partition);
        Assert.Equal(2, command.Attempt);
        Assert.Equal(42, command.Epoch);
        Assert.Equal(NowMs, command.AtMs);
        Assert.Null(command.Payload);
        Assert.Null(command.ReplyTo);
    }

    [Fact]
    public async Task The_connector_is_told_of_the_attempt()
    {
        Started().TryPost(NewDispatch(Rest, occurrence: 3));

        var (attempt, action) = await _rest.NextAsync();
        Assert.Equal(new Attempt(new TaskKey(Plan, 3, 0), new UserId(9), 11, 42, 2, 4, 1000, NowMs), attempt);
        Assert.Equal("h/x", ((RestAction)action).BaseUrl);
    }

    [Fact]
    public async Task A_failure_is_posted_with_its_text_and_what_the_target_asked_for()
    {
        _rest.Script = (_, _) => Task.FromResult(new Outcome("busy: ü", true, 7000)
        {
            Failure = FailureClass.RateLimited,
        });
        Started().TryPost(NewDispatch(Rest));

        var command = await PostedAsync();
        Assert.Equal(CommandKind.AttemptFailed, command.Kind);
        Assert.True(command.Retryable);
        Assert.Equal(7000, command.RetryAfterMs);
        Assert.Equal(FailureClass.RateLimited, command.Failure);
        Assert.Equal("busy: ü", TextOf(command));
    }

    [Fact]
    public async Task A_long_error_text_is_cut_where_a_character_ends()
    {
        _rest.Script = (_, _) => Task.FromResult(Outcome.FailedForGood(FailureClass.Other, new string('€', 5000)));
        Started().TryPost(NewDispatch(Rest));

        var command = await PostedAsync();
        Assert.False(command.Retryable);
        Assert.InRange(command.PayloadBytes, Limits.ErrorBytesMax - 2, Limits.ErrorBytesMax);
        Assert.Matches("^€+… \\[cut, 15000 bytes in all\\]$", TextOf(command));
    }

    [Fact]
    public async Task A_hooks_own_action_is_run()
    {
        var body = new PlanBody("", "PT1S", new SlackAction("c", "[]"), [
            new PlanHook(HookTrigger.OnFailure, new EmailAction("a@b.c", "s", "m"), 3),
            new PlanHook(HookTrigger.OnCompletion, Rest, 3),
        ]);
        Started().TryPost(NewDispatch(body, occurrence: 1, hook: 2));

        var (attempt, action) = await _rest.NextAsync();
        Assert.True(attempt.Key.IsHook);
        Assert.IsType<RestAction>(action);
    }

    public static TheoryData<string, string> Unconfigured() => new()
    {
        { "slack", "Slack is not configured on this node: connectors.slack.token" },
        { "email", "E-mail is not configured on this node: connectors.email.host" },
        { "kafka", "Kafka is not configured on this node: connectors.kafka.bootstrapServers" },
    };

    [Theory]
    [MemberData(nameof(Unconfigured))]
    public async Task A_connector_that_is_not_configured_fails_the_task_for_good(string kind, string expected)
    {
        Started().TryPost(NewDispatch(ActionOf(kind)));

        var command = await PostedAsync();
        Assert.False(command.Retryable);
        Assert.Equal(
            $"{expected} is missing in its configuration. "
            + "Set it, and replay the task from its dead letters.",
            TextOf(command));
    }

    [Theory]
    [InlineData("rest")]
    [InlineData("slack")]
    [InlineData("email")]
    [InlineData("kafka")]
    [InlineData("chained")]
    public async Task Each_kind_of_action_has_its_connector(string kind)
    {
        var all = new Dictionary<string, ScriptedConnector>
        {
            ["rest"] = new(),
            ["slack"] = new(),
            ["email"] = new(),
            ["kafka"] = new(),
            ["chained"] = new(),
        };
        var connectors = new Connectors(all["rest"], all["chained"])
        {
            Slack = all["slack"],
            Email = all["email"],
            Kafka = all["kafka"],
        };
        var executor = NewExecutor(new ExecutorOptions(1), connectors);
        executor.Start();

        executor.TryPost(NewDispatch(ActionOf(kind)));
        Assert.Equal(CommandKind.AttemptSucceeded, (await PostedAsync()).Kind);
        Assert.All(all, entry => Assert.Equal(entry.Key == kind ? 1 : 0, entry.Value.RunCount));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connector_that_throws_fails_the_attempt_and_not_the_executor(bool atOnce)
    {
        _rest.Script = (_, _) => atOnce
            ? throw new InvalidOperationException("oops")
            : Task.FromException<Outcome>(new InvalidOperationException("oops"));
        var executor = Started(concurrency: 1);
        executor.TryPost(NewDispatch(Rest));

        var command = await PostedAsync();
        Assert.True(command.Retryable);
        Assert.Equal("The attempt broke off. InvalidOperationException: oops", TextOf(command));

        _rest.Script = ScriptedConnector.Succeed;
        executor.TryPost(NewDispatch(Rest));
        Assert.Equal(CommandKind.AttemptSucceeded, (await PostedAsync()).Kind);
    }

    [Fact]
    public async Task A_damaged_body_fails_the_task_for_good()
    {
        var dispatch = NewDispatch(Rest);
        dispatch.BodyBytes = 20;
        Started().TryPost(dispatch);

        var command = await PostedAsync();
        Assert.False(command.Retryable);
        Assert.StartsWith("The stored plan is damaged. ", TextOf(command), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Targets_that_hang_do_not_hold_up_others()
    {
        var gate = new Gate();
        _rest.Script = async (attempt, _) =>
        {
            if (attempt.Key.Occurrence <= 2)
                await gate.Opened;
            return Outcome.Success;
        };
        var executor = Started(concurrency: 4);
        Assert.True(executor.TryPost(NewDispatch(Rest, 1)));
        Assert.True(executor.TryPost(NewDispatch(Rest, 2)));
        await _rest.NextAsync();
        await _rest.NextAsync();

        for (int i = 3; i <= 50; i++)
        {
            Assert.True(executor.TryPost(NewDispatch(Rest, i)));
            Assert.Equal(i, (await PostedAsync()).Key.Occurrence);
        }

        gate.Open();
        long[] last = [(await PostedAsync()).Key.Occurrence, (await PostedAsync()).Key.Occurrence];
        Assert.Equal([1, 2], last.Order());
    }

    [Fact]
    public async Task A_full_executor_refuses_without_waiting()
    {
        var gate = new Gate();
        _rest.Script = async (_, _) =>
        {
            await gate.Opened;
            return Outcome.Success;
        };
        var executor = Started(concurrency: 2);
        for (int i = 0; i < 2; i++)
        {
            Assert.True(executor.TryPost(NewDispatch(Rest, occurrence: i + 1)));
            await _rest.NextAsync();
        }

        Assert.True(executor.TryPost(NewDispatch(Rest, occurrence: 3)));
        Assert.True(executor.TryPost(NewDispatch(Rest, occurrence: 4)));
        var refused = NewDispatch(Rest, occurrence: 5);
        Assert.False(executor.TryPost(refused));
        ArrayPool<byte>.Shared.Return(refused.Body);

        gate.Open();
        for (int i = 0; i < 4; i++)
            Assert.Equal(CommandKind.AttemptSucceeded, (await PostedAsync()).Kind);
    }

    [Fact]
    public async Task An_attempt_whose_plan_is_cancelled_while_it_waits_is_given_back_and_what_runs_goes_on()
    {
        var gate = new Gate();
        _rest.Script = async (_, _) =>
        {
            await gate.Opened;
            return Outcome.Success;
        };
        var executor = Started(concurrency: 1);
        Assert.True(executor.TryPost(NewDispatch(Rest, occurrence: 1)));
        await _rest.NextAsync();
        var waiting = NewDispatch(Rest, occurrence: 2);
        Assert.True(executor.TryPost(waiting));
        executor.Revoke(new Revocation(waiting.Key with { Occurrence = 1 }, waiting.Attempt, waiting.Epoch, false));
        executor.Revoke(new Revocation(waiting.Key, waiting.Attempt, waiting.Epoch, IsPulled: false));
        gate.Open();

        Assert.Equal((CommandKind.AttemptSucceeded, 1), KindOf(await PostedAsync()));
        Assert.Equal((CommandKind.AttemptReleased, 2), KindOf(await PostedAsync()));
        Assert.Equal(1, _rest.RunCount);

        static (CommandKind, long) KindOf(Command command) => (command.Kind, command.Key.Occurrence);
    }

    [Fact]
    public async Task A_stop_lets_running_attempts_end()
    {
        var gate = new Gate();
        _rest.Script = async (_, _) =>
        {
            await gate.Opened;
            return Outcome.Success;
        };
        var executor = Started(concurrency: 1);
        executor.TryPost(NewDispatch(Rest));
        await _rest.NextAsync();

        var stopped = executor.StopAsync(TimeSpan.FromSeconds(10));
        var late = NewDispatch(Rest);
        Assert.False(executor.TryPost(late));
        ArrayPool<byte>.Shared.Return(late.Body);
        Assert.False(stopped.IsCompleted);

        gate.Open();
        await Expect.SoonAsync(stopped, "the executor stops");
        Assert.Equal(CommandKind.AttemptSucceeded, (await PostedAsync()).Kind);
    }

    [Fact]
    public async Task What_outlasts_the_drain_time_is_cancelled_and_may_be_tried_again()
    {
        _rest.Script = async (_, stopping) =>
        {
            await Task.Delay(Timeout.Infinite, stopping);
            return Outcome.Success;
        };
        var executor = Started(concurrency: 1);
        executor.TryPost(NewDispatch(Rest));
        await _rest.NextAsync();

        var stopped = executor.StopAsync(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromMilliseconds(9999));
        Assert.False(stopped.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await Expect.SoonAsync(stopped, "the executor stops");

        var command = await PostedAsync();
        Assert.True(command.Retryable);
        Assert.Equal("The node stopped before this attempt had ended.", TextOf(command));
    }

    [Fact]
    public async Task What_nobody_had_begun_when_the_node_stopped_costs_no_attempt()
    {
        var gate = new Gate();
        _rest.Script = async (_, _) =>
        {
            await gate.Opened;
            return Outcome.Success;
        };
        var executor = Started(concurrency: 1);
        executor.TryPost(NewDispatch(Rest, 1));
        await _rest.NextAsync();
        var waiting = NewDispatch(Rest, 2);
        using var returns = new ReturnCounter(waiting.Body);
        Assert.True(executor.TryPost(waiting));

        var stopped = executor.StopAsync(TimeSpan.FromSeconds(10));
        gate.Open();
        await Expect.SoonAsync(stopped, "the executor stops");

        Assert.Equal(1, _rest.RunCount);
        Assert.Equal(1, (await PostedAsync()).Key.Occurrence);
        Assert.False(_posted.Reader.TryRead(out _));
        Assert.Equal(1, returns.Count);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_goes_back_to_the_pool_once(bool success)
    {
        if (!success)
            _rest.Script = (_, _) => throw new InvalidOperationException("oops");
        var executor = Started(concurrency: 1);
        var dispatch = NewDispatch(Rest);
        using var returns = new ReturnCounter(dispatch.Body);
        executor.TryPost(dispatch);

        await PostedAsync();
        await Expect.SoonAsync(executor.StopAsync(TimeSpan.FromSeconds(10)), "the executor stops");
        Assert.Equal(1, returns.Count);
    }

    [Fact]
    public async Task Observers_hear_of_the_start_and_of_the_end_with_the_text_that_is_kept()
    {
        _rest.Script = (_, _) => Task.FromResult(Outcome.Failed(FailureClass.Other, "bad\u001b[31m"));
        Started().TryPost(NewDispatch(Rest, occurrence: 5));

        await PostedAsync();
        Assert.Equal([$"start 5 {NowMs}", $"end 5 {NowMs} bad\uFFFD[31m"], _events);
    }

    private static PlanAction ActionOf(string kind) => kind switch
    {
        "slack" => new SlackAction("c", "[]"),
        "email" => new EmailAction("a@b.c", "s", "m"),
        "kafka" => new KafkaAction("t", null, "m"),
        "chained" => new ChainedAction(
            new PlanDraft(new UserId(1), new PlanBody("", "PT1S", Rest, []), 1000, false, null, 3)),
        _ => Rest,
    };

    private static string TextOf(in Command command) =>
        Encoding.UTF8.GetString(command.Payload!, 0, command.PayloadBytes);

    private static Dispatch NewDispatch(PlanAction action, long occurrence = 1) =>
        NewDispatch(new PlanBody("d", "PT1S", action, []), occurrence, hook: 0);

    private static Dispatch NewDispatch(PlanBody body, long occurrence, int hook)
    {
        var written = new ByteWriter();
        PlanBodyCodec.Write(body, written);
        byte[] rented = ArrayPool<byte>.Shared.Rent(written.Length);
        written.WrittenSpan.CopyTo(rented);
        return new Dispatch
        {
            Key = new TaskKey(Plan, occurrence, hook),
            User = new UserId(9),
            Partition = 11,
            Epoch = 42,
            Attempt = 2,
            AttemptsMax = 4,
            DueMs = 1000,
            AttemptDueMs = 1100,
            StartedMs = 1101,
            Body = rented,
            BodyBytes = written.Length,
        };
    }

    private Executor Started(int concurrency = 2)
    {
        var options = new ExecutorOptions(concurrency)
        {
            Started = (in dispatch, nowMs) => _events.Enqueue($"start {dispatch.Key.Occurrence} {nowMs}"),
            Ended = (in dispatch, in outcome, nowMs) =>
                _events.Enqueue($"end {dispatch.Key.Occurrence} {nowMs} {outcome.Error}"),
        };
        var executor = NewExecutor(options, new Connectors(_rest, new ScriptedConnector()));
        executor.Start();
        return executor;
    }

    [Fact]
    public async Task An_attempt_begins_only_when_it_may_and_is_given_back_when_it_never_will()
    {
        var asked = Channel.CreateBounded<TaskCompletionSource<bool>>(2);
        var executor = NewExecutor(
            new ExecutorOptions(1)
            {
                MayBegin = async (_, _, _) =>
                {
                    var answer = new TaskCompletionSource<bool>();
                    Assert.True(asked.Writer.TryWrite(answer));
                    return await answer.Task;
                },
            },
            new Connectors(_rest, new ScriptedConnector()));
        executor.Start();
        executor.TryPost(NewDispatch(Rest, occurrence: 1));
        var first = await AskedAsync();
        Assert.Equal(0, _rest.RunCount);

        executor.TryPost(NewDispatch(Rest, occurrence: 2));
        first.SetResult(false);
        var released = await PostedAsync();
        Assert.Equal((CommandKind.AttemptReleased, 1L), (released.Kind, released.Key.Occurrence));
        (await AskedAsync()).SetResult(true);
        var ended = await PostedAsync();
        Assert.Equal((CommandKind.AttemptSucceeded, 2L), (ended.Kind, ended.Key.Occurrence));
        Assert.Equal(1, _rest.RunCount);

        Task<TaskCompletionSource<bool>> AskedAsync() => Expect.SoonAsync(
            asked.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask(), "leave is asked for");
    }

    [Fact]
    public async Task An_attempt_that_waits_for_leave_to_begin_does_not_hold_up_a_stop()
    {
        var asked = new TaskCompletionSource();
        var executor = NewExecutor(
            new ExecutorOptions(1)
            {
                MayBegin = async (_, _, stopping) =>
                {
                    asked.SetResult();
                    await Task.Delay(Timeout.InfiniteTimeSpan, stopping)
                        .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    return false;
                },
            },
            new Connectors(_rest, new ScriptedConnector()));
        executor.Start();
        executor.TryPost(NewDispatch(Rest));
        await Expect.SoonAsync(asked.Task, "leave is asked for");
        var stopping = executor.StopAsync(TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(30));
        await Expect.SoonAsync(stopping, "the executor stops");
        Assert.Equal(0, _rest.RunCount);
    }

    private Executor NewExecutor(ExecutorOptions options, Connectors connectors)
    {
        var executor = new Executor(
            options, connectors, (in command) => Assert.True(_posted.Writer.TryWrite(command)), () => NowMs, _time);
        _executors.Add(executor);
        return executor;
    }

    private Task<Command> PostedAsync() => Expect.SoonAsync(
        _posted.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask(), "an outcome is posted");

    /// <summary>Does what the test says, and tells of each attempt.</summary>
    private sealed class ScriptedConnector : IConnector
    {
        private readonly Channel<(Attempt, PlanAction)> _runs = Channel.CreateBounded<(Attempt, PlanAction)>(1000);
        private int _runCount;

        public Func<Attempt, CancellationToken, Task<Outcome>> Script { get; set; } = Succeed;

        public int RunCount => _runCount;

        public static Task<Outcome> Succeed(Attempt attempt, CancellationToken stopping) =>
            Task.FromResult(Outcome.Success);

        public ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
        {
            Interlocked.Increment(ref _runCount);
            Assert.True(_runs.Writer.TryWrite((attempt, action)));
            return new ValueTask<Outcome>(Script(attempt, stopping));
        }

        public Task<(Attempt Attempt, PlanAction Action)> NextAsync() => Expect.SoonAsync(
            _runs.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask(), "the connector runs");
    }

    /// <summary>
    /// Counts how often one array is given back to the pool, by the events that the pool itself writes.
    /// </summary>
    private sealed class ReturnCounter : EventListener
    {
        private const int BufferReturned = 3;

        private readonly int _bufferId;
        private int _count;

        public ReturnCounter(byte[] buffer)
        {
            _bufferId = RuntimeHelpers.GetHashCode(buffer);
            foreach (var source in EventSource.GetSources())
                OnEventSourceCreated(source);
        }

        public int Count => _count;

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "System.Buffers.ArrayPoolEventSource")
                EnableEvents(eventSource, EventLevel.Verbose);
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventId == BufferReturned && eventData.Payload is [int id, ..] && id == _bufferId)
                Interlocked.Increment(ref _count);
        }
    }
}
