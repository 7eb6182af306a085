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

    private static readonly SummaryConfiguration Quantiles = new()
    {
        Objectives =
        [
            new(0.5, 0.05), new(0.75, 0.02), new(0.9, 0.01), new(0.95, 0.005), new(0.99, 0.001),
        ],
    };

    private readonly CollectorRegistry _registry = Prometheus.Metrics.NewCustomRegistry();
    private readonly MetricFactory _factory;
    private readonly Summary _fetchMs;
    private readonly Summary _processMs;
    private readonly Summary _polledMs;
    private readonly Summary _executionMs;
    private readonly Counter _succeeded;
    private readonly Counter _failed;
    private readonly Histogram _lateness;
    private readonly Histogram _attempts;

    public Metrics()
    {
        _factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _fetchMs = Summary(
            "karya_scheduler_task_fetch_latency_seconds_summary",
            "Due instant to taken by the scheduler, in milliseconds; the name is the original's.");
        _processMs = Summary(
            "karya_scheduler_task_process_latency_seconds_summary",
            "Taken by the scheduler to dispatched, in milliseconds; the name is the original's.");
        _polledMs = Summary(
            "karya_executor_task_polled_latency_summary", "Due instant to start of the attempt, in milliseconds.");
        _executionMs = Summary(
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
    public Task WriteAsync(Stream page, CancellationToken stopping) =>
        _registry.CollectAndExportAsTextAsync(page, stopping);

    private Summary Summary(string name, string help) => _factory.CreateSummary(name, help, Quantiles);

    private Histogram Histogram(string name, string help) =>
        _factory.CreateHistogram(name, help, new HistogramConfiguration { Buckets = LatenessBuckets });
}
