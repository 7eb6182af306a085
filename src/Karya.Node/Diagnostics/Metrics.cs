using System.Text;
using Prometheus;

namespace Karya.Node.Diagnostics;

/// <summary>
/// What the node counts and measures. Six names come from the original, whose dashboards read them: their unit is the
/// millisecond, whatever the name says. What is new has seconds.
/// </summary>
/// <remarks>Thread-safe. The measuring methods do not allocate; they are called once or twice per task.</remarks>
internal sealed class Metrics
{
    private static readonly double[] LatenessBuckets =
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600];

    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly MetricFactory _factory;
    private readonly LatencySummary _fetchMs;
    private readonly LatencySummary _processMs;
    private readonly LatencySummary _polledMs;
    private readonly LatencySummary _executionMs;
    private readonly Counter _succeeded;
    private readonly Counter _failed;
    private readonly Histogram _lateness;
    private readonly Histogram _attempts;
    private readonly TimeProvider _clock;
    private readonly Lock _turning = new();
    private long _lastTurn;

    public Metrics(TimeProvider clock)
    {
        _clock = clock;
        _lastTurn = clock.GetTimestamp();
        _factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _fetchMs = new LatencySummary(
            "karya_scheduler_task_fetch_latency_seconds_summary",
            "Due instant to taken by the scheduler, in milliseconds; the name is the original's.");
        _processMs = new LatencySummary(
            "karya_scheduler_task_process_latency_seconds_summary",
            "Taken by the scheduler to dispatched, in milliseconds; the name is the original's.");
        _polledMs = new LatencySummary(
            "karya_executor_task_polled_latency_summary", "Due instant to start of the attempt, in milliseconds.");
        _executionMs = new LatencySummary(
            "karya_executor_task_execution_latency_summary", "Start to end of the attempt, in milliseconds.");
        _succeeded = _factory.CreateCounter(
            "karya_executor_task_success_execution_count_total", "Attempts that succeeded.");
        _failed = _factory.CreateCounter("karya_executor_task_failed_execution_count_total", "Attempts that failed.");
        _lateness = Histogram("karya_lateness_seconds", "Due instant to start of the attempt.");
        _attempts = Histogram("karya_attempt_seconds", "Start to end of the attempt.");
    }

    /// <summary>The scheduler has seen that a task is due.</summary>
    /// <param name="lateMs">Since its due instant.</param>
    public void TaskDue(double lateMs) => _fetchMs.Observe(lateMs);

    /// <summary>A due task was handed to its connector.</summary>
    /// <param name="ms">Since the scheduler saw it.</param>
    public void TaskDispatched(double ms) => _processMs.Observe(ms);

    /// <param name="lateMs">Since the attempt's due instant.</param>
    public void AttemptStarted(double lateMs)
    {
        _polledMs.Observe(lateMs);
        _lateness.Observe(lateMs / 1000);
    }

    /// <summary>Attempts that started since the process did.</summary>
    public long Started => _polledMs.Count;

    /// <summary>How late attempts of the last five to ten minutes started, in ms; null for none.</summary>
    public double? LateMs(double quantile)
    {
        ForgetTheOld();
        return _polledMs.At(quantile);
    }

    /// <param name="ms">Since the attempt's start.</param>
    public void AttemptEnded(bool success, double ms)
    {
        (success ? _succeeded : _failed).Inc();
        _executionMs.Observe(ms);
        _attempts.Observe(ms / 1000);
    }

    /// <summary>Adds a value that is read whenever somebody asks for the page.</summary>
    /// <param name="read">Called on the thread that serves the page; must not block.</param>
    public void Gauge(string name, string help, Func<double> read)
    {
        var gauge = _factory.CreateGauge(name, help);
        _registry.AddBeforeCollectCallback(() => gauge.Set(read()));
    }

    /// <summary>Writes the page in the Prometheus text format.</summary>
    public async Task WriteAsync(Stream page, CancellationToken stopping)
    {
        await _registry.CollectAndExportAsTextAsync(page, stopping);
        var text = new StringBuilder();
        foreach (var summary in (LatencySummary[])[_fetchMs, _processMs, _polledMs, _executionMs])
            summary.Write(text);

        await page.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), stopping);
        ForgetTheOld();
    }

    /// <summary>Only readers need the window to move, so it moves when somebody reads.</summary>
    private void ForgetTheOld()
    {
        lock (_turning)
        {
            if (_clock.GetElapsedTime(_lastTurn) < LatencySummary.HalfWindow)
                return;

            _lastTurn = _clock.GetTimestamp();
            foreach (var summary in (LatencySummary[])[_fetchMs, _processMs, _polledMs, _executionMs])
                summary.Turn();
        }
    }

    private Histogram Histogram(string name, string help) =>
        _factory.CreateHistogram(name, help, new HistogramConfiguration { Buckets = LatenessBuckets });
}
