using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class HookTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_failed_plan_runs_its_failure_hooks_and_its_completion_hooks_once_each()
    {
        HookSpec[] hooks =
            [PlanDraft.OnFailure(), PlanDraft.OnCompletion(), PlanDraft.OnFailure(), PlanDraft.OnCompletion()];
        _driver.SubmitNow(new PlanDraft(_plan, Now + 5) { Hooks = hooks });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.RunAndSucceed(Now + 1000);

        var runs = _driver.Started.Where(d => d.Key.IsHook).Select(d => (d.Key.Occurrence, d.Key.Hook));
        Assert.Equal([(1L, 1), (1L, 2), (1L, 3), (1L, 4)], runs.Order());
    }

    [Fact]
    public void A_plan_that_succeeds_runs_its_completion_hooks_only()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 5) { Hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()] });
        _driver.RunAndSucceed(Now + 1000);

        Assert.Equal(2, Assert.Single(_driver.Started, d => d.Key.IsHook).Key.Hook);
    }

    [Fact]
    public void A_failure_hook_runs_once_per_finally_failed_occurrence_and_not_per_attempt()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000)
        {
            PeriodMs = 1000,
            EndMs = Now + 3000,
            Attempts = 2,
            RetryDelayMs = 10,
            Hooks = [PlanDraft.OnFailure()],
        });
        for (int occurrence = 1; occurrence <= 3; occurrence++)
        {
            _driver.Fail(_driver.AwaitStart(_plan, occurrence));
            _driver.Settle();
            if (occurrence == 2)
                _driver.Succeed(_driver.AwaitStart(_plan, occurrence));
            else
                _driver.Fail(_driver.AwaitStart(_plan, occurrence));
        }

        _driver.RunAndSucceed(Now + 10_000);

        Assert.Equal([1L, 3L], _driver.Started.Where(d => d.Key.IsHook).Select(d => d.Key.Occurrence));
    }

    [Fact]
    public void The_completion_hook_runs_once_when_the_last_occurrence_has_ended()
    {
        _driver.SubmitNow(
            new PlanDraft(_plan, Now + 10) { PeriodMs = 10, EndMs = Now + 30, Hooks = [PlanDraft.OnCompletion()] });
        _driver.AwaitStart(_plan, 3);
        _driver.Succeed(_driver.RunningOf(_plan, 3));
        _driver.Fail(_driver.RunningOf(_plan, 1));
        _driver.Advance(1000);
        Assert.DoesNotContain(_driver.Started, d => d.Key.IsHook);

        _driver.Succeed(_driver.RunningOf(_plan, 2));
        _driver.RunAndSucceed(Now + 5000);

        Assert.Equal(new TaskKey(_plan, 3, 1), Assert.Single(_driver.Started, d => d.Key.IsHook).Key);
    }

    [Fact]
    public void A_hook_does_not_start_before_the_end_that_triggers_it_is_durable()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnCompletion()] });
        var attempt = _driver.AwaitStart(_plan);
        _driver.HoldsCommits = true;
        _driver.Succeed(attempt);
        _driver.Advance(100);
        Assert.Empty(_driver.Running);

        _driver.CommitAll();
        _driver.Advance(2);
        Assert.True(_driver.IsRunning(_plan, hook: 1));
    }

    [Fact]
    public void A_hook_is_tried_again_as_often_as_it_says_itself_and_runs_on_its_own_lane()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnFailure(attempts: 3, lane: 5)] });
        _driver.Fail(_driver.AwaitStart(_plan));
        for (int attempt = 1; attempt <= 3; attempt++)
        {
            var run = _driver.AwaitStart(_plan, hook: 1);
            Assert.Equal((attempt, 3, 5u), (run.Attempt, run.AttemptsMax, run.Lane));
            _driver.Fail(run);
            _driver.Settle();
        }

        Assert.Equal(PlanTaskState.Failure, _driver.EndOf(_plan, hook: 1));
        Assert.Empty(_driver.OpenOf(_plan));
    }

    [Fact]
    public void A_failed_hook_triggers_no_hook()
    {
        _driver.SubmitNow(
            new PlanDraft(_plan, Now) { Hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()] });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Fail(_driver.AwaitStart(_plan, hook: 1));
        _driver.Fail(_driver.AwaitStart(_plan, hook: 2));
        _driver.Advance(10_000);

        Assert.Equal(3, _driver.Started.Count);
    }

    [Fact]
    public void A_plan_with_the_most_hooks_runs_all_of_them()
    {
        var hooks = new HookSpec[Limits.HooksPerPlanMax];
        Array.Fill(hooks, PlanDraft.OnCompletion(Limits.AttemptsMax, uint.MaxValue));
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Hooks = hooks });
        _driver.RunAndSucceed(Now + 1000);

        var runs = _driver.Started.Where(d => d.Key.IsHook).ToArray();
        Assert.Equal(Enumerable.Range(1, Limits.HooksPerPlanMax), runs.Select(d => d.Key.Hook).Order());
        Assert.All(runs, d => Assert.Equal((Limits.AttemptsMax, uint.MaxValue), (d.AttemptsMax, d.Lane)));
    }
}
