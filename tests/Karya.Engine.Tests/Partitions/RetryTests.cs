using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class RetryTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_failed_attempt_is_tried_again_after_a_delay_that_doubles_with_jitter()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 6, RetryDelayMs = 1000, RetryDelayMsMax = 4000 });
        long[] delays = [1000, 2000, 4000, 4000, 4000];
        foreach (long delayMs in delays)
        {
            _driver.Fail(_driver.AwaitStart(_plan));
            _driver.Settle();
            long failedMs = _driver.NowMs;

            var retry = _driver.AwaitStart(_plan);
            Assert.InRange(retry.AttemptDueMs - failedMs, delayMs / 2, delayMs);
            Assert.Equal(retry.AttemptDueMs, retry.StartedMs);
            Assert.Equal(Now, retry.DueMs);
        }

        Assert.Equal([1, 2, 3, 4, 5, 6], _driver.Started.Select(d => d.Attempt));
    }

    [Fact]
    public void The_failure_of_the_last_attempt_is_a_dead_letter_with_an_error_for_each_attempt()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2 });
        _driver.Fail(_driver.AwaitStart(_plan), error: "first");
        _driver.Settle();
        _driver.Fail(_driver.AwaitStart(_plan), error: "second");

        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan));
        var key = new TaskKey(_plan, 1, 0);
        Assert.Equal(2, _driver.Store.Tasks[key].Attempts);
        Assert.Equal(("first", "second"), (_driver.Store.Errors[(key, 1)], _driver.Store.Errors[(key, 2)]));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_permanent_failure_is_not_tried_again()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 5 });
        _driver.Fail(_driver.AwaitStart(_plan), retryable: false);

        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan));
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void A_retry_comes_no_earlier_than_the_target_asked_for()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2, RetryDelayMs = 10 });
        _driver.Fail(_driver.AwaitStart(_plan), retryAfterMs: 7000);
        _driver.Settle();
        long failedMs = _driver.NowMs;

        Assert.Equal(failedMs + 7000, _driver.AwaitStart(_plan).StartedMs);
    }

    [Fact]
    public void A_target_gets_no_longer_pause_than_the_limit()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2, RetryDelayMs = 10 });
        _driver.Fail(_driver.AwaitStart(_plan), retryAfterMs: int.MaxValue);
        _driver.Settle();
        long failedMs = _driver.NowMs;

        Assert.Equal(failedMs + Limits.RetryAfterMsMax, _driver.AwaitStart(_plan).StartedMs);
    }

    [Fact]
    public void A_retry_without_delay_waits_until_the_failure_is_durable()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2, RetryDelayMs = 0, RetryDelayMsMax = 0 });
        var first = _driver.AwaitStart(_plan);
        _driver.HoldsCommits = true;
        _driver.Fail(first);
        _driver.Advance(100);
        Assert.Empty(_driver.Running);

        _driver.CommitAll();
        _driver.Advance(2);
        Assert.Equal(2, _driver.RunningOf(_plan).Attempt);
    }

    [Fact]
    public void A_task_that_succeeds_by_a_retry_has_succeeded()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 3 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        _driver.Succeed(_driver.AwaitStart(_plan));

        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Equal(2, _driver.Store.Tasks[new TaskKey(_plan, 1, 0)].Attempts);
    }

    [Fact]
    public void A_task_that_failed_has_the_class_of_its_last_failure()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2 });
        _driver.Fail(_driver.AwaitStart(_plan), failure: FailureClass.Dns);
        _driver.Settle();
        _driver.Fail(_driver.AwaitStart(_plan), failure: FailureClass.Timeout);
        _driver.Settle();

        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan));
        var row = _driver.Store.Tasks[new TaskKey(_plan, 1, 0)];
        Assert.Equal((FailureClass.Timeout, SkipReason.None), (row.Failure, row.Reason));
    }

    [Fact]
    public void A_retry_does_not_make_another_next_occurrence()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1) { PeriodMs = 60_000, Attempts = 3 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        _driver.AwaitStart(_plan);

        Assert.Equal([1L, 2L], _driver.OpenOf(_plan).Select(t => t.Occurrence));
    }

    [Fact]
    public void The_outcome_of_an_attempt_that_is_over_is_refused_and_changes_nothing()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2 });
        var first = _driver.AwaitStart(_plan);
        _driver.Crash();
        var again = _driver.AwaitStart(_plan);
        _driver.Fail(again);
        _driver.Settle();

        var late = _driver.PostOutcome(first, CommandKind.AttemptSucceeded, null, false, 0);
        _driver.Settle();
        Assert.Equal(ReplyCode.WrongState, late.Code);

        Assert.Equal(2, _driver.AwaitStart(_plan).Attempt);
        Assert.Null(_driver.EndOf(_plan));
    }

    [Fact]
    public void The_outcome_of_a_task_that_nobody_knows_is_refused()
    {
        var stranger = new Dispatch { Key = new TaskKey(PlanDraft.Plan(7), 1, 0), Attempt = 1, Epoch = 0 };
        var answer = _driver.PostOutcome(stranger, CommandKind.AttemptFailed, "x"u8.ToArray(), true, 0);
        _driver.Settle();

        Assert.Equal(ReplyCode.WrongState, answer.Code);
    }
}
