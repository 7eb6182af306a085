namespace Karya.Client;

/// <summary>Thrown by a task that failed, and knows when another attempt may succeed.</summary>
/// <param name="delay">
/// No retry earlier; at most an hour, and more counts as that. The plan's retries still count.
/// </param>
public sealed class RetryLaterException(TimeSpan delay, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    public TimeSpan Delay { get; } = delay;
}
