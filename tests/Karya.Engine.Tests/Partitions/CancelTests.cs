using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class CancelTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const long Far = Now + 100_000_000;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_waiting_task_is_cancelled_at_once_and_never_starts()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100) { Hooks = [PlanDraft.OnCompletion()] });
        _driver.CancelNow(_plan);

        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan));
        Assert.Equal(PlanState.Cancelled, _driver.Store.Plans[_plan].State);
        _driver.Advance(10_000);
        Assert.Empty(_driver.Started);
    }

    [Fact]
    public void A_cancel_in_the_turn_in_which_a_task_falls_due_wins()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100));
        _driver.AdvanceTo(Now + 99);
        _driver.Cancel(_plan);
        _driver.Sleep(1);
        _driver.Advance(1000);

        Assert.Empty(_driver.Started);
    }

    [Fact]
    public void A_task_that_is_due_and_waits_for_a_place_is_cancelled()
    {
        using var driver = new ShardDriver(laneInFlightMax: 1);
        var second = PlanDraft.Plan(2);
        driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        driver.SubmitNow(new PlanDraft(second, Now + 20));
        driver.Advance(30);
        Assert.Equal(1, driver.Shard.Status.Ready);

        driver.CancelNow(second);
        driver.ProjectNow();
        driver.Succeed(driver.RunningOf(_plan));
        driver.Advance(1000);

        Assert.Single(driver.Started);
        Assert.Equal((0L, 0L), (driver.Shard.Status.Ready, driver.Shard.Status.InFlight));
    }

    [Fact]
    public void A_running_attempt_is_let_end_and_its_success_counts_but_no_hook_follows()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnCompletion(), PlanDraft.OnFailure()] });
        var attempt = _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        var answer = _driver.Succeed(attempt);
        _driver.Advance(1000);

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Equal(PlanState.Cancelled, _driver.StateOf(_plan));
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void A_running_attempt_that_fails_is_not_tried_again_and_ends_cancelled()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 5, Hooks = [PlanDraft.OnFailure()] });
        var attempt = _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        _driver.Fail(attempt, error: "too late");
        _driver.Advance(100_000);

        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan));
        Assert.Equal("too late", _driver.Store.Errors[(new TaskKey(_plan, 1, 0), 1)]);
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void The_next_occurrence_and_a_waiting_retry_and_a_waiting_hook_are_cancelled()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now)
        {
            PeriodMs = 10_000,
            Attempts = 2,
            RetryDelayMs = 60_000,
            RetryDelayMsMax = 60_000,
            Hooks = [PlanDraft.OnFailure(attempts: 2)],
        });
        _driver.Fail(_driver.AwaitStart(_plan), retryable: false);
        _driver.Settle();
        _driver.Fail(_driver.AwaitStart(_plan, hook: 1));
        _driver.Settle();
        _driver.Fail(_driver.AwaitStart(_plan, 2));
        _driver.Settle();
        _driver.CancelNow(_plan);
        _driver.Advance(1_000_000);

        Assert.Equal(3, _driver.Started.Count);
        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan));
        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan, hook: 1));
        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan, 2));
        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan, 3));
    }

    [Fact]
    public void A_cancel_is_answered_when_it_is_durable()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000));
        _driver.HoldsCommits = true;
        var answer = _driver.Cancel(_plan);
        _driver.Settle();
        Assert.Null(answer.Code);

        _driver.CommitAll();
        _driver.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
    }

    [Fact]
    public void A_completed_plan_can_be_cancelled_and_a_cancelled_one_again()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.RunAndSucceed(Now + 1000);
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);

        _driver.CancelNow(_plan);
        _driver.CancelNow(_plan);
        Assert.Equal(PlanState.Cancelled, _driver.StateOf(_plan));
        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
    }

    [Fact]
    public void A_plan_that_does_not_exist_is_not_found()
    {
        var cancel = _driver.Cancel(_plan);
        var update = _driver.Update(_plan, PlanUpdate.Period, periodMs: 5);
        _driver.Settle();

        Assert.Equal((ReplyCode.NotFound, ReplyCode.NotFound), (cancel.Code, update.Code));
    }

    [Fact]
    public void A_child_of_a_cancelled_plan_is_refused_and_so_is_one_of_an_unknown_plan()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        var child = _driver.Submit(new PlanDraft(PlanDraft.Plan(2), Now) { Parent = _plan });
        var orphan = _driver.Submit(new PlanDraft(PlanDraft.Plan(3), Now) { Parent = PlanDraft.Plan(99) });
        _driver.Settle();

        Assert.Equal((ReplyCode.WrongState, ReplyCode.WrongState), (child.Code, orphan.Code));
    }

    [Theory]
    [InlineData(Now + 60_000)]
    [InlineData(Far)]
    public void A_cancel_reaches_three_generations_whether_or_not_they_are_in_memory(long dueMs)
    {
        PlanId[] line = [.. Enumerable.Range(1, 4).Select(PlanDraft.Plan)];
        _driver.SubmitNow(new PlanDraft(line[0], dueMs));
        for (int i = 1; i < line.Length; i++)
            _driver.SubmitNow(new PlanDraft(line[i], dueMs + i) { Parent = line[i - 1] });
        _driver.ProjectNow();
        Assert.Equal(dueMs == Far ? 0 : 4, _driver.Shard.Status.ResidentPlans);

        _driver.CancelNow(line[0]);
        _driver.ProjectNow();
        Assert.All(line, id => Assert.Equal(PlanState.Cancelled, _driver.Store.Plans[id].State));
        Assert.All(line, id => Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(id)));
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_cancel_reaches_grandchildren_behind_children_that_ended_and_left_memory()
    {
        PlanId[] line = [.. Enumerable.Range(1, 4).Select(PlanDraft.Plan)];
        _driver.SubmitNow(new PlanDraft(line[0], Now));
        for (int i = 0; i < 3; i++)
        {
            var attempt = _driver.AwaitStart(line[i]);
            _driver.SubmitNow(new PlanDraft(line[i + 1], i == 2 ? Far : _driver.NowMs + 5) { Parent = line[i] });
            _driver.Succeed(attempt);
            _driver.ProjectNow();
        }

        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
        _driver.CancelNow(line[0]);

        Assert.Equal(PlanState.Completed, _driver.StateOf(line[2]));
        Assert.Equal(PlanState.Cancelled, _driver.StateOf(line[3]));
        _driver.AdvanceTo(Far + 1000);
    }

    [Fact]
    public void A_cancel_reaches_the_open_hook_of_a_child_that_ended_and_what_it_starts()
    {
        var child = PlanDraft.Plan(2);
        var grandchild = PlanDraft.Plan(3);
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        var attempt = _driver.AwaitStart(_plan);
        _driver.SubmitNow(
            new PlanDraft(child, _driver.NowMs) { Parent = _plan, Hooks = [PlanDraft.OnCompletion(attempts: 3)] });
        _driver.Succeed(attempt);
        _driver.Succeed(_driver.AwaitStart(child));
        var hook = _driver.AwaitStart(child, hook: 1);
        _driver.ProjectNow();
        Assert.Equal(PlanState.Completed, _driver.Store.Plans[child].State);
        _driver.SubmitNow(new PlanDraft(grandchild, _driver.NowMs + 5000) { Parent = child });

        _driver.CancelNow(_plan);
        _driver.Fail(hook);
        var late = _driver.Submit(new PlanDraft(PlanDraft.Plan(4), _driver.NowMs) { Parent = child });
        _driver.Advance(100_000);

        Assert.Equal(ReplyCode.WrongState, late.Code);
        Assert.Equal(PlanState.Cancelled, _driver.StateOf(grandchild));
        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(child, hook: 1));
        Assert.Equal(3, _driver.Started.Count);
    }

    [Fact]
    public void A_cancel_that_waits_for_descendants_is_applied_although_the_plan_could_leave_memory_meanwhile()
    {
        var child = PlanDraft.Plan(2);
        _driver.HoldsProjections = true;
        _driver.SubmitNow(new PlanDraft(_plan, Far));
        _driver.SubmitNow(new PlanDraft(child, Far) { Parent = _plan });
        _driver.ProjectNow();
        _driver.HoldsLoads = true;
        var answer = _driver.Cancel(_plan);
        _driver.Settle();
        _driver.WriteProjection();
        _driver.Settle();
        _driver.DeliverPage();
        _driver.HoldsProjections = false;
        _driver.Settle();

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanState.Cancelled, _driver.StateOf(child));
    }
}
