using Microsoft.Extensions.Logging;

namespace Karya.Node.Storage.Postgres;

/// <summary>What the store logs: event ids 3000 to 3099. Nothing is logged per batch that went as it should.</summary>
internal static partial class PostgresLog
{
    [LoggerMessage(
        3000, LogLevel.Information,
        "{Owner} has not released the store: waiting until its lease of {LeaseMs} ms has passed without a renewal.")]
    public static partial void WaitingForLease(ILogger log, string owner, int leaseMs);

    [LoggerMessage(
        3001, LogLevel.Information,
        "Journal stream {Stream}: a commit was cut off. Took a new epoch and looked: it was {Outcome}.")]
    public static partial void CommitResolved(ILogger log, int stream, CommitResult outcome);
}
