using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>
/// A store that several nodes share, each with some of the partitions: what the cluster driver needs beside
/// <see cref="IStore"/>. It carries out and decides nothing, see <see cref="Cluster.Reconciler"/>.
/// </summary>
/// <remarks>
/// Calls block and throw <see cref="StoreException"/> when the store fails; a change may have been made all the same.
/// <see cref="RenewLeases"/> has a caller thread of its own, the others may be called from any.
/// </remarks>
internal interface IClusterStore : IStore
{
    /// <summary>This process, as leases name it.</summary>
    NodeIdentity Identity { get; }

    /// <summary>By which processes of the cluster know each other; there from <see cref="Join"/> on.</summary>
    string Secret { get; }

    /// <summary>
    /// What is this process's, under which epochs. Read by all that writes; written to by the reconciler, and raised by
    /// <see cref="IStore.Resolve"/>.
    /// </summary>
    OwnedPartitions Owned { get; }

    /// <summary>
    /// Hears of partitions that a commit or a projection found to be another's, on the thread that did. Set before
    /// <see cref="Join"/>.
    /// </summary>
    Action<int>? PartitionLost { get; set; }

    /// <summary>
    /// In place of <see cref="IStore.Open"/>: opens or creates the store, migrates it, and takes journal streams for
    /// this process, but no partitions.
    /// </summary>
    void Join(int partitionCount);

    /// <summary>The leases of all partitions, by their numbers.</summary>
    IReadOnlyList<LeaseRow> ReadLeases();

    /// <summary>Where the other processes, and this one, are to be reached; of those that have said so.</summary>
    IReadOnlyList<ClusterNode> ReadNodes();

    /// <summary>Says so of this process.</summary>
    void Announce(ClusterNode me);

    /// <summary>Renews all leases of this process.</summary>
    /// <returns>The partitions that were renewed.</returns>
    IReadOnlyList<int> RenewLeases();

    /// <summary>
    /// Takes partitions that still look as they were seen. What their owners committed is visible when it returns, and
    /// they commit nothing more.
    /// </summary>
    /// <returns>Those that were taken. They are not in <see cref="Owned"/> yet.</returns>
    IReadOnlyList<ClaimedPartition> Claim(IReadOnlyList<SeenLease> wanted);

    /// <summary>Lets a partition go, so that the next owner need not wait. Nothing when it is another's.</summary>
    void Release(int partition, long epoch);

    /// <summary>Reads partitions that were claimed, to be granted to their shards.</summary>
    IReadOnlyList<PartitionImage> LoadPartitions(IReadOnlyList<ClaimedPartition> claimed);

    /// <summary>The number of the last record of each of these partitions that the tables have.</summary>
    IReadOnlyList<long> ReadMarks(IReadOnlyList<int> partitions);

    /// <summary>
    /// Empties journal streams of processes that are gone, once the tables have what is in them, and forgets where they
    /// were. Now and then, by any node or several.
    /// </summary>
    /// <returns>How many were emptied.</returns>
    int EmptyOldStreams();
}
