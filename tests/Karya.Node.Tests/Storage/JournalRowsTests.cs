using Karya.Node.Storage;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class JournalRowsTests
{
    private readonly JournalRows _rows = new();

    [Fact]
    public void Nothing_is_superfluous_before_the_rows_of_the_last_run_are_projected() =>
        Assert.Equal(-1, _rows.TakeSuperfluous([-1]));

    [Fact]
    public void One_shard_that_has_not_projected_what_was_replayed_keeps_everything()
    {
        _rows.Add([1, 1]);
        Assert.Equal(-1, _rows.TakeSuperfluous([1, -1]));
        Assert.Equal(-1, _rows.TakeSuperfluous([-1, 1]));
        Assert.Equal(1, _rows.TakeSuperfluous([1, 1]));
    }

    [Fact]
    public void The_rows_of_the_last_run_go_once_they_are_projected_although_none_of_this_run_may()
    {
        _rows.Add([1]);
        Assert.Equal(0, _rows.TakeSuperfluous([0]));
    }

    [Fact]
    public void Rows_go_in_order_as_far_as_the_tables_reach()
    {
        for (long position = 1; position <= 5; position++)
            _rows.Add([position]);
        Assert.Equal(3, _rows.TakeSuperfluous([3]));
        Assert.Equal(3, _rows.TakeSuperfluous([3]));
        Assert.Equal(5, _rows.TakeSuperfluous([5]));
        Assert.Equal(5, _rows.TakeSuperfluous([9]));
    }

    [Fact]
    public void A_row_that_holds_records_of_two_shards_waits_for_both()
    {
        _rows.Add([1, 0]);
        _rows.Add([1, 1]);
        _rows.Add([2, 1]);
        Assert.Equal(1, _rows.TakeSuperfluous([1, 0]));
        Assert.Equal(1, _rows.TakeSuperfluous([5, 0]));
        Assert.Equal(3, _rows.TakeSuperfluous([5, 1]));
    }

    [Fact]
    public void The_positions_are_copied_since_the_writer_goes_on_counting_in_its_array()
    {
        long[] durable = [1];
        _rows.Add(durable);
        durable[0] = 7;
        Assert.Equal(1, _rows.TakeSuperfluous([1]));
    }

    [Fact]
    public void Rows_that_are_added_later_count_on_from_those_that_went()
    {
        _rows.Add([1]);
        Assert.Equal(1, _rows.TakeSuperfluous([1]));
        _rows.Add([2]);
        Assert.Equal(1, _rows.TakeSuperfluous([1]));
        Assert.Equal(2, _rows.TakeSuperfluous([2]));
    }
}
