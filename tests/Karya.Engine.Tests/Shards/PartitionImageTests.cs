using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Engine.Tests.Journal;
using Xunit;

namespace Karya.Engine.Tests.Shards;

public sealed class PartitionImageTests
{
    private static readonly RecordKind[] Kinds = [RecordKind.Submitted, RecordKind.Started, RecordKind.Succeeded];

    [Fact]
    public void A_row_is_divided_and_what_the_tables_have_is_left_out()
    {
        byte[] row = Row(out var records);
        long last = records.Last(record => record.Partition == 1).Sequence;
        var images = new Dictionary<int, PartitionImage>
        {
            [0] = new(0, epoch: 9, sequence: 0),
            [1] = new(1, epoch: 9, sequence: last - 1),
        };
        PartitionImage.AddRow(row, images); // Partition 2 is somebody else's.

        Assert.Equal(records.Where(record => record.Partition == 0), RecordsOf(images[0]));
        Assert.Equal(records.Where(record => record.Partition == 1 && record.Sequence == last), RecordsOf(images[1]));
        Assert.DoesNotContain(records[0].Key.Plan, images[0].Missing); // The row submits it itself.
        Assert.Contains(records[^1].Key.Plan, images[1].Missing);
    }

    /// <summary>Two chunks, with records of three partitions.</summary>
    private static byte[] Row(out List<RecordCopy> records)
    {
        using var bytes = new MemoryStream();
        long sequence = 0;
        foreach (int[] partitions in (int[][])[[0, 1, 1], [1, 2, 1]])
        {
            var chunk = new JournalChunk();
            foreach (int partition in partitions.Distinct())
                chunk.AddPartition(partition, 7);
            for (int i = 0; i < partitions.Length; i++)
            {
                var record = Records.Make(Kinds[i], (UInt128)(100 + i), 1000 + i, 2000, 5, [], "body"u8);
                record.Partition = partitions[i];
                record.Sequence = ++sequence;
                chunk.Append(record, mark: Array.IndexOf(partitions.Distinct().ToArray(), partitions[i]));
            }

            chunk.Seal();
            bytes.Write(chunk.SealedBytes);
        }

        records = Records.Read(bytes.ToArray());
        return bytes.ToArray();
    }

    private static List<RecordCopy> RecordsOf(PartitionImage image)
    {
        var records = new List<RecordCopy>();
        var reader = new ByteReader(image.Records);
        while (reader.Remaining > 0)
        {
            var record = default(Engine.Journal.Record);
            RecordCodec.Read(reader.ReadBytes(reader.ReadInt32()), ref record);
            records.Add(RecordCopy.Of(record));
        }

        return records;
    }
}
