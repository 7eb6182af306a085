using Microsoft.Extensions.Logging;

namespace Karya.Node.Cluster;

/// <summary>What a cluster logs: event ids 4000 to 4099. Nothing is logged per beat that went as it should.</summary>
internal static partial class ClusterLog
{
    [LoggerMessage(4000, LogLevel.Warning, "{Trouble}")]
    public static partial void BoardLost(ILogger log, string trouble);

    [LoggerMessage(4001, LogLevel.Information, "Redis answers again.")]
    public static partial void BoardFound(ILogger log);

    [LoggerMessage(4002, LogLevel.Warning, "{Field} in {Key} of Redis is no heartbeat of this version: passed over.")]
    public static partial void NoHeartbeat(ILogger log, string field, string key);
}
