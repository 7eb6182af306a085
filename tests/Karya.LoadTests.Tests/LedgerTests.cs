using Xunit;

namespace Karya.LoadTests.Tests;

public sealed class LedgerTests
{
    private const long DueMs = 1_795_400_000_000;
    private const long DueMicros = DueMs * 1000;

    [Fact]
    public void An_acknowledged_plan_that_never_arrives_is_lost()
    {
        var ledger = new Ledger(planCount: 3);
        ledger.Acknowledge(0, DueMs);
        ledger.Acknowledge(2, DueMs);
        ledger.Arrive(2, DueMicros);

        var summary = ledger.Summarize();
        Assert.Equal((2, 1, 0, 0), (summary.Acknowledged, summary.Lost, summary.Duplicates, summary.Early));
    }

    [Fact]
    public void A_microsecond_before_the_due_instant_is_early_and_the_instant_itself_is_not()
    {
        var ledger = new Ledger(planCount: 2);
        ledger.Acknowledge(0, DueMs);
        ledger.Acknowledge(1, DueMs);
        ledger.Arrive(0, DueMicros - 1);
        ledger.Arrive(1, DueMicros);

        Assert.Equal(1, ledger.Summarize().Early);
        Assert.Equal(1, ledger.Summarize().Lateness.Count);
    }

    [Fact]
    public void Every_arrival_after_the_first_is_a_duplicate_and_the_first_one_counts_for_lateness()
    {
        var ledger = new Ledger(planCount: 1);
        ledger.Arrive(0, DueMicros + 1_000);
        ledger.Arrive(0, DueMicros + 900_000);
        ledger.Arrive(0, DueMicros + 901_000);
        ledger.Acknowledge(0, DueMs);

        var summary = ledger.Summarize();
        Assert.Equal(2, summary.Duplicates);
        Assert.Equal(1_000, summary.Lateness.Max);
    }

    [Fact]
    public void A_plan_that_was_not_acknowledged_is_neither_lost_nor_early()
    {
        var ledger = new Ledger(planCount: 2);
        ledger.Arrive(1, DueMicros);

        Assert.Equal(new LedgerSummary(0, 0, 0, 0, 1, new Percentiles(0, 0, 0, 0, 0, 0)), ledger.Summarize());
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    public void A_call_for_a_plan_that_nobody_sent_is_refused(int planIndex)
    {
        var ledger = new Ledger(planCount: 2);

        Assert.False(ledger.Arrive(planIndex, DueMicros));
        Assert.Equal(0, ledger.Summarize().Unacknowledged);
    }

    [Fact]
    public void Percentiles_name_the_value_that_the_share_does_not_exceed()
    {
        var histogram = Percentiles.NewHistogram();
        for (int micros = 1; micros <= 1000; micros++)
            Percentiles.Record(histogram, micros);

        Assert.Equal(new Percentiles(1000, 500, 900, 990, 999, 1000), Percentiles.Of(histogram));
    }

    [Fact]
    public void Durations_out_of_range_are_clamped_instead_of_dropped()
    {
        var histogram = Percentiles.NewHistogram();
        Percentiles.Record(histogram, -5);
        Percentiles.Record(histogram, long.MaxValue);

        Assert.Equal(2, Percentiles.Of(histogram).Count);
        Assert.InRange(Percentiles.Of(histogram).Max, 3_600_000_000, 3_604_000_000);
    }

    [Theory]
    [InlineData(1, 0, 0, true)]
    [InlineData(0, 0, 0, false)]
    [InlineData(1, 1, 0, false)]
    [InlineData(1, 0, 1, false)]
    public void A_run_passes_when_something_was_promised_and_all_of_it_held(
        int acknowledged, int lost, int early, bool passed)
    {
        var nothing = new Percentiles(0, 0, 0, 0, 0, 0);
        var ledger = new LedgerSummary(acknowledged, lost, Duplicates: 3, early, Unacknowledged: 0, nothing);
        var report = new LoadReport(new Scenario { Name = "x" }, 0, 0, nothing, nothing, ledger);

        Assert.Equal(passed, report.Passed);
        Assert.EndsWith(passed ? "passed\n" : "FAILED\n", report.Print(), StringComparison.Ordinal);
    }
}
