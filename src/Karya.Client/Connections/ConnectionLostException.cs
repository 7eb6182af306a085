namespace Karya.Client.Connections;

/// <summary>A connection ended while a request was on it. Never leaves the client as it is.</summary>
/// <param name="wasSent">False: not a byte of it was sent, so nothing was done.</param>
internal sealed class ConnectionLostException(Exception reason, bool wasSent) : Exception(reason.Message, reason)
{
    public Exception Reason { get; } = reason;

    public bool WasSent { get; } = wasSent;
}
