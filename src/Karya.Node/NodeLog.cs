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
}
