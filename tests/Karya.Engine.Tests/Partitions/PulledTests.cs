using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

/// <summary>Tasks that workers pull: they start when a worker gives credits, and not before.</summary>
public sealed class PulledTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const uint Lane = 77;

    private readonly ShardDriver _driver = new(inFlightMax: 1, laneInFlightMax: 1);
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_task_waits_until_a_worker_gives_credits()
    {
        _driver.SubmitNow(Pulled(1));
        _driver.Advance(60_000);
        Assert.Empty(_driver.Started);
        Assert.Equal((0L, 1L), (_driver.Shard.Status.Ready, _driver.Shard.Status.WaitingForWorker));

        _driver.SetCredits(Lane, 1);
        _driver.Settle();
        Assert.True(_driver.RunningOf(_plan).IsPulled);
        Assert.Equal(0, _driver.Shard.Status.WaitingForWorker);
    }

    [Fact]
    public void No_more_run_at_once_than_there_are_credits_whatever_the_limits_of_connectors()
    {
        for (int i = 1; i <= 10; i++)
            _driver.SubmitNow(Pulled(i));
        _driver.SetCredits(Lane, 3);
        _driver.Advance(10);
        Assert.Equal(3, _driver.Running.Count);

        _driver.SetCredits(Lane, 5);
        _driver.Settle();
        Assert.Equal(5, _driver.Running.Count);

        _driver.SetCredits(Lane, 2);
        _driver.Settle();
        foreach (var attempt in _driver.Running.ToArray())
            _driver.Succeed(attempt);
        _driver.Settle();
        Assert.Equal(2, _driver.Running.Count);

        _driver.SetCredits(Lane, 0);
        foreach (var attempt in _driver.Running.ToArray())
            _driver.Succeed(attempt);
        _driver.Advance(10);
        Assert.Equal((7, 3L), (_driver.Started.Count, _driver.Shard.Status.WaitingForWorker));
    }

    [Fact]
    public void However_often_credits_change_between_turns_the_last_word_counts()
    {
        _driver.SubmitNow(Pulled(1));
        for (int i = 0; i < 100_000; i++)
            _driver.SetCredits(Lane, i % 2);
        _driver.SetCredits(Lane, 0);
        _driver.Advance(1000);
        Assert.Empty(_driver.Started);
        _driver.SetCredits(Lane, 1);
        Assert.True(_driver.AwaitStart(_plan).IsPulled);
    }

    [Fact]
    public void Workers_take_no_place_of_connectors_and_connectors_none_of_workers()
    {
        _driver.SetCredits(Lane, 1);
        _driver.SubmitNow(Pulled(1));
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(2), Now) { Lane = Lane });
        _driver.Advance(10);
        Assert.Equal(2, _driver.Running.Count);
        Assert.Single(_driver.Running, attempt => attempt.IsPulled);
    }

    [Fact]
    public void Hooks_may_be_for_workers_too()
    {
        var hook = new HookSpec(HookTrigger.OnCompletion, 1, Lane, IsPulled: true);
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Hooks = [hook] });
        _driver.Succeed(_driver.AwaitStart(_plan));
        _driver.Settle();
        Assert.Empty(_driver.Running);

        _driver.SetCredits(Lane, 1);
        Assert.True(_driver.AwaitStart(_plan, hook: 1).IsPulled);
    }

    [Fact]
    public void A_released_attempt_is_handed_out_again_with_the_same_number()
    {
        _driver.SetCredits(Lane, 1);
        _driver.SubmitNow(Pulled(1));
        _driver.Release(_driver.AwaitStart(_plan));
        _driver.Advance(Limits.ReleaseDelayMs - 1);
        Assert.Single(_driver.Started);
        _driver.Advance(2);
        Assert.Equal([1, 1], _driver.Started.Select(attempt => attempt.Attempt));
        _driver.Succeed(_driver.RunningOf(_plan));
        _driver.Settle();
        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Equal(0, _driver.Shard.Status.InFlight);
    }

    [Fact]
    public void A_released_attempt_of_a_cancelled_plan_is_not_made()
    {
        _driver.SetCredits(Lane, 1);
        _driver.SubmitNow(Pulled(1));
        var attempt = _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        _driver.Release(attempt);
        _driver.Advance(1000);
        Assert.Single(_driver.Started);
        Assert.Equal(PlanTaskState.Cancelled, _driver.EndOf(_plan));
    }

    [Fact]
    public void A_cancel_revokes_what_runs_before_it_is_acknowledged()
    {
        _driver.SetCredits(Lane, 1);
        _driver.SubmitNow(Pulled(1));
        var attempt = _driver.AwaitStart(_plan);
        _driver.HoldsCommits = true;
        var cancel = _driver.Cancel(_plan);
        _driver.Settle();
        Assert.Null(cancel.Code);
        Assert.Equal([new Revocation(attempt.Key, 1, attempt.Epoch, IsPulled: true)], _driver.Revoked);
    }

    [Fact]
    public void A_cancel_takes_back_what_a_connector_may_not_have_begun()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        var attempt = _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        Assert.Equal([new Revocation(attempt.Key, 1, attempt.Epoch, IsPulled: false)], _driver.Revoked);
    }

    [Fact]
    public void That_a_task_is_for_workers_outlives_a_restart()
    {
        _driver.SubmitNow(Pulled(1) with { PeriodMs = 1000 });
        _driver.ProjectNow();
        _driver.Crash();
        _driver.Advance(5);
        Assert.Empty(_driver.Started);
        _driver.SetCredits(Lane, 1);
        var first = _driver.AwaitStart(_plan);
        _driver.Crash();
        _driver.SetCredits(Lane, 1);
        Assert.Equal(first.Key, _driver.AwaitStart(_plan).Key);
        Assert.True(_driver.Started[^1].IsPulled);
    }

    [Fact]
    public void Very_large_outcomes_are_taken_over_several_turns()
    {
        const int Attempts = 200;
        _driver.SetCredits(Lane, Attempts);
        for (int i = 1; i <= Attempts; i++)
            _driver.SubmitNow(Pulled(i));
        _driver.Advance(10);
        Assert.Equal(Attempts, _driver.Running.Count);

        byte[] result = new byte[Limits.ResultBytesMax];
        foreach (var attempt in _driver.Running.ToArray())
            _driver.Succeed(attempt, result);
        _driver.Step();
        int perTurn = Limits.OutcomeBytesPerTurnMax / Limits.ResultBytesMax;
        Assert.Equal(Attempts - perTurn, _driver.Shard.Status.InFlight);
        _driver.Settle();
        Assert.Equal(0, _driver.Shard.Status.InFlight);
    }

    private static PlanDraft Pulled(int number) =>
        new(PlanDraft.Plan(number), Now) { IsPulled = true, Lane = Lane };
}
