namespace Karya.Client;

/// <summary>
/// Changes to a plan: what is null stays. The task that waits already keeps its due instant.
/// </summary>
public sealed record PlanUpdate
{
    /// <summary>Of a plan that recurs with a fixed period: at least 1 ms, at most 100 years.</summary>
    public TimeSpan? Period { get; init; }

    /// <summary>0 to 999.</summary>
    public int? MaxRetries { get; init; }

    /// <summary>All hooks, in place of those that are there; at most 32.</summary>
    public IReadOnlyList<Hook>? Hooks { get; init; }
}
