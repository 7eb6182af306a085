using Karya.Protocol.Messages;

namespace Karya.Client.Workers;

/// <summary>What is told of a handler that threw.</summary>
internal static class ErrorEnds
{
    /// <summary>A node keeps the first 4 KiB.</summary>
    private const int TextBytesMax = 4096;

    private const long RetryAfterMsMax = 3_600_000;

    public static DeliveryEnd From(ulong id, Exception exception) => exception switch
    {
        PermanentTaskException => new(id, DeliveryOutcome.Permanent, null, Text(exception), 0),
        RetryLaterException later => new(
            id, DeliveryOutcome.Failure, null, Text(exception),
            (long)Math.Clamp(later.Delay.TotalMilliseconds, 0, RetryAfterMsMax)),
        _ => new(id, DeliveryOutcome.Failure, null, Text(exception), 0),
    };

    /// <summary>
    /// Type and message; only the message where the type says no more than the outcome does. NUL is not allowed in
    /// texts.
    /// </summary>
    private static string Text(Exception exception)
    {
        string text = exception is PermanentTaskException or RetryLaterException
            ? exception.Message
            : $"{exception.GetType().FullName}: {exception.Message}";
        return RunningTask.Cut(text.Replace('\0', ' '), TextBytesMax)!;
    }
}
