using System.IO.Hashing;
using Karya.Engine.Journal;
using Xunit;

namespace Karya.Engine.Tests.Journal;

public sealed class JournalChunkTests
{
    /// <summary>Header and epochs, a start, a retry, checksum.</summary>
    private const string GoldenChunk =
        "4B4A010069000000020307C801808080808020"
        + "260000000405E8A7F1C2B1340000000000000000900100000000000080A0F1C2B134E8A7F1C2B1340505"
        + "300000000505E8A7F1C2B1340100000000000000900100000000000081A0F1C2B134E8A7F1C2B1340505E8A7F1C2B134626F6479"
        + "7E564F9AE3DE755C";

    private static readonly RecordKind[] AllKinds = Enum.GetValues<RecordKind>();

    [Fact]
    public void The_bytes_of_a_chunk_never_change()
    {
        var chunk = Records.Chunk(RecordKind.Started, RecordKind.Retrying);

        Assert.Equal(GoldenChunk, Convert.ToHexString(chunk.SealedBytes));
    }

    [Fact]
    public void The_golden_bytes_are_still_read()
    {
        var records = Records.Read(Convert.FromHexString(GoldenChunk));

        Assert.Equal([RecordKind.Started, RecordKind.Retrying], records.Select(r => r.Kind));
        Assert.Equal((5, 1_800_000_001_000L, "626F6479"), (records[1].Attempt, records[1].DueMs, records[1].Payload));
    }

    [Fact]
    public void A_row_of_several_chunks_is_read_in_order()
    {
        byte[] row = [.. Records.Chunk(AllKinds).SealedBytes, .. Records.Chunk(RecordKind.Cancelled).SealedBytes];

        Assert.Equal([.. AllKinds, RecordKind.Cancelled], Records.Read(row).Select(r => r.Kind));
    }

    [Fact]
    public void A_chunk_names_the_epochs_of_its_partitions()
    {
        var partitions = Records.Chunk(RecordKind.Started).Partitions.ToArray();

        Assert.Equal([(3, 7L), (200, 1L << 40)], partitions.Select(p => (p.Partition, p.Epoch)));
    }

    [Fact]
    public void A_row_that_is_cut_anywhere_is_refused()
    {
        byte[] row = Records.Chunk(AllKinds).SealedBytes.ToArray();
        for (int length = 0; length < row.Length; length++)
            Assert.Throws<RecordDamagedException>(() => Records.Read(row.AsSpan(0, length)));
    }

    [Fact]
    public void A_second_chunk_that_is_cut_anywhere_is_refused()
    {
        byte[] first = Records.Chunk(RecordKind.Started).SealedBytes.ToArray();
        byte[] second = Records.Chunk(RecordKind.Cancelled).SealedBytes.ToArray();
        for (int length = 1; length < second.Length; length++)
        {
            byte[] row = [.. first, .. second.AsSpan(0, length)];
            Assert.Throws<RecordDamagedException>(() => Records.Read(row));
        }
    }

