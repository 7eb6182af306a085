using Xunit;

namespace Karya.Protocol.Tests;

public sealed class PartitionHashTests
{
    /// <summary>
    /// Computed with another implementation of XXH3. A change here would send every stored plan to a wrong partition.
    /// </summary>
    [Theory]
    [InlineData("00000000-0000-0000-0000-000000000000", 1, 0)]
    [InlineData("00000000-0000-0000-0000-000000000000", 5, 3)]
    [InlineData("00000000-0000-0000-0000-000000000000", 256, 104)]
    [InlineData("00000000-0000-0000-0000-000000000000", 2147483647, 1755274806)]
    [InlineData("00000000-0000-0000-0000-000000000001", 1, 0)]
    [InlineData("00000000-0000-0000-0000-000000000001", 5, 2)]
    [InlineData("00000000-0000-0000-0000-000000000001", 256, 187)]
    [InlineData("00000000-0000-0000-0000-000000000001", 2147483647, 2021791450)]
    [InlineData("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", 1, 0)]
    [InlineData("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", 5, 4)]
    [InlineData("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", 256, 14)]
    [InlineData("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", 2147483647, 236734779)]
    [InlineData("ffffffff-ffff-ffff-ffff-ffffffffffff", 1, 0)]
    [InlineData("ffffffff-ffff-ffff-ffff-ffffffffffff", 5, 4)]
    [InlineData("ffffffff-ffff-ffff-ffff-ffffffffffff", 256, 19)]
    [InlineData("ffffffff-ffff-ffff-ffff-ffffffffffff", 2147483647, 1811477362)]
    public void Known_ids_keep_their_partition(string planId, int partitionCount, int partition)
    {
        var guid = Guid.Parse(planId);

        Assert.Equal(partition, PartitionHash.Of(guid, partitionCount));
        Assert.Equal(partition, PartitionHash.Of(NumberOf(guid), partitionCount));
    }

    [Fact]
    public void Partitions_share_ids_that_differ_only_in_their_time_evenly()
    {
        const int PartitionCount = 256;
        const int PlanCount = 256 * 400;
        int[] plans = new int[PartitionCount];

        // Version 7 ids of the same random part, a millisecond apart: the worst case for a weak hash.
        for (int ms = 0; ms < PlanCount; ms++)
            plans[PartitionHash.Of(((UInt128)(ulong)(1_795_400_000_000 + ms) << 80) | (7UL << 60), PartitionCount)]++;

        // Five standard deviations around 400 plans each: with 256 partitions chance exceeds that once in 7,000 tries,
        // and these ids never change.
        Assert.All(plans, count => Assert.InRange(count, 300, 500));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void No_partition_is_a_mistake(int partitionCount) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => PartitionHash.Of(Guid.Empty, partitionCount));

    private static UInt128 NumberOf(Guid guid) =>
        UInt128.Parse(guid.ToString("N"), System.Globalization.NumberStyles.HexNumber, null);
}
