using Karya.Node.Cluster;

namespace Karya.Simulation.Nodes;

/// <summary>How large nodes are, and how fast.</summary>
internal sealed record NodeSettings
{
    public int PartitionCount { get; init; } = 12;

    public int ShardCount { get; init; } = 1;

    public ClusterTimes Times { get; init; } = new(4000);

    public int InFlightMax { get; init; } = 64;

    public int LaneInFlightMax { get; init; } = 16;

    public int InboxCapacity { get; init; } = 1024;

    public long HorizonMs { get; init; } = 60_000;

    public long ProjectionIntervalMs { get; init; } = 200;

    public int ProjectionLagMax { get; init; } = 10_000;

    /// <summary>Longest sleep of a shard; what a set clock costs.</summary>
    public long SleepMsMax { get; init; } = 1000;

    /// <summary>Attempts are given up after this.</summary>
    public long AttemptTimeoutMs { get; init; } = 10_000;

    /// <summary>How long a member counts as alive whose heartbeat does not go on.</summary>
    public long AliveMs { get; init; } = 3000;

    public long HeartbeatMs { get; init; } = 1000;

    public long UpkeepMs { get; init; } = 1000;
}
