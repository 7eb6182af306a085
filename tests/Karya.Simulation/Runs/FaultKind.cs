namespace Karya.Simulation.Runs;

/// <summary>What the nemesis does to a cluster.</summary>
internal enum FaultKind
{
    /// <summary>kill -9, and a start some time later.</summary>
    Crash,

    /// <summary>SIGSTOP, for less or more than a lease.</summary>
    Pause,

    /// <summary>An orderly stop, and a start.</summary>
    Restart,

    /// <summary>Between a node and the database, both ways or one way.</summary>
    CutDatabase,

    /// <summary>Between a node and Redis.</summary>
    CutRedis,

    /// <summary>Between two nodes.</summary>
    CutNodes,

    /// <summary>Between a node and its clients.</summary>
    CutClients,

    DatabaseDown,

    DatabaseSlow,

    DatabaseFull,

    DatabaseClockStep,

    WallClockStep,

    RedisDown,

    RedisFlush,

    RedisStale,

    /// <summary>An orderly stop of all nodes at once; they start when the last one has ended.</summary>
    StopAll,
}
