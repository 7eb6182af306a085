using System.Diagnostics;
using Karya.Protocol;

namespace Karya.Client.Connections;

/// <summary>One call in the figures and in the trace.</summary>
internal sealed class RequestMeasure : IDisposable
{
    private readonly string _operation;
    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly Activity? _activity;
    private string _outcome = "ok";
    private int _tries = 1;

    private RequestMeasure(string operation, TimeProvider time)
    {
        _operation = operation;
        _time = time;
        _start = time.GetTimestamp();
        _activity = Telemetry.Source.StartActivity($"karya {operation}", ActivityKind.Client);
        Telemetry.RequestsInFlight.Add(1);
    }

    public static RequestMeasure Begin(string operation, TimeProvider time) => new(operation, time);

    public void On(NodeConnection connection) => _activity?.SetTag("karya.node", connection.Node);

    public void Again() => _tries++;

    public void Failed(Exception exception)
    {
        _outcome = exception switch
        {
            KaryaTimeoutException => "timeout",
            KaryaException e => ErrorNames.Of(e.Code),
            OperationCanceledException => "cancelled",
            _ => exception.GetType().Name,
        };
        _activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
    }

    public void Dispose()
    {
        Telemetry.RequestsInFlight.Add(-1);
        Telemetry.RequestDuration.Record(
            _time.GetElapsedTime(_start).TotalSeconds, new("operation", _operation), new("outcome", _outcome));
        if (_tries > 1)
            _activity?.SetTag("karya.tries", _tries);
        _activity?.Dispose();
    }
}
