using System.Buffers.Binary;
using System.IO.Hashing;

namespace Karya.Engine.Journal;

/// <summary>
/// The records of one turn of a shard, sealed with a checksum. A journal row holds one or more of them back to back.
/// </summary>
/// <remarks>
/// <code>
///  0  'K' 'J'   2
///  2  version   1      = 1
///  3  zero      1
///  4  length    4      bytes between here and the checksum
///  8  epochs    varint count, then per partition that has records: partition varint, epoch varint
///  .  records   see RecordCodec
///  .  checksum  8      XxHash3 of everything before it
/// </code>
/// Owned by the shard while it is filled, then by the journal writer, which returns it to the shard's pool.
/// </remarks>
public sealed class JournalChunk
{
    private const int HeaderBytes = 8;
    private const int ChecksumBytes = sizeof(ulong);
    private const byte Version = 1;

    private readonly ByteWriter _records = new();
    private readonly ByteWriter _sealed = new();
    private readonly Rows<ProjectedMark> _partitions = new();

    /// <summary>The shard that filled it.</summary>
    public int Shard { get; set; }

    /// <summary>Its number in the shard's stream, from 1. "Durable up to n" counts these.</summary>
    public long Position { get; set; }

    public bool IsEmpty => _records.Length == 0;

    public int RecordBytes => _records.Length;

    /// <summary>
    /// Under which epochs its records were made, which the store's fence has to check, and the number of the last one
    /// of each partition.
    /// </summary>
    public ReadOnlySpan<ProjectedMark> Partitions => _partitions.Span;

    /// <summary>What goes into the journal; valid after <see cref="Seal"/>.</summary>
    public ReadOnlySpan<byte> SealedBytes => _sealed.WrittenSpan;

    public void Clear()
    {
        _records.Clear();
        _sealed.Clear();
        _partitions.Clear();
    }

    /// <param name="record">The next one of its partition.</param>
    /// <param name="mark">The place of its partition's mark.</param>
    internal void Append(in Record record, int mark)
    {
        RecordCodec.Write(_records, record);
        _partitions.Span[mark].Sequence = record.Sequence;
    }

    /// <summary>Notes a partition's epoch; called once per partition and chunk.</summary>
    /// <returns>How many there are now.</returns>
    internal int AddPartition(int partition, long epoch)
    {
        ref var mark = ref _partitions.Add();
        mark.Partition = partition;
        mark.Epoch = epoch;
        return _partitions.Count;
    }

    /// <summary>
    /// Takes out the records of partitions that this process has lost: they must not be written, and the others of the
    /// turn must.
    /// </summary>
    /// <param name="isLost">Says so of a mark of <see cref="Partitions"/>.</param>
    public void Remove(Predicate<ProjectedMark> isLost)
    {
        var kept = new ByteWriter();
        var marks = _partitions.Span.ToArray();
        var lost = new HashSet<int>();
        _partitions.Clear();
        foreach (var mark in marks)
        {
            if (isLost(mark))
                lost.Add(mark.Partition);
            else
                _partitions.Add() = mark;
        }

        var reader = new ByteReader(_records.WrittenSpan);
        while (reader.Remaining > 0)
        {
            var bytes = reader.ReadBytes(reader.ReadInt32());
            var record = default(Record);
            RecordCodec.Read(bytes, ref record);
            if (lost.Contains(record.Partition))
                continue;
            kept.WriteInt32(bytes.Length);
            kept.Write(bytes);
        }

        _records.Clear();
        _records.Write(kept.WrittenSpan);
    }

    public void Seal()
    {
        _sealed.Clear();
        _sealed.WriteByte((byte)'K');
        _sealed.WriteByte((byte)'J');
        _sealed.WriteByte(Version);
        _sealed.WriteByte(0);
        _sealed.WriteInt32(0);
        _sealed.WriteVarint((ulong)_partitions.Count);
        foreach (ref readonly var mark in _partitions.Span)
        {
            _sealed.WriteVarint((ulong)mark.Partition);
            _sealed.WriteVarint((ulong)mark.Epoch);
        }

        _sealed.Write(_records.WrittenSpan);
        _sealed.PatchInt32(4, _sealed.Length - HeaderBytes);
        _sealed.WriteInt64((long)XxHash3.HashToUInt64(_sealed.WrittenSpan));
    }

    /// <summary>
    /// Notes the number of the last record of each partition that a journal row has. Throws
    /// <see cref="RecordDamagedException"/> when the bytes are not what was written.
    /// </summary>
    public static void NoteLast(ReadOnlySpan<byte> row, IDictionary<int, long> last)
    {
        while (!row.IsEmpty)
        {
            row = ReadChunk(row, (in record, _) =>
            {
                if (!last.TryGetValue(record.Partition, out long sequence) || sequence < record.Sequence)
                    last[record.Partition] = record.Sequence;
            });
        }
    }

    /// <summary>
    /// Cuts the next chunk off a journal row and hands its records over in order. Throws
    /// <see cref="RecordDamagedException"/> when the bytes are not what was written.
    /// </summary>
    /// <returns>The bytes behind the chunk.</returns>
    internal static ReadOnlySpan<byte> ReadChunk(ReadOnlySpan<byte> row, RecordReader reader)
    {
        if (row.Length < HeaderBytes + ChecksumBytes || row[0] != 'K' || row[1] != 'J')
            throw new RecordDamagedException("A journal row does not start with a chunk.");
        if (row[2] != Version)
            throw new RecordDamagedException($"Journal version {row[2]} is not known to this version of Karya.");

        int length = BinaryPrimitives.ReadInt32LittleEndian(row[4..]);
        if (length < 0 || length > row.Length - HeaderBytes - ChecksumBytes)
            throw new RecordDamagedException($"A journal chunk claims {length} bytes, {row.Length} are there.");

        int end = HeaderBytes + length;
        if (XxHash3.HashToUInt64(row[..end]) != BinaryPrimitives.ReadUInt64LittleEndian(row[end..]))
            throw new RecordDamagedException("The checksum of a journal chunk is wrong.");

        var body = new ByteReader(row[HeaderBytes..end]);
        for (ulong partitions = body.ReadVarint(); partitions > 0; partitions--)
        {
            body.ReadVarint();
            body.ReadVarint();
        }

        while (body.Remaining > 0)
        {
            var bytes = body.ReadBytes(body.ReadInt32());
            var record = default(Record);
            RecordCodec.Read(bytes, ref record);
            reader(record, bytes);
        }

        return row[(end + ChecksumBytes)..];
    }
}

/// <summary>Gets one record of a journal; its spans are valid during the call only.</summary>
internal delegate void RecordReader(in Record record, ReadOnlySpan<byte> bytes);
