using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Karya.Engine.Journal;

/// <summary>A growing byte buffer with little-endian writers. It keeps its memory when cleared.</summary>
public sealed class ByteWriter : IBufferWriter<byte>
{
    private byte[] _bytes = new byte[1024];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> WrittenSpan => _bytes.AsSpan(0, Length);

    public ReadOnlyMemory<byte> WrittenMemory => _bytes.AsMemory(0, Length);

    public void Clear() => Length = 0;

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _bytes.AsSpan(Length);
    }

    /// <summary>Writes the bytes and says where they are.</summary>
    public ByteSlice Write(ReadOnlySpan<byte> bytes)
    {
        Reserve(bytes.Length);
        bytes.CopyTo(_bytes.AsSpan(Length));
        var slice = new ByteSlice(Length, bytes.Length);
        Length += bytes.Length;
        return slice;
    }

    public void WriteByte(byte value)
    {
        Reserve(1);
        _bytes[Length++] = value;
    }

    public void WriteInt32(int value)
    {
        Reserve(sizeof(int));
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(Length), value);
        Length += sizeof(int);
    }

    public void WriteInt64(long value)
    {
        Reserve(sizeof(long));
        BinaryPrimitives.WriteInt64LittleEndian(_bytes.AsSpan(Length), value);
        Length += sizeof(long);
    }

    public void WriteUInt128(UInt128 value)
    {
        Reserve(16);
        BinaryPrimitives.WriteUInt128LittleEndian(_bytes.AsSpan(Length), value);
        Length += 16;
    }

    /// <summary>Writes a number in groups of seven bits, low group first: 1 byte below 128, 10 at most.</summary>
    public void WriteVarint(ulong value)
    {
        Reserve(10);
        while (value >= 0x80)
        {
            _bytes[Length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _bytes[Length++] = (byte)value;
    }

    /// <summary>Writes a signed number as a varint, small magnitudes short (zig-zag).</summary>
    public void WriteSigned(long value) => WriteVarint((ulong)(value << 1) ^ (ulong)(value >> 63));

    /// <summary>Overwrites four bytes that were written before: a length that is known only now.</summary>
    public void PatchInt32(int offset, int value) =>
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(offset, sizeof(int)), value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Reserve(int count)
    {
        if (_bytes.Length - Length < count)
            Grow(count);
    }

    private void Grow(int count) => Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + count));
}

/// <summary>
/// Reads what <see cref="ByteWriter"/> wrote. Every read checks the bounds: stored bytes may be damaged.
/// </summary>
public ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; }

    public readonly int Remaining => _bytes.Length - Position;

    public byte ReadByte() => Take(1)[0];

    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(sizeof(int)));

    public long ReadInt64() => BinaryPrimitives.ReadInt64LittleEndian(Take(sizeof(long)));

    public UInt128 ReadUInt128() => BinaryPrimitives.ReadUInt128LittleEndian(Take(16));

    public ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = ReadByte();
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }

        throw new RecordDamagedException("A number is longer than ten bytes.");
    }

    public long ReadSigned()
    {
        ulong value = ReadVarint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    public ReadOnlySpan<byte> ReadBytes(int count) => Take(count);

    private ReadOnlySpan<byte> Take(int count)
    {
        if ((uint)count > (uint)Remaining)
            throw new RecordDamagedException($"{count} bytes wanted at {Position}, {Remaining} left.");
        var taken = _bytes.Slice(Position, count);
        Position += count;
        return taken;
    }
}

/// <summary>Stored bytes are not what was written. Recovery stops: going on would lose work silently.</summary>
public sealed class RecordDamagedException : Exception
{
    public RecordDamagedException(string message) : base(message)
    {
    }

    public RecordDamagedException()
    {
    }

    public RecordDamagedException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
