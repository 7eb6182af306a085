using Karya.Engine.Dispatching;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

/// <summary>A target that takes only so many attempts a second gets no more.</summary>
public sealed class PacedTests : IDisposable
{
    private readonly ShardDriver _driver = new(lanePace: new LanePace(IntervalUs: 20_000));

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Tasks_that_are_due_at_once_start_at_their_targets_pace()
    {
        long dueMs = _driver.NowMs + 1000;
        for (int i = 1; i <= 100; i++)
            _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(i), dueMs));
        _driver.AdvanceTo(dueMs + 1000);

        Assert.Equal(
            Enumerable.Range(0, 51).Select(i => dueMs + 20 * i),
            _driver.Running.Select(attempt => attempt.StartedMs).Order());
        Assert.Equal((49, 1), (_driver.Shard.Status.Ready, _driver.Shard.Status.Paced));
    }

    [Fact]
    public void A_cancelled_task_gives_its_turn_to_the_next_one()
    {
        long dueMs = _driver.NowMs + 1000;
        for (int i = 1; i <= 50; i++)
            _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(i), dueMs));
        _driver.AdvanceTo(dueMs + 10);
        var first = _driver.Running.Single().Key.Plan;
        var others = Enumerable.Range(1, 50).Select(i => PlanDraft.Plan(i)).Where(plan => plan != first).ToList();
        foreach (var plan in others.Take(48))
            _driver.CancelNow(plan);
        _driver.AdvanceTo(dueMs + 20);

        Assert.Equal(dueMs + 20, _driver.RunningOf(others[48]).StartedMs);
    }
}
