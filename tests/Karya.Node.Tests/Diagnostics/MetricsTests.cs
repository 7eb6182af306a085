using System.Globalization;
using System.Text;
using Karya.Node.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Diagnostics;

public sealed class MetricsTests
{
    [Theory]
    [InlineData("karya_scheduler_task_fetch_latency_seconds_summary", "3")]
    [InlineData("karya_scheduler_task_process_latency_seconds_summary", "5")]
    [InlineData("karya_executor_task_polled_latency_summary", "250")]
    [InlineData("karya_executor_task_execution_latency_summary", "1700")]
    public async Task The_summaries_of_the_original_are_in_milliseconds_with_its_quantiles(string name, string sum)
    {
        string page = await PageAsync(Measured());

        Assert.Contains($"# TYPE {name} summary\n", page, StringComparison.Ordinal);
        Assert.Contains($"\n{name}_sum {sum}\n", page, StringComparison.Ordinal);
        foreach (string quantile in (string[])["0.5", "0.75", "0.9", "0.95", "0.99"])
            Assert.Contains($"\n{name}{{quantile=\"{quantile}\"}} ", page, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("karya_executor_task_success_execution_count_total 2")]
    [InlineData("karya_executor_task_failed_execution_count_total 1")]
    [InlineData("karya_lateness_seconds_sum 0.25")]
    [InlineData("karya_lateness_seconds_bucket{le=\"0.2\"} 0")]
    [InlineData("karya_lateness_seconds_bucket{le=\"0.5\"} 1")]
    [InlineData("karya_attempt_seconds_count 3")]
    [InlineData("karya_attempt_seconds_sum 1.7")]
    public async Task Counters_and_histograms_add_up(string line)
    {
        Assert.Contains($"\n{line}\n", await PageAsync(Measured()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gauge_is_read_when_somebody_asks()
    {
        var metrics = new Metrics(new FakeTimeProvider());
        double pending = 1;
        metrics.Gauge("karya_pending_plans", "Plans that are due some time.", () => pending);

        Assert.Contains("\nkarya_pending_plans 1\n", await PageAsync(metrics), StringComparison.Ordinal);
        pending = 7;
        Assert.Contains("\nkarya_pending_plans 7\n", await PageAsync(metrics), StringComparison.Ordinal);
    }

    [Fact]
    public void Measuring_allocates_nothing()
    {
        const int Calls = 10_000;
        var metrics = new Metrics(new FakeTimeProvider());
        MeasureOften(metrics, 50_000);

        long before = GC.GetAllocatedBytesForCurrentThread();
        MeasureOften(metrics, Calls);
        long bytes = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(0, bytes / Calls);
    }

    [Fact]
    public async Task Quantiles_are_right_to_a_thirtieth()
    {
        var metrics = new Metrics(new FakeTimeProvider());
        for (int ms = 1; ms <= 10_000; ms++)
            metrics.TaskDue(ms);

        string page = await PageAsync(metrics);

        foreach (double quantile in (double[])[0.5, 0.75, 0.9, 0.95, 0.99])
            Assert.InRange(FetchQuantile(page, quantile), quantile * 10_000 * 29 / 30, quantile * 10_000 * 31 / 30);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(-5, 0)]
    [InlineData(0.007, 0.007)]
    [InlineData(1e300, 8.7e9)]
    [InlineData(double.NaN, 0)]
    public async Task No_measured_value_is_too_odd(double ms, double expected)
    {
        var metrics = new Metrics(new FakeTimeProvider());
        metrics.TaskDue(ms);

        double median = FetchQuantile(await PageAsync(metrics), 0.5);

        Assert.InRange(median, expected * 0.5, expected * 1.1);
    }

    [Fact]
    public async Task Quantiles_forget_what_is_older_than_the_window_and_the_count_does_not()
    {
        var clock = new FakeTimeProvider();
        var metrics = new Metrics(clock);
        metrics.TaskDue(1000);
        clock.Advance(LatencySummary.HalfWindow);
        await PageAsync(metrics);
        Assert.InRange(FetchQuantile(await PageAsync(metrics), 0.5), 960, 1040);

        clock.Advance(LatencySummary.HalfWindow);
        await PageAsync(metrics);

        string page = await PageAsync(metrics);
        Assert.True(double.IsNaN(FetchQuantile(page, 0.5)));
        Assert.Contains("karya_scheduler_task_fetch_latency_seconds_summary_count 1\n", page, StringComparison.Ordinal);
    }

    private static double FetchQuantile(string page, double quantile)
    {
        string start = string.Create(
            CultureInfo.InvariantCulture,
            $"karya_scheduler_task_fetch_latency_seconds_summary{{quantile=\"{quantile}\"}} ");
        string line = page.Split('\n').Single(line => line.StartsWith(start, StringComparison.Ordinal));
        return double.Parse(line[start.Length..], CultureInfo.InvariantCulture);
    }

    private static void MeasureOften(Metrics metrics, int calls)
    {
        for (int call = 0; call < calls; call++)
        {
            metrics.TaskDue(call % 97);
            metrics.TaskDispatched(call % 7);
            metrics.AttemptStarted(call % 101);
            metrics.AttemptEnded(call % 2 == 0, call % 103);
        }
    }

    private static Metrics Measured()
    {
        var metrics = new Metrics(new FakeTimeProvider());
        metrics.TaskDue(3);
        metrics.TaskDispatched(5);
        metrics.AttemptStarted(250);
        metrics.AttemptEnded(success: true, 500);
        metrics.AttemptEnded(success: true, 200);
        metrics.AttemptEnded(success: false, 1000);
        return metrics;
    }

    private static async Task<string> PageAsync(Metrics metrics)
    {
        using var page = new MemoryStream();
        await metrics.WriteAsync(page, TestContext.Current.CancellationToken);
        return Encoding.UTF8.GetString(page.ToArray());
    }
}
