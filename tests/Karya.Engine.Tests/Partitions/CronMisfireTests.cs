using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class CronMisfireTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const string EverySecond = "* * * * * *";

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void After_a_pause_the_latest_occurrence_runs_and_the_others_are_one_range_of_skipped_ones()
    {
        Submit("*/20 * * * * *", Now + 20_000, MisfirePolicy.Once);
        _driver.Sleep(125_000);
        _driver.RunAndSucceed(Now + 141_000);

        Assert.Equal([(6L, 120_000L), (7L, 140_000L)], Starts());
        Assert.Equal([(1L, 5L)], Skipped());
    }

    [Fact]
    public void Under_skip_none_of_the_late_ones_runs()
    {
        Submit("*/20 * * * * *", Now + 20_000, MisfirePolicy.Skip);
        _driver.Sleep(125_000);
        _driver.RunAndSucceed(Now + 141_000);

        Assert.Equal([(7L, 140_000L)], Starts());
        Assert.Equal([(1L, 6L)], Skipped());
    }

    [Fact]
    public void Under_all_every_occurrence_runs_once_and_in_order()
    {
        Submit("*/20 * * * * *", Now + 20_000, MisfirePolicy.All);
        _driver.Sleep(65_000);
        _driver.RunAndSucceed(Now + 81_000);

        Assert.Equal([(1L, 20_000L), (2L, 40_000L), (3L, 60_000L), (4L, 80_000L)], Starts());
        Assert.Empty(Skipped());
    }

    [Fact]
    public void A_late_occurrence_of_which_no_later_one_is_due_runs()
    {
        Submit("0 * * * *", Now + 3_600_000, MisfirePolicy.Once);
        _driver.Sleep(3_600_000 + 3_599_000);
        _driver.Advance(5);

        Assert.Equal([(1L, 3_600_000L)], Starts());
    }

    [Fact]
    public void A_bounded_plan_of_which_all_is_skipped_completes()
    {
        Submit(EverySecond, Now + 1000, MisfirePolicy.Skip, endMs: Now + 5000);
        _driver.Sleep(1_000_000);
        _driver.RunAndSucceed(Now + 1_100_000);

        Assert.Empty(_driver.Started);
        Assert.Equal([(1L, 5L)], Skipped());
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Theory]
    [InlineData(MisfirePolicy.Once)]
    [InlineData(MisfirePolicy.Skip)]
    public void What_a_turn_cannot_count_is_counted_by_the_next_ones(MisfirePolicy misfire)
    {
        const long missed = 86_400; // One day, at up to 2 µs each: a fifth of a second, in one turn.
        Submit(EverySecond, Now + 1000, misfire);
        _driver.Sleep(missed * 1000 + 1500);
        _driver.Advance(400);

        var ranges = Skipped();
        Assert.All(ranges, range => Assert.InRange(range.To - range.From + 1, 1, Limits.CronStepsPerTurnMax));
        Assert.InRange(ranges.Count, missed / Limits.CronStepsPerTurnMax, missed / Limits.CronStepsPerTurnMax + 2);
        Assert.Equal(1, ranges[0].From);
        for (int i = 1; i < ranges.Count; i++)
            Assert.Equal(ranges[i - 1].To + 1, ranges[i].From);
        long latest = missed + 1; // Due half a second ago: within the grace, so it runs under skip as well.
        Assert.Equal(latest - 1, ranges[^1].To);
        Assert.Equal([(latest, latest * 1000)], Starts());
    }

    [Fact]
    public void Many_late_plans_share_what_a_turn_may_count_and_each_gets_its_turn()
    {
        const int plans = 50;
        for (int i = 1; i <= plans; i++)
            _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(i), Now + 1000) { Cron = EverySecond });

        _driver.Sleep(3_600_000);
        int turns = 0;
        _driver.TurnEnded = _ => turns++;
        _driver.Advance(400);

        Assert.Equal(plans, _driver.Started.Count);
        Assert.All(_driver.Started, d => Assert.Equal((3600L, Now + 3_600_000), (d.Key.Occurrence, d.DueMs)));
        Assert.InRange(turns, plans * 3600 / Limits.CronStepsPerTurnMax, 1000);
    }

    private void Submit(string cron, long dueMs, MisfirePolicy misfire, long endMs = PlanSpec.NoEnd) =>
        _driver.SubmitNow(new PlanDraft(_plan, dueMs) { Cron = cron, Misfire = misfire, EndMs = endMs });

    private IEnumerable<(long, long)> Starts() => _driver.Started.Select(d => (d.Key.Occurrence, d.DueMs - Now));

    private List<(long From, long To)> Skipped()
    {
        _driver.ProjectNow();
        return [.. _driver.Store.Tasks.Values
            .Where(t => t.State == PlanTaskState.Skipped && t.Reason == SkipReason.Misfire)
            .Select(t => (t.Key.Occurrence, t.OccurrenceTo)).Order()];
    }
}
