namespace Karya.Node.Cluster;

/// <summary>What a <see cref="Reconciler"/> wants done.</summary>
internal enum ClusterRequestKind
{
    /// <summary>Renew all leases of this node. Answer: <c>Renewed</c> or <c>RenewFailed</c>.</summary>
    Renew,

    /// <summary>Read all leases. Answer: <c>SawLeases</c> or <c>ReadFailed</c>.</summary>
    ReadLeases,

    /// <summary>Claim <see cref="ClusterRequest.Wanted"/>. Answer: <c>Claimed</c> or <c>ClaimFailed</c>.</summary>
    Claim,

    /// <summary>
    /// Read the partition and grant it to its shard. Answer: <c>Opened</c> or <c>LoadFailed</c>.
    /// </summary>
    Load,

    /// <summary>Have its shard close the partition in order. Answer: <c>Closed</c>.</summary>
    Close,

    /// <summary>
    /// Release it in the store, and tell the others. Answer: <c>Released</c> or <c>ReleaseFailed</c>.
    /// </summary>
    Release,

    /// <summary>It is another's: have its shard forget it. No answer.</summary>
    Drop,
}

/// <summary>One such wish. Each but a drop has exactly one answer, however late.</summary>
internal readonly record struct ClusterRequest(
    ClusterRequestKind Kind, int Partition = 0, long Epoch = 0, IReadOnlyList<SeenLease>? Wanted = null);
