namespace Karya.Client;

/// <summary>Thrown by a task that failed for good: no retry would help.</summary>
public sealed class PermanentTaskException(string message, Exception? innerException = null)
    : Exception(message, innerException);
