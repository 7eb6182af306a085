using System.Buffers.Binary;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Writes rows in the format of binary COPY, straight from memory: a third of the processor time of the driver's own
/// importer. One thread; <see cref="Begin"/>, rows, then <see cref="End"/> or <see cref="Cancel"/>.
/// </summary>
/// <remarks>
/// The format is Postgres' "COPY, Binary Format": a header of 19 bytes, per row the number of columns (16 bits), per
/// column its length (32 bits, -1 for null) and its bytes, at the end -1 (16 bits), all big-endian.
/// </remarks>
internal sealed class CopyWriter
{
    private const int FlushBytes = 64 * 1024;

    private static readonly byte[] Header = [.. "PGCOPY\n"u8, 0xFF, .. "\r\n"u8, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    private byte[] _buffer = new byte[2 * FlushBytes];
    private int _length;
    private NpgsqlRawCopyStream? _stream;

    public void Begin(NpgsqlConnection connection, string sql)
    {
        _stream = connection.BeginRawBinaryCopy(sql);
        Header.CopyTo(_buffer, 0);
        _length = Header.Length;
    }

    public void Row(short columns)
    {
        if (_length >= FlushBytes)
            Flush();
        BinaryPrimitives.WriteInt16BigEndian(Take(sizeof(short)), columns);
    }

    public void Int16(short value)
    {
        var target = Take(sizeof(int) + sizeof(short));
        BinaryPrimitives.WriteInt32BigEndian(target, sizeof(short));
        BinaryPrimitives.WriteInt16BigEndian(target[sizeof(int)..], value);
    }

    public void Int32(int value)
    {
        var target = Take(2 * sizeof(int));
        BinaryPrimitives.WriteInt32BigEndian(target, sizeof(int));
        BinaryPrimitives.WriteInt32BigEndian(target[sizeof(int)..], value);
    }

    public void Int64(long value)
    {
        var target = Take(sizeof(int) + sizeof(long));
        BinaryPrimitives.WriteInt32BigEndian(target, sizeof(long));
        BinaryPrimitives.WriteInt64BigEndian(target[sizeof(int)..], value);
    }

    /// <summary>A uuid by its number: its bytes are big-endian.</summary>
    public void Uuid(UInt128 value)
    {
        var target = Take(sizeof(int) + 16);
        BinaryPrimitives.WriteInt32BigEndian(target, 16);
        BinaryPrimitives.WriteUInt128BigEndian(target[sizeof(int)..], value);
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        var target = Take(sizeof(int) + value.Length);
        BinaryPrimitives.WriteInt32BigEndian(target, value.Length);
        value.CopyTo(target[sizeof(int)..]);
    }

    public void Null() => BinaryPrimitives.WriteInt32BigEndian(Take(sizeof(int)), -1);

    /// <summary>Sends the rest. Throws what the server has to say against it.</summary>
    public void End()
    {
        BinaryPrimitives.WriteInt16BigEndian(Take(sizeof(short)), -1);
        Flush();
        var stream = _stream!;
        _stream = null;
        stream.Dispose();
    }

    /// <summary>Ends a copy that failed; nothing when none is under way.</summary>
    public void Cancel()
    {
        if (_stream is not { } stream)
            return;
        _stream = null;
        try
        {
            stream.Cancel();
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            // It is over either way.
        }
    }

    private Span<byte> Take(int count)
    {
        if (_buffer.Length - _length < count)
            Array.Resize(ref _buffer, Math.Max(2 * _buffer.Length, _length + count));
        var taken = _buffer.AsSpan(_length, count);
        _length += count;
        return taken;
    }

    private void Flush()
    {
        _stream!.Write(_buffer, 0, _length);
        _length = 0;
    }
}
