using Microsoft.Extensions.Logging;

namespace Karya.Node;

/// <summary>What the node itself logs: event ids 1000 to 1099.</summary>
internal static partial class NodeLog
{
    [LoggerMessage(1000, LogLevel.Warning, "Not ready: {Reason}")]
    public static partial void NotReady(ILogger log, string reason);

    [LoggerMessage(1001, LogLevel.Information, "Ready again.")]
    public static partial void ReadyAgain(ILogger log);

    [LoggerMessage(1002, LogLevel.Information, "Owns {Owned} of {All} partitions.")]
    public static partial void Owns(ILogger log, int owned, int all);

    [LoggerMessage(1003, LogLevel.Warning, "{Target} is down, and its tasks wait: {Error}")]
    public static partial void TargetIsDown(ILogger log, string target, string error);

    [LoggerMessage(1004, LogLevel.Information, "{Target} is back, and its tasks go on.")]
    public static partial void TargetIsBack(ILogger log, string target);
}
