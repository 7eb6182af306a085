using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class RestartTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_attempt_that_was_running_starts_again_with_its_number_under_the_new_epoch(bool isProjected)
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { Attempts = 3 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        var second = _driver.AwaitStart(_plan);
        if (isProjected)
            _driver.ProjectNow();
        _driver.Crash(downMs: 77);
        var again = _driver.AwaitStart(_plan);

        Assert.Equal((2, 2), (second.Attempt, again.Attempt));
        Assert.Equal(second.Epoch + 1, again.Epoch);
        Assert.Equal(Now + 10, again.DueMs);
    }

    [Fact]
    public void Overdue_plans_start_one_page_after_the_other_while_the_rest_is_still_being_read()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(2), Now + 20));
        _driver.ProjectNow();
        _driver.HoldsLoads = true;
        _driver.Crash(downMs: 1000);
        _driver.Settle();
        Assert.Empty(_driver.Running);

        _driver.PostPage(PlanDraft.Plan(2));
        _driver.Advance(1);
        Assert.True(_driver.IsRunning(PlanDraft.Plan(2)));
        Assert.False(_driver.IsRunning(_plan));
        _driver.DeliverPage();
        _driver.Advance(1);
        Assert.True(_driver.IsRunning(_plan));
        Assert.Equal(2, _driver.Started.Count);
    }

    [Fact]
    public void An_attempt_that_was_running_starts_again_when_its_plan_comes_in_after_the_opening()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { Attempts = 3 });
        var first = _driver.AwaitStart(_plan);
        _driver.ProjectNow();
        _driver.HoldsLoads = true;
        _driver.Crash();
        _driver.Settle();
        _driver.DeliverPage();
        var again = _driver.AwaitStart(_plan);

        Assert.Equal((1, 1), (first.Attempt, again.Attempt));
        Assert.Equal(first.Epoch + 1, again.Epoch);
    }

    [Fact]
    public void A_cancel_that_comes_before_the_plan_does_ends_what_was_running()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { Attempts = 3 });
        _driver.AwaitStart(_plan);
        _driver.ProjectNow();
        _driver.HoldsLoads = true;
        _driver.Crash();
        var cancel = _driver.Cancel(_plan);
        _driver.HoldsLoads = false;
        _driver.Settle();
        _driver.Advance(10_000);

        Assert.Equal(ReplyCode.Ok, cancel.Code);
        Assert.Single(_driver.Started);
        _driver.ProjectNow();
        Assert.Equal(PlanState.Cancelled, _driver.Store.Plans[_plan].State);
        Assert.Equal(PlanTaskState.Cancelled, Assert.Single(_driver.Store.Tasks).Value.State);
    }

    [Fact]
    public void What_was_acknowledged_is_there_after_a_crash_and_what_was_not_durable_is_not()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000));
        _driver.HoldsCommits = true;
        var lost = _driver.Submit(new PlanDraft(PlanDraft.Plan(2), Now + 1000));
        _driver.Settle();
        _driver.Crash();
        _driver.HoldsCommits = false;
        _driver.Advance(2000);

        Assert.Null(lost.Code);
        Assert.Equal(_plan, Assert.Single(_driver.Started).Key.Plan);
    }

    [Fact]
    public void An_outcome_that_was_lost_with_the_crash_is_made_again()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        var attempt = _driver.AwaitStart(_plan);
        _driver.HoldsCommits = true;
        _driver.Succeed(attempt);
        _driver.Settle();
        _driver.Crash();
        _driver.HoldsCommits = false;
        _driver.Succeed(_driver.AwaitStart(_plan));

        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Equal([1, 1], _driver.Started.Select(d => d.Attempt));
    }

    [Fact]
    public void The_outcome_of_the_earlier_epoch_counts_once()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { Hooks = [PlanDraft.OnCompletion()] });
        var old = _driver.AwaitStart(_plan);
        _driver.Crash();
        var again = _driver.AwaitStart(_plan);
        var first = _driver.PostOutcome(old, CommandKind.AttemptSucceeded, null, false, 0);
        _driver.Settle();
        var second = _driver.Succeed(again);
        _driver.RunAndSucceed(Now + 1000);

        Assert.Equal((ReplyCode.Ok, ReplyCode.WrongState), (first.Code, second.Code));
        Assert.Single(_driver.Started, d => d.Key.IsHook);
        Assert.Equal(0, _driver.Shard.Status.InFlight);
    }

    [Fact]
    public void An_outcome_of_the_earlier_epoch_gives_no_place_back()
    {
        using var driver = new ShardDriver(laneInFlightMax: 1);
        driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        var old = driver.AwaitStart(_plan);
        driver.SubmitNow(new PlanDraft(PlanDraft.Plan(2), driver.NowMs));
        driver.Crash();
        driver.Settle();
        driver.PostOutcome(old, CommandKind.AttemptFailed, "x"u8.ToArray(), true, 0);
        driver.Advance(10);

        Assert.Single(driver.Running);
        Assert.Equal(1, driver.Shard.Status.InFlight);
    }

    [Fact]
    public void A_running_attempt_of_a_cancelled_plan_ends_cancelled_after_a_crash()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { Attempts = 9, Hooks = [PlanDraft.OnFailure()] });
        _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        _driver.Crash();
        _driver.Advance(100_000);

        Assert.Single(_driver.Started);
        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan));
        Assert.Contains("stopped", _driver.Store.Errors[(new TaskKey(_plan, 1, 0), 1)], StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_that_is_cancelled_before_its_interrupted_attempt_has_a_place_does_not_start_it()
    {
        using var driver = new ShardDriver(laneInFlightMax: 1);
        var other = PlanDraft.Plan(2);
        driver.SubmitNow(new PlanDraft(other, Now + 5) { Lane = 2 });
        driver.SubmitNow(new PlanDraft(_plan, Now + 5) { Lane = 1 });
        driver.Advance(10);
        driver.Crash();
        driver.Inbox.HoldIntake(true);
        driver.Settle();
        driver.Inbox.HoldIntake(false);
        driver.CancelNow(_plan);
        driver.Advance(10);

        Assert.Equal(other, Assert.Single(driver.Running).Key.Plan);
        Assert.Equal(PlanTaskState.Cancelled, driver.EndOf(_plan));
    }

    [Fact]
    public void A_hook_and_a_waiting_retry_survive_a_crash()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now)
        {
            PeriodMs = 100_000,
            Attempts = 2,
            RetryDelayMs = 5000,
            RetryDelayMsMax = 5000,
            Hooks = [PlanDraft.OnFailure(2)],
        });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        long dueMs = _driver.OpenOf(_plan)[0].AttemptDueMs;
        _driver.Crash();
        Assert.Equal(dueMs, _driver.AwaitStart(_plan).StartedMs);

        _driver.Fail(_driver.RunningOf(_plan));
        _driver.Settle();
        _driver.Crash();
        Assert.Equal(1, _driver.AwaitStart(_plan, hook: 1).Attempt);
    }

    [Fact]
    public void A_child_that_was_not_projected_is_cancelled_with_its_parent_after_a_crash()
    {
        var child = PlanDraft.Plan(2);
        _driver.SubmitNow(new PlanDraft(_plan, Now + 50_000_000));
        _driver.ProjectNow();
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(3), Now + 40_000_000));
        _driver.Update(_plan, PlanUpdate.Attempts, attempts: 2);
        _driver.Settle();
        _driver.ProjectNow();
        _driver.HoldsProjections = true;
        _driver.Update(_plan, PlanUpdate.Attempts, attempts: 3);
        _driver.Settle();
        _driver.SubmitNow(new PlanDraft(child, Now + 60_000_000) { Parent = _plan });
        _driver.Crash();
        _driver.HoldsProjections = false;
        _driver.CancelNow(_plan);

        Assert.Equal(PlanState.Cancelled, _driver.StateOf(child));
    }

    [Fact]
    public void Recovery_twice_in_a_row_changes_nothing()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { PeriodMs = 1000, Attempts = 2 });
        _driver.AwaitStart(_plan);
        _driver.Crash();
        _driver.Crash();
        _driver.Settle();

        Assert.Equal(1, _driver.RunningOf(_plan).Attempt);
        Assert.Equal([1L, 2L], _driver.OpenOf(_plan).Select(t => t.Occurrence));
    }
}
