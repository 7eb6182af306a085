using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Protocol;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class ProjectionFilterTests
{
    private const int PartitionCount = 4;

    [Fact]
    public void Rows_and_marks_of_lost_partitions_go_and_the_others_keep_their_order()
    {
        var batch = NewBatch();
        var before = Partitions(batch);

        ProjectionFilter.RemoveLost(batch, mark => mark is not { Partition: 1 or 2 }, PartitionCount);

        Assert.Equal([0, 3], batch.Marks.Span.ToArray().Select(mark => mark.Partition));
        Assert.Equal(before.Where(partition => partition is 0 or 3), Partitions(batch));
        Assert.Equal(batch.Plans.Count, batch.Tasks.Count);
        Assert.Equal(batch.Plans.Count, batch.Errors.Count);
        Assert.All(batch.Tasks.Span.ToArray(), task => Assert.Contains(PartitionOf(task.Key.Plan), (int[])[0, 3]));
        Assert.All(batch.Errors.Span.ToArray(), error => Assert.Contains(PartitionOf(error.Key.Plan), (int[])[0, 3]));
    }

    [Fact]
    public void It_asks_about_the_epoch_that_was_decided_under()
    {
        var batch = NewBatch();
        ProjectionFilter.RemoveLost(batch, mark => mark.Epoch > 10, PartitionCount);
        Assert.Equal([1, 2, 3], batch.Marks.Span.ToArray().Select(mark => mark.Partition));
    }

    [Fact]
    public void Of_a_batch_that_is_all_lost_nothing_remains()
    {
        var batch = NewBatch();
        ProjectionFilter.RemoveLost(batch, _ => false, PartitionCount);
        Assert.Equal((0, 0), (batch.RowCount, batch.Marks.Count));
    }

    [Fact]
    public void Of_a_batch_that_is_all_ours_everything_remains()
    {
        var batch = NewBatch();
        int rows = batch.RowCount;
        ProjectionFilter.RemoveLost(batch, _ => true, PartitionCount);
        Assert.Equal((rows, PartitionCount), (batch.RowCount, batch.Marks.Count));
    }

    /// <summary>32 plans, each with a task and an error; marks of all partitions, under epoch 10 + partition.</summary>
    private static ProjectionBatch NewBatch()
    {
        var batch = new ProjectionBatch();
        for (uint i = 1; i <= 32; i++)
        {
            var id = new PlanId(new UInt128(i * 0x9E3779B97F4A7C15, i));
            ref var plan = ref batch.Plans.Add();
            plan.Id = id;
            plan.Partition = PartitionOf(id);
            batch.Tasks.Add().Key = new TaskKey(id, 1, 0);
            batch.Errors.Add().Key = new TaskKey(id, 1, 0);
        }

        for (int partition = 0; partition < PartitionCount; partition++)
            batch.Marks.Add() = new ProjectedMark { Partition = partition, Epoch = 10 + partition, Sequence = 1 };
        Assert.Equal(PartitionCount, Partitions(batch).Distinct().Count());
        return batch;
    }

    private static int[] Partitions(ProjectionBatch batch) =>
        [.. batch.Plans.Span.ToArray().Select(plan => plan.Partition)];

    private static int PartitionOf(PlanId id) => PartitionHash.Of(id.Value, PartitionCount);
}
