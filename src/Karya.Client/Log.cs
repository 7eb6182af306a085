using Microsoft.Extensions.Logging;

namespace Karya.Client;

/// <summary>All that the client logs.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Connected to {Node}, protocol version {Version}.")]
    public static partial void Connected(ILogger logger, string node, int version);

    [LoggerMessage(2, LogLevel.Warning, "The connection to {Node} ended: {Reason}")]
    public static partial void Disconnected(ILogger logger, string node, string reason);

    [LoggerMessage(3, LogLevel.Warning, "Not connected, next try in {PauseMs} ms: {Reason}")]
    public static partial void NotConnected(ILogger logger, long pauseMs, string reason);

    [LoggerMessage(4, LogLevel.Information, "{Node} goes away: {Reason}")]
    public static partial void GoingAway(ILogger logger, string node, string reason);

    [LoggerMessage(10, LogLevel.Information, "Serving {Names} through {Node}; a lease is {LeaseMs} ms.")]
    public static partial void Subscribed(ILogger logger, string names, string node, long leaseMs);

    [LoggerMessage(11, LogLevel.Warning, "Subscribing failed, next try in {PauseMs} ms: {Reason}")]
    public static partial void SubscribeFailed(ILogger logger, long pauseMs, string reason);

    [LoggerMessage(12, LogLevel.Warning, "Task {Name} {TaskId} is no longer ours: {Reason}.")]
    public static partial void Lost(ILogger logger, string name, Guid taskId, TaskCancelReason reason);

    [LoggerMessage(13, LogLevel.Warning, "Task {Name} {TaskId}, attempt {Attempt} of {AttemptsMax}, failed.")]
    public static partial void Failed(
        ILogger logger, Exception exception, string name, Guid taskId, int attempt, int attemptsMax);

    [LoggerMessage(14, LogLevel.Warning, "The end of task {Name} {TaskId} came too late: its lease had ended.")]
    public static partial void EndedTooLate(ILogger logger, string name, Guid taskId);

    [LoggerMessage(15, LogLevel.Warning, "Ends of {Count} tasks could not be told, next try in {PauseMs} ms: {Reason}")]
    public static partial void FinishFailed(ILogger logger, int count, long pauseMs, string reason);

    [LoggerMessage(16, LogLevel.Warning, "Leases could not be extended: {Reason}")]
    public static partial void ExtendFailed(ILogger logger, string reason);

    [LoggerMessage(17, LogLevel.Warning, "{Count} handlers did not end in time; their tasks are left to their leases.")]
    public static partial void LeftToLeases(ILogger logger, int count);

    [LoggerMessage(18, LogLevel.Warning, "A task {Name} was delivered that no worker here serves; given back.")]
    public static partial void NobodyServes(ILogger logger, string name);
}
