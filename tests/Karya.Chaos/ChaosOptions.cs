namespace Karya.Chaos;

/// <summary>How a run goes.</summary>
internal sealed record ChaosOptions
{
    /// <summary>For how long there are faults; null for one of each kind.</summary>
    public TimeSpan? Length { get; init; }

    /// <summary>Of the faults and the work; when exactly things happen is the machine's.</summary>
    public int Seed { get; init; } = Environment.TickCount;

    public int Nodes { get; init; } = 3;

    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Longer than a lease, and a takeover: others have the partitions by then.</summary>
    public TimeSpan Outage => 2 * Lease;
}
