using System.Runtime.CompilerServices;
using Karya.Engine.Tables;
using Xunit;

namespace Karya.Engine.Tests.Tables;

public sealed class SlabTests
{
    [Fact]
    public void A_reference_stays_good_while_other_rows_are_added()
    {
        var slab = new Slab<long>();
        ref long first = ref slab[slab.Take()];
        for (int i = 1; i < 100_000; i++)
            Assert.Equal(i, slab.Take());
        first = 42;

        Assert.Equal(42, slab[0]);
        Assert.Equal(100_000, slab.Count);
    }

    [Fact]
    public void A_freed_row_is_the_next_to_be_taken()
    {
        var slab = new Slab<int>();
        int[] rows = [.. Enumerable.Range(0, 10_000).Select(_ => slab.Take())];
        foreach (int row in rows)
            slab.Free(row);
        Assert.Equal(0, slab.Count);

        Assert.Equal(rows.Reverse(), Enumerable.Range(0, 10_000).Select(_ => slab.Take()));
    }

    [Fact]
    public void Rows_stay_within_their_budget_of_bytes()
    {
        Assert.True(Unsafe.SizeOf<PlanEntry>() <= 144, $"PlanEntry has {Unsafe.SizeOf<PlanEntry>()} bytes.");
        Assert.True(Unsafe.SizeOf<TaskEntry>() <= 104, $"TaskEntry has {Unsafe.SizeOf<TaskEntry>()} bytes.");
        Assert.True(Unsafe.SizeOf<ErrorEntry>() <= 64, $"ErrorEntry has {Unsafe.SizeOf<ErrorEntry>()} bytes.");
        Assert.True(Unsafe.SizeOf<Command>() <= 272, $"Command has {Unsafe.SizeOf<Command>()} bytes.");
        Assert.True(Unsafe.SizeOf<Dispatch>() <= 144, $"Dispatch has {Unsafe.SizeOf<Dispatch>()} bytes.");
    }
}
