using System.Buffers.Binary;
using Karya.Engine;

namespace Karya.Node.Storage.Postgres;

/// <summary>Decodes plans (id, memo, body) from Postgres' binary COPY format, without allocating for each of them.</summary>
/// <remarks>
/// <code>
/// header: signature, 11 bytes | flags, 4 | length of what follows, 4 | that many bytes
/// row:    count of columns, 2 | per column: length, 4 | that many bytes
/// end:    -1, 2
/// </code>
/// All numbers are big-endian.
/// </remarks>
internal sealed class CopiedPlans(StoredPlanReader reader)
{
    private const int SignatureBytes = 11;
    private const int IdBytes = 16;
    private const int Columns = 3;

    // Grows to the largest row.
    private byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;

    /// <summary>One COPY, to its end.</summary>
    public void Read(Stream stream)
    {
        _start = _end = 0;
        Take(stream, SignatureBytes + sizeof(int));
        Take(stream, ReadInt32(stream));

        while (BinaryPrimitives.ReadInt16BigEndian(Take(stream, sizeof(short))) is var columns and >= 0)
        {
            if (columns != Columns || ReadInt32(stream) != IdBytes)
                throw new InvalidDataException($"A copied plan has {columns} columns, or an id that is none.");
            var id = new PlanId(BinaryPrimitives.ReadUInt128BigEndian(Take(stream, IdBytes)));

            // Both at once: taking the second may move the first.
            int memoBytes = ReadInt32(stream);
            Fill(stream, memoBytes + sizeof(int));
            int bodyBytes = BinaryPrimitives.ReadInt32BigEndian(_buffer.AsSpan(_start + memoBytes));
            var both = Take(stream, memoBytes + sizeof(int) + bodyBytes);
            reader(id, both[..memoBytes], both[(memoBytes + sizeof(int))..]);
        }
    }

    private int ReadInt32(Stream stream) => BinaryPrimitives.ReadInt32BigEndian(Take(stream, sizeof(int)));

    /// <summary>The next bytes, valid until more are taken.</summary>
    private ReadOnlySpan<byte> Take(Stream stream, int count)
    {
        if (_end - _start < count)
            Fill(stream, count);
        var bytes = _buffer.AsSpan(_start, count);
        _start += count;
        return bytes;
    }

    private void Fill(Stream stream, int count)
    {
        if (_start + count > _buffer.Length)
        {
            byte[] target = count > _buffer.Length ? new byte[Math.Max(count, 2 * _buffer.Length)] : _buffer;
            _buffer.AsSpan(_start, _end - _start).CopyTo(target);
            _buffer = target;
            _end -= _start;
            _start = 0;
        }

        while (_end - _start < count)
        {
            int read = stream.Read(_buffer, _end, _buffer.Length - _end);
            if (read == 0)
                throw new EndOfStreamException("The copied plans end within a row.");
            _end += read;
        }
    }
}
