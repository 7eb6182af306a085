using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Karya.Client;

/// <summary>What the client tells of itself, under the name <c>Karya.Client</c>: see docs/client.md.</summary>
internal static class Telemetry
{
    public const string Name = "Karya.Client";

    public static readonly ActivitySource Source = new(Name);

    private static readonly Meter Meter = new(Name);

    public static readonly Histogram<double> RequestDuration = Meter.CreateHistogram<double>(
        "karya.client.request.duration", "s", "From the call to its answer or failure.");

    public static readonly UpDownCounter<long> RequestsInFlight = Meter.CreateUpDownCounter<long>(
        "karya.client.requests.in_flight", "{request}", "Calls that have not ended.");

    public static readonly Counter<long> Reconnects = Meter.CreateCounter<long>(
        "karya.client.reconnects", "{connection}", "Connections after the first one.");

    public static readonly Histogram<double> TaskDuration = Meter.CreateHistogram<double>(
        "karya.worker.task.duration", "s", "Run time of handlers.");
}
