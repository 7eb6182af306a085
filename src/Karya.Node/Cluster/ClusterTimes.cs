namespace Karya.Node.Cluster;

/// <summary>How long things take in a cluster, in ms of a node's monotonic clock.</summary>
/// <param name="LeaseMs">How long what was claimed stays a node's without a renewal.</param>
internal sealed record ClusterTimes(long LeaseMs)
{
    /// <summary>
    /// Between renewals, and between looks at the leases of others: four may fail before the fifth counts.
    /// </summary>
    public long PeriodMs => LeaseMs / 5;

    /// <summary>After a request that failed.</summary>
    public long RetryMs { get; init; } = 200;

    /// <summary>
    /// How long a partition that nobody has is left to the node that it is meant for; then to the next in its order of
    /// preference, and so on.
    /// </summary>
    public long GraceMs => LeaseMs / 5;

    /// <summary>How long attempts may go on when their partition is to move, while its due tasks wait.</summary>
    public long DrainMs { get; init; } = 250;

    /// <summary>
    /// How long the next owner waits for the end of an attempt that did not end in that time: longer than attempts may
    /// take, and than a partition may be nobody's, which is several leases.
    /// </summary>
    public long AwayMs { get; init; } = 60_000;
}
