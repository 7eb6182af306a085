using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>What comes of good messages that were cut, changed, or made to promise more than they hold.</summary>
public sealed class MutationTests
{
    /// <summary>
    /// What reading may allocate for each byte of a body. The most is an empty text of a list: one byte that becomes
    /// a reference of 8 in an array, and records of some 100 for some 10 bytes.
    /// </summary>
    private const int GarbagePerByteMax = 24;

    /// <summary>And for any body: the message itself, its empty parts, and a fault with its text.</summary>
    private const int GarbageMin = 4096;

    public static TheoryData<string> Names() => [.. Samples.All.Select(sample => sample.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_body_that_is_cut_anywhere_is_malformed(string name)
    {
        var sample = Samples.Named(name);

        for (int length = 0; length < sample.Body.Length; length++)
            Assert.Equal(ErrorCode.Malformed, sample.FaultOf(sample.Body.AsSpan(0, length))?.Code);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_body_with_any_byte_changed_is_refused_or_means_something(string name)
    {
        var sample = Samples.Named(name);
        byte[] body = sample.Body.ToArray();
        int garbageMax = GarbageMin + GarbagePerByteMax * body.Length;
        var once = new FrameWriter();
        var twice = new FrameWriter();
        sample.Rewrite(body, once);

        for (int at = 0; at < body.Length; at++)
        {
            for (int value = 0; value <= byte.MaxValue; value++)
            {
                body[at] = (byte)value;
                once.Clear();
                twice.Clear();
                long before = GC.GetAllocatedBytesForCurrentThread();
                var fault = sample.Rewrite(body, once);
                long garbage = GC.GetAllocatedBytesForCurrentThread() - before;

                if (garbage > garbageMax)
                    AssertGarbage(sample, body, garbageMax);
                if (fault is not null)
                    continue;
                Assert.Null(sample.Rewrite(once.Written.Span[FrameHeader.Bytes..], twice));
                Assert.True(once.Written.Span.SequenceEqual(twice.Written.Span), Convert.ToHexString(body));
            }

            body[at] = sample.Body[at];
        }
    }

    private static void AssertGarbage(Sample sample, byte[] body, int garbageMax)
    {
        long garbage = Garbage.BytesOf(() => sample.FaultOf(body));
        Assert.True(garbage <= garbageMax, $"{garbage} bytes allocated: {Convert.ToHexString(body)}");
    }

    /// <summary>
    /// Each list that a peer may send, claimed as long as is allowed, and then zeros, which are no items: as many bytes
    /// as items, and then as many as the items would take at least.
    /// </summary>
    [Theory]
    [InlineData("stats.reply", "9BC0000000000000000000", 100_000, 5)]
    [InlineData("map.reply", "9301", 65_535, 3)]
    [InlineData("submit_many", "9200", 10_000, 3)]
    [InlineData("submit_many.reply", "9200", 10_000, 3)]
    [InlineData("list.reply", "92", 1000, 10)]
    [InlineData("tasks.reply", "92", 1000, 14)]
    [InlineData("errors.reply", "92", 1000, 6)]
    [InlineData("subscribe", "91", 256, 3)]
    [InlineData("finish", "91", 1000, 6)]
    public void A_list_that_promises_much_costs_no_more_than_its_bytes(
        string name, string start, int count, int itemBytesMin)
    {
        var sample = Samples.Named(name);
        byte[] head =
        [
            .. Convert.FromHexString(start), 0xDD, 0, (byte)(count >> 16), (byte)(count >> 8), (byte)count,
        ];

        foreach (int itemBytes in new[] { 1, itemBytesMin })
        {
            byte[] body = [.. head, .. new byte[count * itemBytes]];
            Assert.Equal(ErrorCode.Malformed, sample.FaultOf(body)?.Code);
            Assert.InRange(Garbage.BytesOf(() => sample.FaultOf(body)), 0, GarbageMin + 3 * body.Length);
        }

        byte[] small = [.. head, .. new byte[count * itemBytesMin - 1]];
        Assert.Contains($"claims {count} items", sample.FaultOf(small)?.Message, StringComparison.Ordinal);
        Assert.InRange(Garbage.BytesOf(() => sample.FaultOf(small)), 0, GarbageMin);
    }

    [Fact]
    public void Many_places_that_name_a_node_that_is_not_there_cost_one_message()
    {
        byte[] body = [0x93, 1, 0x91, 0x92, 0xA1, 0x61, 1, 0xC6, 0, 2, 0, 0, .. Enumerable.Repeat((byte)1, 131_072)];
        var sample = Samples.Of<MapReply>();

        Assert.Equal("map.owners names node 257 of 1.", sample.FaultOf(body)?.Message);
        Assert.InRange(Garbage.BytesOf(() => sample.FaultOf(body)), 0, GarbageMin + 3 * body.Length);
    }
}
