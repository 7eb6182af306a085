using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class ReplayTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);
    private readonly TaskKey _key = new(PlanDraft.Plan(1), 1, 0);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_dead_letter_that_is_replayed_runs_at_once_with_all_its_attempts_again()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now) { Attempts = 2 });
        var answer = _driver.Replay(_key);
        _driver.Settle();
        long askedMs = _driver.NowMs;
        var run = _driver.AwaitStart(_plan);

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal((3, 4, Now), (run.Attempt, run.AttemptsMax, run.DueMs));
        Assert.InRange(run.StartedMs, askedMs, askedMs + 1);
    }

    [Fact]
    public void While_it_is_replayed_a_task_is_no_dead_letter()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now));
        _driver.Replay(_key);
        _driver.Settle();

        Assert.Equal(PlanTaskState.Created, _driver.EndOf(_plan));
    }

    [Fact]
    public void A_replay_that_succeeds_ends_as_success_and_triggers_nothing()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()] });
        int before = _driver.Started.Count;
        _driver.Replay(_key);
        _driver.RunAndSucceed(_driver.NowMs + 10_000);

        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Equal(before + 1, _driver.Started.Count);
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_replay_that_fails_is_a_dead_letter_again_and_can_be_replayed_again()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnFailure()] });
        for (int attempt = 2; attempt <= 3; attempt++)
        {
            _driver.Replay(_key);
            _driver.Settle();
            var run = _driver.AwaitStart(_plan);
            Assert.Equal(attempt, run.Attempt);
            _driver.Fail(run);
            Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan));
        }

        Assert.Single(_driver.Started, d => d.Key.IsHook);
    }

    [Fact]
    public void A_dead_hook_can_be_replayed()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnCompletion(attempts: 2, lane: 4)] });
        _driver.Succeed(_driver.AwaitStart(_plan));
        _driver.Fail(_driver.AwaitStart(_plan, hook: 1), retryable: false);
        _driver.ProjectNow();
        _driver.Replay(new TaskKey(_plan, 1, 1));
        _driver.Settle();
        var run = _driver.AwaitStart(_plan, hook: 1);

        Assert.Equal((2, 3, 4u), (run.Attempt, run.AttemptsMax, run.Lane));
    }

    [Fact]
    public void A_dead_letter_of_a_cancelled_plan_is_not_replayed_and_the_plan_leaves_memory_again()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now));
        _driver.CancelNow(_plan);
        _driver.ProjectNow();
        var answer = _driver.Replay(_key);
        _driver.Settle();

        Assert.Equal(ReplyCode.WrongState, answer.Code);
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_dead_letter_that_is_being_replayed_is_not_replayed_twice()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now));
        var first = _driver.Replay(_key);
        var second = _driver.Replay(_key);
        _driver.Advance(10);

        Assert.Equal((ReplyCode.Ok, ReplyCode.WrongState), (first.Code, second.Code));
        Assert.Single(_driver.Running);
    }

    [Fact]
    public void A_replay_made_from_a_row_that_is_out_of_date_is_refused()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now));
        _driver.HoldsProjections = true;
        _driver.Replay(_key);
        _driver.Settle();
        _driver.Succeed(_driver.AwaitStart(_plan));
        var second = _driver.Replay(_key);
        _driver.Advance(1);

        Assert.Equal(ReplyCode.WrongState, second.Code);
    }

    [Fact]
    public void A_hook_that_the_plan_does_not_have_is_not_replayed()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now));
        _driver.Store.Tasks[new TaskKey(_plan, 1, 1)] = _driver.Store.Tasks[_key];
        var answer = _driver.Replay(new TaskKey(_plan, 1, 1));
        _driver.Settle();

        Assert.Equal(ReplyCode.WrongState, answer.Code);
    }

    [Fact]
    public void An_open_replay_does_not_keep_its_plan_from_completing()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000, EndMs = Now + 2000 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.ProjectNow();
        _driver.Replay(_key);
        _driver.Settle();
        var replayed = _driver.AwaitStart(_plan);
        _driver.Succeed(_driver.AwaitStart(_plan, 2));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));

        _driver.Succeed(replayed);
        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
    }

    [Fact]
    public void A_replay_under_way_survives_a_crash()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnFailure()] });
        _driver.Replay(_key);
        _driver.Settle();
        _driver.AwaitStart(_plan);
        _driver.ProjectNow();
        _driver.Crash();
        var run = _driver.AwaitStart(_plan);
        Assert.Equal((2, 2), (run.Attempt, run.AttemptsMax));
        _driver.Fail(run);
        _driver.Advance(1000);

        Assert.Single(_driver.Started, d => d.Key.IsHook);
    }

    [Fact]
    public void A_cancel_ends_a_waiting_replay()
    {
        MakeDeadLetter(new PlanDraft(_plan, Now));
        _driver.Replay(_key);
        _driver.Settle();
        _driver.CancelNow(_plan);
        _driver.Advance(1000);

        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan));
        Assert.Single(_driver.Started);
    }

    private void MakeDeadLetter(PlanDraft draft)
    {
        _driver.SubmitNow(draft);
        for (int attempt = 1; attempt <= draft.Attempts; attempt++)
        {
            _driver.Fail(_driver.AwaitStart(draft.Id));
            _driver.Settle();
        }

        _driver.RunAndSucceed(_driver.NowMs + 1000);
        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(draft.Id));
    }
}
