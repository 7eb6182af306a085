using Karya.Engine.Journal;
using Karya.Protocol;

namespace Karya.Node.Storage;

/// <summary>
/// Takes out of a projection what belongs to partitions that this process has lost: their tables are another's to
/// write, and the rest of the batch must not wait for ever because of them.
/// </summary>
internal static class ProjectionFilter
{
    /// <param name="batch">Of whoever writes it, at present.</param>
    /// <param name="isOurs">Whether what was decided under a mark's epoch may be written.</param>
    /// <param name="partitionCount">Of the store.</param>
    public static void RemoveLost(ProjectionBatch batch, Predicate<ProjectedMark> isOurs, int partitionCount)
    {
        var lost = new HashSet<int>();
        foreach (ref readonly var mark in batch.Marks.Span)
        {
            if (!isOurs(mark))
                lost.Add(mark.Partition);
        }

        if (lost.Count == 0)
            return;
        batch.Marks.RemoveAll(mark => lost.Contains(mark.Partition));
        batch.Plans.RemoveAll(plan => lost.Contains(plan.Partition));
        batch.Tasks.RemoveAll(task => lost.Contains(PartitionHash.Of(task.Key.Plan.Value, partitionCount)));
        batch.Errors.RemoveAll(error => lost.Contains(PartitionHash.Of(error.Key.Plan.Value, partitionCount)));
    }
}
