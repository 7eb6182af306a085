using Microsoft.Extensions.Logging;

namespace Karya.Node.Http;

/// <summary>
/// What the HTTP side logs: event ids 6000 to 6099. Nothing is logged per request that went as it should.
/// </summary>
internal static partial class HttpLog
{
    [LoggerMessage(6000, LogLevel.Error, "Serving {Method} {Path} failed.")]
    public static partial void RequestFailed(ILogger log, Exception fault, string method, string? path);
}
