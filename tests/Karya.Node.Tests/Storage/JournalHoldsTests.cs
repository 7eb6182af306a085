using Karya.Node.Storage;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class JournalHoldsTests
{
    private readonly JournalHolds _holds = new();

    [Fact]
    public void Nothing_is_held_of_a_partition_without_records()
    {
        _holds.Add(3, last: 0);
        Assert.False(_holds.IsHeld);
    }

    [Fact]
    public void Rows_are_held_until_the_tables_have_the_last_record()
    {
        _holds.Add(3, last: 10);
        _holds.Note(3, projected: 9, last: 10);
        Assert.True(_holds.IsHeld);
        _holds.Note(3, projected: 10, last: 10);
        Assert.False(_holds.IsHeld);
    }

    [Fact]
    public void A_batch_that_was_under_way_when_the_partition_was_lost_is_waited_for_too()
    {
        _holds.Add(3, last: 10);
        _holds.Note(3, projected: 10, last: 12);
        Assert.True(_holds.IsHeld);
    }

    [Fact]
    public void Each_partition_is_held_by_itself()
    {
        _holds.Add(3, last: 10);
        _holds.Add(4, last: 20);
        _holds.Note(3, projected: 30, last: 10);
        Assert.Equal(4, Assert.Single(_holds.Partitions));
        _holds.Note(4, projected: 20, last: 20);
        Assert.False(_holds.IsHeld);
    }

    [Fact]
    public void What_came_back_is_not_held()
    {
        _holds.Add(3, last: 10);
        _holds.Remove(3);
        Assert.False(_holds.IsHeld);
    }
}
