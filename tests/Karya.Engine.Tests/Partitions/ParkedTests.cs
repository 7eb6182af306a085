using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

/// <summary>Tasks of a target that is down wait for it, and use no attempts up.</summary>
public sealed class ParkedTests : IDisposable
{
    private readonly ShardDriver _driver = new(laneInFlightMax: 2);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void What_is_due_waits_while_its_lane_is_parked_and_starts_when_it_is_let_go()
    {
        uint lane = FirstLane();
        _driver.SetLimit(lane, 0);
        for (int i = 1; i <= 5; i++)
            _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(i), _driver.NowMs));
        _driver.Advance(600_000);
        Assert.Empty(_driver.Running);
        Assert.Equal(5, _driver.Shard.Status.Ready);

        _driver.SetLimit(lane, 1);
        _driver.Settle();
        Assert.Equal(1, Assert.Single(_driver.Running).Attempt);

        _driver.SetLimit(lane, int.MaxValue);
        _driver.Settle();
        Assert.Equal(2, _driver.Running.Count); // The shard's own limit holds.
    }

    [Fact]
    public void A_retry_waits_too_and_what_runs_goes_on()
    {
        uint lane = FirstLane();
        var plan = PlanDraft.Plan(1);
        _driver.SubmitNow(new PlanDraft(plan, _driver.NowMs) { Attempts = 3 });
        var attempt = _driver.AwaitStart(plan);
        _driver.SetLimit(lane, 0);
        _driver.Settle();
        Assert.Single(_driver.Running);

        _driver.Fail(attempt);
        _driver.Advance(600_000);
        Assert.Empty(_driver.Running);

        _driver.SetLimit(lane, int.MaxValue);
        _driver.Settle();
        Assert.Equal(2, Assert.Single(_driver.Running).Attempt);
    }

    /// <summary>All of the drafts have the same.</summary>
    private uint FirstLane()
    {
        var plan = PlanDraft.Plan(99);
        _driver.SubmitNow(new PlanDraft(plan, _driver.NowMs));
        var attempt = _driver.AwaitStart(plan);
        _driver.Succeed(attempt);
        return attempt.Lane;
    }
}
