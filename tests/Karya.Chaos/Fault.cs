namespace Karya.Chaos;

/// <summary>What goes wrong.</summary>
internal enum FaultKind
{
    /// <summary>kill -9, and a new process some time later.</summary>
    Kill,

    /// <summary>kill -9, and a new process at once, while the leases of the last one still run.</summary>
    KillAndStart,

    /// <summary>SIGSTOP for longer than a lease, then SIGCONT.</summary>
    Pause,

    /// <summary>Nothing that a node says reaches Postgres.</summary>
    DatabaseHearsNothing,

    /// <summary>Nothing that Postgres says reaches a node.</summary>
    DatabaseSaysNothing,

    /// <summary>A node's connections to Postgres are reset, and no new ones are made.</summary>
    DatabaseRefuses,

    /// <summary>The same between a node and Redis.</summary>
    RedisRefuses,

    /// <summary>Redis answers nobody for a while.</summary>
    RedisIsSlow,

    /// <summary>FLUSHALL.</summary>
    RedisFlush,

    /// <summary>Redis dies, and comes back empty.</summary>
    RedisStop,

    /// <summary>What other nodes and clients say does not reach a node.</summary>
    PeersHold,

    /// <summary>What a node answers does not reach other nodes and clients.</summary>
    PeersAnswerNothing,

    /// <summary>Other nodes and clients lose their connections to a node, and get no new ones.</summary>
    PeersRefuse,

    /// <summary>kill -9 of Postgres, which starts again at once.</summary>
    PostgresRestart,

    /// <summary>A node stops in order, and starts again.</summary>
    GracefulRestart,

    /// <summary>A node joins, and later stops in order.</summary>
    NodeAdded,
}

/// <summary>A fault, from its beginning to when all partitions were where they should be again.</summary>
internal sealed record Fault(FaultKind Kind, string Where, long BeganMs)
{
    private const long AftermathMs = 500;

    public long HealedMs { get; set; } = long.MaxValue;

    public long RecoveredMs { get; set; } = long.MaxValue;

    /// <summary>Work that was due, or should have been answered, at an instant may be late because of it.</summary>
    public bool Covers(long atMs) => atMs >= BeganMs && atMs - AftermathMs <= RecoveredMs;

    public override string ToString() => $"{Kind} of {Where}";
}
