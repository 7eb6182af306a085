using Karya.Engine.Journal;
using Xunit;

namespace Karya.Node.Tests;

public sealed class OwnedPartitionsTests
{
    private readonly OwnedPartitions _owned = new(partitionCount: 4);
    private readonly List<int> _partitions = [];
    private readonly List<long> _epochs = [];

    [Fact]
    public void Nothing_is_ours_at_the_beginning()
    {
        Assert.Equal((0, 0L), (_owned.Count, _owned.EpochOf(1)));
        Assert.False(_owned.Covers(1, 0));
        Assert.False(_owned.Lose(1));
    }

    [Fact]
    public void What_was_taken_is_covered_under_its_epoch_alone()
    {
        _owned.Take(1, 7);
        Assert.Equal((1, 7L), (_owned.Count, _owned.EpochOf(1)));
        Assert.Equal((false, true, false), (_owned.Covers(1, 6), _owned.Covers(1, 7), _owned.Covers(1, 8)));
        Assert.False(_owned.Covers(2, 7));
    }

    [Fact]
    public void What_was_decided_before_the_epoch_was_raised_is_covered_still()
    {
        _owned.Take(1, 7);
        _owned.Raise(1, 9);
        Assert.Equal((1, 9L), (_owned.Count, _owned.EpochOf(1)));
        Assert.True(_owned.Covers(1, 7));
        Assert.True(_owned.Covers(1, 8));
        Assert.True(_owned.Covers(1, 9));
        Assert.False(_owned.Covers(1, 10));
    }

    [Fact]
    public void An_epoch_never_falls()
    {
        _owned.Take(1, 7);
        _owned.Raise(1, 9);
        _owned.Raise(1, 8);

        Assert.Equal(9, _owned.EpochOf(1));
    }

    [Fact]
    public void What_is_lost_is_not_raised()
    {
        _owned.Take(1, 7);
        Assert.True(_owned.Lose(1));
        _owned.Raise(1, 8);
        Assert.Equal((0, 0L), (_owned.Count, _owned.EpochOf(1)));
        Assert.False(_owned.Covers(1, 7));
        Assert.False(_owned.Covers(1, 8));
    }

    [Fact]
    public void What_was_lost_and_taken_again_covers_nothing_from_before()
    {
        _owned.Take(1, 7);
        _owned.Lose(1);
        _owned.Take(1, 9);
        Assert.Equal(1, _owned.Count);
        Assert.False(_owned.Covers(1, 7));
        Assert.False(_owned.Covers(1, 8));
        Assert.True(_owned.Covers(1, 9));
    }

    [Fact]
    public void What_was_taken_twice_counts_once_and_covers_the_second_time()
    {
        _owned.Take(1, 7);
        _owned.Take(1, 9);
        Assert.Equal(1, _owned.Count);
        Assert.False(_owned.Covers(1, 7));
    }

    [Fact]
    public void It_is_lost_once()
    {
        _owned.Take(1, 7);
        Assert.True(_owned.Lose(1));
        Assert.False(_owned.Lose(1));
        Assert.Equal(0, _owned.Count);
    }

    [Fact]
    public void Marks_are_mapped_to_the_current_epochs()
    {
        _owned.Take(1, 7);
        _owned.Take(2, 3);
        _owned.Raise(1, 9);
        Assert.True(_owned.TryMap([Mark(1, 8), Mark(2, 3)], _partitions, _epochs));
        Assert.Equal([1, 2], _partitions);
        Assert.Equal([9L, 3L], _epochs);
    }

    [Fact]
    public void No_marks_are_mapped_to_nothing()
    {
        _partitions.Add(1);
        _epochs.Add(1);
        Assert.True(_owned.TryMap([], _partitions, _epochs));
        Assert.Empty(_partitions);
        Assert.Empty(_epochs);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(8)]
    public void A_mark_of_another_epoch_is_not_mapped(long epoch)
    {
        _owned.Take(1, 7);
        _owned.Take(2, 7);

        Assert.False(_owned.TryMap([Mark(2, 7), Mark(1, epoch)], _partitions, _epochs));
    }

    [Fact]
    public void A_mark_of_a_lost_partition_is_not_mapped() =>
        Assert.False(_owned.TryMap([Mark(0, 0)], _partitions, _epochs));

    private static ProjectedMark Mark(int partition, long epoch) => new() { Partition = partition, Epoch = epoch };

    /// <summary>
    /// Else the journal may drop what is lost, and the shard take that for durable and acknowledge it: so a cancel was
    /// answered by a node that had slept through its lease.
    /// </summary>
    [Fact]
    public void Whoever_must_know_of_a_loss_is_told_before_anybody_finds_it()
    {
        var owned = new OwnedPartitions(4);
        var told = new List<(int Partition, bool Covered)>();
        owned.Losing = partition => told.Add((partition, owned.Covers(partition, 7)));
        owned.Take(2, 7);

        Assert.True(owned.Lose(2));
        Assert.False(owned.Lose(2));
        Assert.Equal([(2, true)], told);
    }
}
