using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class MisfireTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const int Grace = Limits.MisfireGraceMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void After_a_pause_the_latest_occurrence_runs_and_the_others_are_one_range_of_skipped_ones()
    {
        Submit(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000 });
        _driver.Sleep(10_500);
        _driver.Advance(100);

        var run = Assert.Single(_driver.Running);
        Assert.Equal((10L, Now + 10_000), (run.Key.Occurrence, run.DueMs));
        AssertSkipped(from: 1, to: 9);
    }

    [Fact]
    public void After_a_pause_the_next_occurrence_is_due_on_the_old_grid()
    {
        Submit(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000 });
        _driver.Sleep(10_500);
        _driver.RunAndSucceed(Now + 12_000);

        Assert.Equal([10_000L, 11_000L, 12_000L], _driver.Started.Select(d => d.DueMs - Now));
    }

    [Theory]
    [InlineData(Grace, 0)]
    [InlineData(Grace + 1, 10)]
    public void Occurrences_are_skipped_when_the_first_is_later_than_the_grace(int lateMs, int skipped)
    {
        Submit(new PlanDraft(_plan, Now + 100) { PeriodMs = 100 });
        _driver.Sleep(100 + lateMs);
        _driver.Advance(5);

        Assert.Equal(skipped, SkippedCount());
    }

    [Theory]
    [InlineData(4990, 0)]
    [InlineData(5000, 1)]
    public void A_late_occurrence_is_skipped_only_if_a_later_one_is_due_as_well(int lateMs, int skipped)
    {
        Submit(new PlanDraft(_plan, Now + 100) { PeriodMs = 5000 });
        _driver.Sleep(100 + lateMs);
        _driver.Advance(2);

        Assert.Equal(skipped, SkippedCount());
        Assert.Equal(skipped + 1, Assert.Single(_driver.Running).Key.Occurrence);
    }

    [Fact]
    public void Under_skip_none_of_the_late_ones_runs()
    {
        Submit(new PlanDraft(_plan, Now + 5000) { PeriodMs = 5000, Misfire = MisfirePolicy.Skip });
        _driver.Sleep(22_000);
        _driver.RunAndSucceed(Now + 24_999);
        Assert.Empty(_driver.Started);
        AssertSkipped(from: 1, to: 4);

        _driver.Advance(1);
        Assert.Equal(new TaskKey(_plan, 5, 0), Assert.Single(_driver.Running).Key);
    }

    [Fact]
    public void Under_skip_the_latest_runs_if_it_is_not_late_itself()
    {
        Submit(new PlanDraft(_plan, Now + 5000) { PeriodMs = 5000, Misfire = MisfirePolicy.Skip });
        _driver.Sleep(20_000 + Grace - 1);
        _driver.Advance(1);

        Assert.Equal(4, Assert.Single(_driver.Running).Key.Occurrence);
        AssertSkipped(from: 1, to: 3);
    }

    [Fact]
    public void Under_all_every_occurrence_runs_once_and_in_order()
    {
        Submit(new PlanDraft(_plan, Now + 100) { PeriodMs = 1000, Misfire = MisfirePolicy.All });
        _driver.Sleep(20_500);
        _driver.RunAndSucceed(Now + 20_700);

        Assert.Equal(Enumerable.Range(1, 21).Select(n => (long)n), _driver.Started.Select(d => d.Key.Occurrence));
        Assert.Equal(0, SkippedCount());
    }

    [Fact]
    public void A_bounded_plan_whose_last_occurrences_were_missed_runs_the_last_within_its_bounds()
    {
        Submit(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000, EndMs = Now + 5000 });
        _driver.Sleep(1_000_000);
        _driver.RunAndSucceed(Now + 1_010_000);

        Assert.Equal(5, Assert.Single(_driver.Started).Key.Occurrence);
        AssertSkipped(from: 1, to: 4);
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_bounded_plan_of_which_all_is_skipped_completes_and_runs_its_completion_hooks()
    {
        Submit(new PlanDraft(_plan, Now + 1000)
        {
            PeriodMs = 1000,
            EndMs = Now + 5000,
            Misfire = MisfirePolicy.Skip,
            Hooks = [PlanDraft.OnCompletion()],
        });
        _driver.Sleep(1_000_000);
        _driver.RunAndSucceed(Now + 1_010_000);

        AssertSkipped(from: 1, to: 5);
        Assert.Equal(new TaskKey(_plan, 5, 1), Assert.Single(_driver.Started).Key);
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_one_time_plan_runs_however_late_under_every_policy()
    {
        Submit(new PlanDraft(_plan, Now + 1000) { Misfire = MisfirePolicy.Skip });
        _driver.Sleep(1_000_000_000);
        _driver.Advance(1);

        Assert.True(_driver.IsRunning(_plan));
    }

    [Fact]
    public void A_retry_is_never_skipped()
    {
        Submit(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000, Attempts = 2 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        _driver.Sleep(60_000);
        _driver.Advance(5);

        Assert.Equal(2, _driver.RunningOf(_plan).Attempt);
        Assert.Null(_driver.EndOf(_plan));
    }

    [Fact]
    public void The_one_that_runs_for_all_starts_when_the_record_of_the_skipped_ones_is_durable()
    {
        Submit(new PlanDraft(_plan, Now + 5000) { PeriodMs = 5000 });
        _driver.HoldsCommits = true;
        _driver.Sleep(22_000);
        _driver.Advance(100);
        Assert.Empty(_driver.Running);

        _driver.CommitAll();
        _driver.Advance(2);
        Assert.Equal(4, Assert.Single(_driver.Running).Key.Occurrence);
    }

    [Fact]
    public void Downtime_is_a_misfire_but_what_was_running_starts_again()
    {
        Submit(new PlanDraft(_plan, Now + 1000) { PeriodMs = 1000, Misfire = MisfirePolicy.Skip });
        _driver.AwaitStart(_plan);
        _driver.Crash(downMs: 3_600_000);
        _driver.Advance(5);

        Assert.Equal(1, _driver.RunningOf(_plan).Attempt);
        Assert.True(_driver.IsRunning(_plan, 3601));
        _driver.ProjectNow();
        var range = _driver.Store.Tasks[new TaskKey(_plan, 2, 0)];
        Assert.Equal((PlanTaskState.Skipped, 3600L), (range.State, range.OccurrenceTo));
        Assert.Equal([1L, 3601L, 3602L], _driver.OpenOf(_plan).Select(t => t.Occurrence));
    }

    [Fact]
    public void A_millisecond_period_over_a_century_is_counted_without_overflow()
    {
        Submit(new PlanDraft(_plan, Now + 1) { PeriodMs = 1 });
        const long century = 100L * 365 * 24 * 3600 * 1000;
        _driver.Sleep(century);
        _driver.Settle();
        _driver.ProjectNow();

        Assert.Equal(century - 1, _driver.Store.Tasks[new TaskKey(_plan, 1, 0)].OccurrenceTo);
    }

    private void Submit(PlanDraft draft) => _driver.SubmitNow(draft);

    private int SkippedCount()
    {
        _driver.ProjectNow();
        return (int)_driver.Store.Tasks.Values.Where(t => t.State == PlanTaskState.Skipped)
            .Sum(t => t.OccurrenceTo - t.Key.Occurrence + 1);
    }

    private void AssertSkipped(long from, long to)
    {
        _driver.ProjectNow();
        var row = Assert.Single(_driver.Store.Tasks.Values, t => t.State == PlanTaskState.Skipped);
        Assert.Equal((from, to, SkipReason.Misfire), (row.Key.Occurrence, row.OccurrenceTo, row.Reason));
    }
}
