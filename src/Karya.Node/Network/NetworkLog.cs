using Microsoft.Extensions.Logging;

namespace Karya.Node.Network;

/// <summary>Messages of the TCP side: event ids 3000 to 3099.</summary>
internal static partial class NetworkLog
{
    [LoggerMessage(3000, LogLevel.Information, "{Peer}: closed. {Code}: {Reason}")]
    public static partial void Closed(ILogger log, string peer, string code, string reason);

    [LoggerMessage(3001, LogLevel.Error, "{Peer}: a {Opcode} failed.")]
    public static partial void Failed(ILogger log, string peer, string opcode, Exception exception);

    [LoggerMessage(3002, LogLevel.Debug, "{Peer}: connected as {Client}.")]
    public static partial void Greeted(ILogger log, string peer, string client);
}
