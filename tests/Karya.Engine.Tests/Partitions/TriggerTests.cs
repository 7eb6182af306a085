using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class TriggerTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const long Hour = 3_600_000;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void The_task_that_waits_runs_at_once()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + Hour));
        var answer = _driver.Trigger(_plan);
        _driver.Advance(1);
        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(Now + Hour, _driver.RunningOf(_plan).DueMs);
        Assert.Equal(Now, _driver.RunningOf(_plan).AttemptDueMs);
    }

    [Fact]
    public void The_occurrences_after_it_keep_their_instants()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + Hour) { PeriodMs = Hour });
        _driver.Trigger(_plan);
        _driver.RunAndSucceed(Now + 3 * Hour);
        Assert.Equal(
            [Now + Hour, Now + 2 * Hour, Now + 3 * Hour], _driver.Started.Select(attempt => attempt.DueMs));
        Assert.Equal(
            [Now, Now + 2 * Hour, Now + 3 * Hour], _driver.Started.Select(attempt => attempt.AttemptDueMs));
    }

    [Fact]
    public void A_retry_that_waits_is_brought_forward()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2, RetryDelayMs = 9000 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        _driver.Trigger(_plan);
        _driver.Advance(1);
        Assert.Equal(2, _driver.RunningOf(_plan).Attempt);
    }

    [Fact]
    public void A_plan_far_beyond_the_horizon_is_fetched_and_run()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000 * Hour));
        _driver.ProjectNow();
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
        _driver.Trigger(_plan);
        _driver.Advance(1);
        Assert.True(_driver.IsRunning(_plan));
    }

    [Fact]
    public void Where_nothing_waits_there_is_nothing_to_trigger()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.AwaitStart(_plan);
        var running = _driver.Trigger(_plan);
        _driver.Settle();
        Assert.Equal(ReplyCode.WrongState, running.Code);

        _driver.Succeed(_driver.RunningOf(_plan));
        var ended = _driver.Trigger(_plan);
        var unknown = _driver.Trigger(PlanDraft.Plan(2));
        _driver.Settle();
        Assert.Equal((ReplyCode.WrongState, ReplyCode.NotFound), (ended.Code, unknown.Code));
    }

    [Fact]
    public void A_task_that_is_due_already_needs_no_help()
    {
        using var driver = new ShardDriver(laneInFlightMax: 1);
        driver.SubmitNow(new PlanDraft(PlanDraft.Plan(2), Now));
        driver.SubmitNow(new PlanDraft(_plan, Now));
        driver.Advance(5);
        int rows = driver.Store.JournalRows.Count;
        var answer = driver.Trigger(_plan);
        driver.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(rows, driver.Store.JournalRows.Count);
    }

    [Fact]
    public void It_runs_only_when_that_is_durable_and_outlives_a_crash()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + Hour));
        _driver.HoldsCommits = true;
        var answer = _driver.Trigger(_plan);
        _driver.Advance(100);
        Assert.Null(answer.Code);
        Assert.Empty(_driver.Started);

        _driver.HoldsCommits = false;
        _driver.CommitAll();
        _driver.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
        _driver.Crash();
        Assert.Equal(Now + Hour, _driver.AwaitStart(_plan).DueMs);
        Assert.True(_driver.NowMs < Now + Hour);
    }
}
