using Karya.Engine.Tables;
using Xunit;

namespace Karya.Engine.Tests.Tables;

public sealed class ByteArenaTests
{
    private const int GrainsPerSegment = (1 << 20) / ByteArena.Grain;

    private readonly ByteArena _arena = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Random_strings_are_read_as_they_were_stored(int seed)
    {
        var random = new Random(seed);
        List<(ArenaBytes Stored, byte[] Bytes)> live = [];
        for (int i = 0; i < 20_000; i++)
        {
            if (live.Count < 500 && random.Next(2) == 0)
            {
                int length = random.Next(50) == 0 ? random.Next(300_000) : random.Next(2000);
                var bytes = new byte[length];
                random.NextBytes(bytes);
                live.Add((_arena.Store(bytes), bytes));
            }
            else if (live.Count > 0)
            {
                int index = random.Next(live.Count);
                Assert.True(_arena.Read(live[index].Stored).SequenceEqual(live[index].Bytes), $"Operation {i}");
                _arena.Free(live[index].Stored);
                live.RemoveAt(index);
            }
        }

        Assert.All(live, item => Assert.True(_arena.Read(item.Stored).SequenceEqual(item.Bytes)));
    }

    [Fact]
    public void Every_length_around_a_size_class_keeps_clear_of_its_neighbours()
    {
        List<(ArenaBytes Stored, byte Fill)> live = [];
        for (int length = 1; length <= 70_000; length += length < 3000 ? 1 : 97)
        {
            var bytes = new byte[length];
            bytes.AsSpan().Fill((byte)length);
            live.Add((_arena.Store(bytes), (byte)length));
        }

        Assert.All(live, item => Assert.Equal(-1, _arena.Read(item.Stored).IndexOfAnyExcept(item.Fill)));
    }

    [Fact]
    public void At_most_a_ninth_of_a_block_is_wasted()
    {
        var zeros = new byte[65_536];
        for (int length = 97; length <= zeros.Length; length += length < 2000 ? 1 : 331)
        {
            int first = _arena.Store(zeros.AsSpan(0, length)).Block;
            int second = _arena.Store(zeros.AsSpan(0, length)).Block;
            if (first / GrainsPerSegment != second / GrainsPerSegment)
                continue; // The distance says nothing.
            int blockBytes = (second - first) * ByteArena.Grain;
            int wasteMax = Math.Max(blockBytes / 9, ByteArena.Grain - 1);
            Assert.InRange(blockBytes, length, length + wasteMax);
        }
    }

    [Fact]
    public void A_freed_block_is_used_again()
    {
        var first = _arena.Store(new byte[100]);
        _arena.Free(first);

        Assert.Equal(first.Block, _arena.Store(new byte[97]).Block);
    }

    [Fact]
    public void A_large_string_goes_back_to_the_garbage_collector()
    {
        var first = _arena.Store(new byte[200_000]);
        _arena.Free(first);
        var second = _arena.Store(new byte[300_000]);

        Assert.Equal(first.Block, second.Block);
        Assert.Equal(300_000, _arena.Read(second).Length);
    }

    [Fact]
    public void Nothing_takes_no_room()
    {
        Assert.True(_arena.Store([]).IsEmpty);
        Assert.True(_arena.Read(ArenaBytes.Empty).IsEmpty);
        _arena.Free(ArenaBytes.Empty);
    }
}
