using System.Buffers.Binary;
using System.Text;

namespace Karya.Protocol;

/// <summary>
/// Writes frames one behind the other into memory of its own, to be sent together. The shortest form of each number and
/// length is used, so that a message has one encoding.
/// </summary>
/// <remarks>
/// Not thread-safe. Order of use: <see cref="Begin"/>, values, <see cref="End"/>, again; then take <see
/// cref="Written"/> and <see cref="Clear"/>.
/// </remarks>
public sealed class FrameWriter
{
    /// <summary>
    /// Memory beyond this is given up by <see cref="Clear"/>: one long reply must not be paid for ever.
    /// </summary>
    private const int BytesKept = 256 * 1024;

    private const int BytesAtFirst = 1024;

    private byte[] _bytes = new byte[BytesAtFirst];
    private int _frame;

    /// <summary>Bytes written so far, of complete frames and of one that is begun.</summary>
    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, Length);

    /// <summary>Bytes of the frame that is begun, its length field not counted.</summary>
    public int FrameLength => Length - _frame - FrameHeader.LengthBytes;

    public void Clear()
    {
        Length = 0;
        _frame = 0;
        if (_bytes.Length > BytesKept)
            _bytes = new byte[BytesAtFirst];
    }

    public void Begin(Opcode opcode, uint correlation)
    {
        _frame = Length;
        var header = Take(FrameHeader.Bytes);
        header[FrameHeader.VersionOffset] = ProtocolVersion.Max;
        header[FrameHeader.OpcodeOffset] = (byte)opcode;
        BinaryPrimitives.WriteUInt32BigEndian(header[FrameHeader.CorrelationOffset..], correlation);
    }

    public void End() => BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(_frame), FrameLength);

    /// <summary>Takes back the frame that was begun last, ended or not.</summary>
    public void Abandon() => Length = _frame;

    /// <summary>Writes a whole frame, or none: half of one would make nonsense of all that follows.</summary>
    public void Write<T>(uint correlation, T message) where T : Messages.IMessage<T>
    {
        Begin(T.Opcode, correlation);
        try
        {
            message.Write(this);
        }
        catch
        {
            Abandon();
            throw;
        }

        End();
    }

    public void WriteNil() => Take(1)[0] = 0xC0;

    public void WriteBool(bool value) => Take(1)[0] = value ? (byte)0xC3 : (byte)0xC2;

    public void WriteArray(int count) => WriteLength(count, 0x90, 15, 0, 0xDC);

    public void WriteInt64(long value)
    {
        if (value >= 0)
            WriteUInt64((ulong)value);
        else if (value >= -32)
            Take(1)[0] = (byte)value;
        else if (value >= sbyte.MinValue)
            WriteNumber(0xD0, (ulong)value, 1);
        else if (value >= short.MinValue)
            WriteNumber(0xD1, (ulong)value, 2);
        else if (value >= int.MinValue)
            WriteNumber(0xD2, (ulong)value, 4);
        else
            WriteNumber(0xD3, (ulong)value, 8);
    }

    public void WriteUInt64(ulong value)
    {
        if (value <= 0x7F)
            Take(1)[0] = (byte)value;
        else if (value <= byte.MaxValue)
            WriteNumber(0xCC, value, 1);
        else if (value <= ushort.MaxValue)
            WriteNumber(0xCD, value, 2);
        else if (value <= uint.MaxValue)
            WriteNumber(0xCE, value, 4);
        else
            WriteNumber(0xCF, value, 8);
    }

    public void WriteInt64OrNil(long? value)
    {
        if (value is { } number)
            WriteInt64(number);
        else
            WriteNil();
    }

    public void WriteDouble(double value) => WriteNumber(0xCB, BitConverter.DoubleToUInt64Bits(value), 8);

    public void WriteUuid(UInt128 value)
    {
        var bytes = Take(18);
        bytes[0] = 0xC4;
        bytes[1] = 16;
        BinaryPrimitives.WriteUInt128BigEndian(bytes[2..], value);
    }

    public void WriteUuidOrNil(UInt128? value)
    {
        if (value is { } uuid)
            WriteUuid(uuid);
        else
            WriteNil();
    }

    public void WriteBinary(ReadOnlySpan<byte> value)
    {
        WriteLength(value.Length, 0, -1, 0xC4, 0xC5);
        value.CopyTo(Take(value.Length));
    }

    /// <summary>Nil for null.</summary>
    public void WriteBinaryOrNil(byte[]? value)
    {
        if (value is null)
            WriteNil();
        else
            WriteBinary(value);
    }

    public void WriteUtf8(ReadOnlySpan<byte> value)
    {
        WriteLength(value.Length, 0xA0, 31, 0xD9, 0xDA);
        value.CopyTo(Take(value.Length));
    }

    /// <summary>A lone surrogate becomes U+FFFD.</summary>
    public void WriteString(string value)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        WriteLength(length, 0xA0, 31, 0xD9, 0xDA);
        Encoding.UTF8.GetBytes(value, Take(length));
    }

    public void WriteStringOrNil(string? value)
    {
        if (value is null)
            WriteNil();
        else
            WriteString(value);
    }

    /// <summary>
    /// Begins a binary whose length is known only at its end. Always the longest form, of 5 bytes.
    /// </summary>
    /// <returns>For <see cref="EndBinary"/>.</returns>
    public int BeginBinary()
    {
        Take(1 + sizeof(uint))[0] = 0xC6;
        return Length;
    }

    public void EndBinary(int start) =>
        BinaryPrimitives.WriteInt32BigEndian(_bytes.AsSpan(start - sizeof(uint)), Length - start);

    /// <summary>Bytes that are MessagePack already.</summary>
    public void WriteRaw(ReadOnlySpan<byte> encoded) => encoded.CopyTo(Take(encoded.Length));

    /// <param name="code8">The code with a length of one byte, 0 when there is none.</param>
    /// <param name="code16">The one with two bytes; that with four follows it.</param>
    private void WriteLength(int length, byte codeFixed, int fixedMax, byte code8, byte code16)
    {
        if (length <= fixedMax)
            Take(1)[0] = (byte)(codeFixed | length);
        else if (length <= byte.MaxValue && code8 != 0)
            WriteNumber(code8, (ulong)length, 1);
        else if (length <= ushort.MaxValue)
            WriteNumber(code16, (ulong)length, 2);
        else
            WriteNumber((byte)(code16 + 1), (ulong)length, 4);
    }

    private void WriteNumber(byte code, ulong value, int size)
    {
        var bytes = Take(1 + size);
        bytes[0] = code;
        if (size == 1)
            bytes[1] = (byte)value;
        else if (size == 2)
            BinaryPrimitives.WriteUInt16BigEndian(bytes[1..], (ushort)value);
        else if (size == 4)
            BinaryPrimitives.WriteUInt32BigEndian(bytes[1..], (uint)value);
        else
            BinaryPrimitives.WriteUInt64BigEndian(bytes[1..], value);
    }

    private Span<byte> Take(int count)
    {
        int needed = checked(Length + count);
        if (needed > _bytes.Length)
            Grow(needed);
        var taken = _bytes.AsSpan(Length, count);
        Length = needed;
        return taken;
    }

    private void Grow(int needed) => Array.Resize(ref _bytes, Math.Max(needed, _bytes.Length * 2));
}
