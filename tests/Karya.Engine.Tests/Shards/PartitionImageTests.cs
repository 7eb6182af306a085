using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Engine.Tests.Journal;
using Xunit;

namespace Karya.Engine.Tests.Shards;

public sealed class PartitionImageTests
{
    private static readonly RecordKind[] Kinds = [RecordKind.Submitted, RecordKind.Started, RecordKind.Succeeded];

    [Fact]
    public void An_image_keeps_the_records_of_its_partition_that_the_tables_lack()
    {
        byte[] row = Row(out var records);
        var image = new PartitionImage(1, epoch: 9, sequence: 0);
        image.AddRow(row);
        image.AddRow(row); // What comes twice is replayed once: the partition passes it over.

        var own = records.Where(record => record.Partition == 1).ToList();
        Assert.NotEmpty(own);
        Assert.Equal([.. own, .. own], RecordsOf(image));

        var later = new PartitionImage(1, epoch: 9, own[0].Sequence);
        later.AddRow(row);
        Assert.Equal(own.Where(record => record.Sequence > own[0].Sequence), RecordsOf(later));
    }

    [Fact]
    public void A_row_is_divided_among_many_images()
    {
        byte[] row = Row(out _);
        var images = Enumerable.Range(0, 3).ToDictionary(
            partition => partition, partition => new PartitionImage(partition, epoch: 9, sequence: 0));
        PartitionImage.AddRow(row, images);

        foreach (var (partition, image) in images)
        {
            var alone = new PartitionImage(partition, epoch: 9, sequence: 0);
            alone.AddRow(row);
            Assert.Equal(RecordsOf(alone), RecordsOf(image));
            Assert.Equal(alone.Missing.Order(), image.Missing.Order());
        }
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
