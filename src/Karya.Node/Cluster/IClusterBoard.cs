namespace Karya.Node.Cluster;

/// <summary>
/// Where the nodes of a cluster leave signs of life and wake each other. What it says may be late, old, wrong or
/// missing at any time: it decides who should own what, and never who may.
/// </summary>
/// <remarks>Thread-safe. Nothing in it throws because the board cannot be reached.</remarks>
internal interface IClusterBoard
{
    /// <summary>Leaves this node's sign of life and reads those of all, its own included.</summary>
    /// <returns>Null: the board could not be asked in time.</returns>
    Task<IReadOnlyList<Heartbeat>?> BeatAsync(Heartbeat mine, CancellationToken stopping);

    /// <summary>Asks all nodes to look at the leases soon.</summary>
    void WakeAll();

    /// <summary>Hears, on any thread, that somebody asked so.</summary>
    Action? Woken { get; set; }
}
