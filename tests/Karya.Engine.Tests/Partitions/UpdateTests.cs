using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class UpdateTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_new_period_leaves_the_waiting_occurrence_and_counts_from_it()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000 });
        _driver.Succeed(_driver.AwaitStart(_plan));
        var answer = _driver.Update(_plan, PlanUpdate.Period, periodMs: 300);
        _driver.RunAndSucceed(Now + 2700);

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal([1000L, 2000L, 2300L, 2600L], _driver.Started.Select(d => d.DueMs - Now));
    }

    [Fact]
    public void An_update_that_was_made_from_another_body_is_not_done_also_when_the_plan_is_only_in_the_tables()
    {
        var draft = new PlanDraft(_plan, Now + 3_600_000) { PeriodMs = 1000 };
        _driver.SubmitNow(draft);
        byte[] second = [7, 7];
        var first = _driver.Update(_plan, PlanUpdate.Period, 300, body: second, madeFrom: BodyMark.Of(draft.Body));
        var stale = _driver.Update(_plan, PlanUpdate.Period, 400, body: [8], madeFrom: BodyMark.Of(draft.Body));
        _driver.Settle();
        Assert.Equal((ReplyCode.Ok, ReplyCode.Changed), (first.Code, stale.Code));

        _driver.ProjectNow();
        stale = _driver.Update(_plan, PlanUpdate.Period, 400, body: [8], madeFrom: BodyMark.Of(draft.Body));
        _driver.Settle();
        Assert.Equal(ReplyCode.Changed, stale.Code);
        var fresh = _driver.Update(_plan, PlanUpdate.Period, 400, body: [8], madeFrom: BodyMark.Of(second));
        _driver.Settle();
        Assert.Equal(ReplyCode.Ok, fresh.Code);
    }

    [Fact]
    public void A_shorter_period_does_not_make_a_retry_bring_another_occurrence()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { PeriodMs = 5000, EndMs = Now + 2000, Attempts = 2 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Update(_plan, PlanUpdate.Period, periodMs: 100);
        _driver.Settle();
        _driver.Succeed(_driver.AwaitStart(_plan));
        _driver.Advance(10_000);

        Assert.Equal([1L, 1L], _driver.Started.Select(d => d.Key.Occurrence));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_new_number_of_attempts_holds_for_tasks_that_have_not_started()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { PeriodMs = 1000, Attempts = 1 });
        var running = _driver.AwaitStart(_plan);
        _driver.Update(_plan, PlanUpdate.Attempts, attempts: 4);
        _driver.Settle();
        _driver.Fail(running);

        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan));
        Assert.Equal(4, _driver.AwaitStart(_plan, 2).AttemptsMax);
    }

    [Fact]
    public void New_hooks_replace_the_old_ones()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100) { Hooks = [PlanDraft.OnFailure(), PlanDraft.OnFailure()] });
        _driver.Update(_plan, PlanUpdate.Hooks, hooks: [PlanDraft.OnCompletion(attempts: 7, lane: 3)]);
        _driver.RunAndSucceed(Now + 1000);

        var run = Assert.Single(_driver.Started, d => d.Key.IsHook);
        Assert.Equal((1, 7, 3u), (run.Key.Hook, run.AttemptsMax, run.Lane));
    }

    [Fact]
    public void Hooks_can_be_taken_away()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100) { Hooks = [PlanDraft.OnCompletion()] });
        _driver.Update(_plan, PlanUpdate.Hooks, hooks: []);
        _driver.RunAndSucceed(Now + 1000);

        Assert.Single(_driver.Started);
    }

    [Fact]
    public void An_update_reaches_a_plan_that_is_not_in_memory_and_survives_a_crash()
    {
        const long dueMs = Now + 5_000_000;
        _driver.SubmitNow(new PlanDraft(_plan, dueMs) { PeriodMs = 1000 });
        _driver.ProjectNow();
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
        var answer = _driver.Update(_plan, PlanUpdate.Period, periodMs: 50);
        _driver.Settle();
        _driver.Crash();
        _driver.RunAndSucceed(dueMs + 100);

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal([0L, 50L, 100L], _driver.Started.Select(d => d.DueMs - dueMs));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(5_000_000)]
    public void The_new_body_is_what_runs_and_what_the_tables_keep(int dueInMs)
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + dueInMs));
        _driver.ProjectNow();
        _driver.Update(_plan, PlanUpdate.Attempts, attempts: 2, body: [42, 43]);
        _driver.Settle();
        _driver.ProjectNow();
        Assert.Equal([42, 43], _driver.Store.Plans[_plan].Body);

        _driver.Advance(dueInMs);
        var run = _driver.RunningOf(_plan);
        Assert.Equal([42, 43], run.Body.AsSpan(0, run.BodyBytes).ToArray());
    }

    [Fact]
    public void A_count_of_hooks_that_differs_from_the_hooks_does_no_harm()
    {
        var command = new PlanDraft(_plan, Now + 10).ToCommand(Now, _driver.PartitionOf(_plan), null);
        command.Spec.HookCount = 3;
        _driver.Post(command);
        _driver.Settle();
        _driver.Crash();
        _driver.RunAndSucceed(Now + 1000);

        Assert.Equal(8, Assert.Single(_driver.Started).BodyBytes);
    }
}
