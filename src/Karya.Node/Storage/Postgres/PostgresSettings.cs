using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Karya.Node.Storage.Postgres;

/// <summary>Where the database is, and how this node uses it.</summary>
/// <param name="ConnectionString">As Npgsql takes it. A secret: it may contain a password.</param>
/// <param name="Schema">Where Karya's tables are.</param>
/// <param name="StreamCount">Journal streams, each with a connection of its own: one per shard.</param>
/// <param name="Lease">How long what was claimed stays ours without being renewed.</param>
/// <param name="Retention">How long what has ended is kept.</param>
internal sealed record PostgresSettings(
    string ConnectionString, string Schema, int StreamCount, TimeSpan Lease, TimeSpan Retention)
{
    /// <summary>Threads that ask on behalf of requests; each takes a connection while it does.</summary>
    public int ReaderCount { get; init; } = 8;

    /// <summary>As whom partitions are claimed; null for a process without a name, new for each store.</summary>
    public NodeIdentity? Identity { get; init; }

    /// <summary>Hears of what is rare.</summary>
    public ILogger Log { get; init; } = NullLogger.Instance;
}