    [Fact]
    public void A_single_flipped_bit_anywhere_is_noticed()
    {
        byte[] row = Records.Chunk(AllKinds).SealedBytes.ToArray();
        for (int bit = 0; bit < row.Length * 8; bit++)
        {
            row[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<RecordDamagedException>(() => Records.Read(row));
            row[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Random_bytes_are_refused()
    {
        var random = new Random(5);
        for (int i = 0; i < 2000; i++)
        {
            var row = new byte[random.Next(200)];
            random.NextBytes(row);
            if (row.Length > 2)
                (row[0], row[1], row[2]) = ((byte)'K', (byte)'J', 1);
            Assert.Throws<RecordDamagedException>(() => Records.Read(row));
        }
    }

    [Fact]
    public void Damage_under_a_right_checksum_is_refused_or_read_but_never_crashes()
    {
        var random = new Random(6);
        byte[] good = Records.Chunk(AllKinds).SealedBytes.ToArray();
        for (int i = 0; i < 5000; i++)
        {
            byte[] row = good.ToArray();
            row[random.Next(8, row.Length - 8)] = (byte)random.Next(256);
            BitConverter.TryWriteBytes(row.AsSpan(row.Length - 8), XxHash3.HashToUInt64(row.AsSpan(0, row.Length - 8)));
            var error = Xunit.Record.Exception(() => Records.Read(row));
            Assert.True(error is null or RecordDamagedException, $"Run {i}: {error}");
        }
    }

    [Fact]
    public void A_later_version_is_refused_by_name()
    {
        byte[] row = Records.Chunk(RecordKind.Started).SealedBytes.ToArray();
        row[2] = 2;

        var error = Assert.Throws<RecordDamagedException>(() => Records.Read(row));
        Assert.Contains("version 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cleared_chunk_is_used_again_without_a_trace()
    {
        var chunk = Records.Chunk(AllKinds);
        chunk.Clear();
        Assert.True(chunk.IsEmpty);
        chunk.AddPartition(1, 1);
        chunk.Append(Records.Make(RecordKind.Cancelled, 1, 2, 3, 4, [], default), mark: 0);
        chunk.Seal();

        Assert.Equal(RecordKind.Cancelled, Assert.Single(Records.Read(chunk.SealedBytes)).Kind);
    }

    [Fact]
    public void Removing_partitions_leaves_exactly_the_others_byte_for_byte()
    {
        for (int seed = 1; seed <= 200; seed++)
        {
            var random = new Random(seed);
            HashSet<int> lost = [.. Enumerable.Range(0, 6).Where(_ => random.Next(2) == 0)];
            var chunk = new JournalChunk();
            var others = new JournalChunk();
            Dictionary<int, (int Mark, int MarkOfOthers)> marks = [];
            for (int i = random.Next(100); i > 0; i--)
            {
                var kind = AllKinds[random.Next(AllKinds.Length)];
                int partition = random.Next(6);
                bool isKept = !lost.Contains(partition);
                if (!marks.TryGetValue(partition, out var mark))
                {
                    int epoch = random.Next(1, 1000);
                    mark = (chunk.AddPartition(partition, epoch) - 1,
                        isKept ? others.AddPartition(partition, epoch) - 1 : -1);
                    marks.Add(partition, mark);
                }

                byte[] body = new byte[random.Next(40)];
                random.NextBytes(body);
                var record = Records.Make(
                    kind, (ulong)i, random.Next(), random.Next(), partition, [1, 0, 3, 0, 9, 9, 9, 9], body);
                chunk.Append(record, mark.Mark);
                if (isKept)
                    others.Append(record, mark.MarkOfOthers);
            }

            chunk.Seal();
            chunk.Remove(mark => lost.Contains(mark.Partition));
            chunk.Seal();
            others.Seal();
            Assert.True(chunk.SealedBytes.SequenceEqual(others.SealedBytes), $"Seed {seed}: the bytes differ.");
            Assert.True(
                chunk.Partitions.ToArray().Select(m => (m.Partition, m.Epoch, m.Sequence))
                    .SequenceEqual(others.Partitions.ToArray().Select(m => (m.Partition, m.Epoch, m.Sequence))),
                $"Seed {seed}: the marks differ.");
            Assert.Equal(others.RecordBytes, chunk.RecordBytes);
        }
    }

    [Fact]
    public void A_chunk_of_which_all_is_removed_is_empty_and_reads_as_nothing()
    {
        var chunk = new JournalChunk();
        for (int partition = 0; partition < 3; partition++)
        {
            chunk.AddPartition(partition, epoch: 7);
            chunk.Append(Records.Make(RecordKind.Started, 1, 2, 3, partition, [], default), mark: partition);
        }

        chunk.Remove(_ => true);
        chunk.Seal();

        Assert.True(chunk.IsEmpty);
        Assert.Equal(0, chunk.Partitions.Length);
        Assert.Empty(Records.Read(chunk.SealedBytes));
    }

    [Fact]
    public void Removing_nothing_changes_nothing()
    {
        var chunk = Records.Chunk(AllKinds);
        byte[] before = chunk.SealedBytes.ToArray();
        chunk.Remove(_ => false);
        chunk.Seal();

        Assert.Equal(before, chunk.SealedBytes.ToArray());
    }
}
