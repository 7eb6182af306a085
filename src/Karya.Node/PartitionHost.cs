using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Storage;
using Karya.Protocol;

namespace Karya.Node;

/// <summary>
/// Brings partitions from the store into shards: tables first, then what the journal has beyond them.
/// </summary>
internal static class PartitionHost
{
    /// <summary>
    /// Opens every partition of the store in the shard that its number selects. Runs before the shards' threads do.
    /// </summary>
    /// <remarks>
    /// <code>
    /// marks ──► own ──► load what the journal changed ──► replay ──► open ══► load what is due within the horizon
    /// </code>
    /// A plan that a journal record names has to be in memory before the record is replayed, however far its next task
    /// is. All else comes in while the shards run already, the most urgent first: the first task does not wait for the
    /// last row.
    /// </remarks>
    /// <exception cref="StoreException">The store failed, or what it has is damaged.</exception>
    public static void OpenAll(
        IStore store, IReadOnlyList<ProjectedMark> marks, IReadOnlyList<Shard> shards, long nowMs)
    {
        try
        {
            Recover(store, marks, shards, nowMs);
        }
        catch (RecordDamagedException e)
        {
            throw new StoreException($"The store is damaged: {e.Message} Restore it from a backup.", e);
        }
    }

    private static void Recover(
        IStore store, IReadOnlyList<ProjectedMark> marks, IReadOnlyList<Shard> shards, long nowMs)
    {
        foreach (var mark in marks)
            shards[mark.Partition % shards.Count].Own(mark.Partition, mark.Epoch, mark.Sequence);

        var missing = new HashSet<PlanId>();
        store.ReadJournal(row =>
        {
            foreach (var shard in shards)
                shard.CollectMissing(row, missing);
        });
        store.LoadPlans(missing, (id, memo, body) =>
        {
            int partition = PartitionHash.Of(id.Value, marks.Count);
            shards[partition % shards.Count].Load(id, partition, memo, body);
        });

        store.ReadJournal(row =>
        {
            foreach (var shard in shards)
                shard.Replay(row);
        });
        foreach (var shard in shards)
            shard.Open(nowMs);
    }
}
