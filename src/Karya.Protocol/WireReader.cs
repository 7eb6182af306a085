using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;

namespace Karya.Protocol;

/// <summary>
/// Reads one body, slot by slot. The bytes come from anybody, so nothing in them is believed: lengths are compared with
/// what is there before anything is made of them, and no element is skipped unseen. It never throws. The first thing
/// that is wrong is kept as <see cref="Fault"/>; from then on all reads give defaults, so that a message is read
/// straight down and judged once, at <see cref="TryEnd"/>.
/// </summary>
/// <remarks>
/// MessagePack's formats: https://github.com/msgpack/msgpack/blob/master/spec.md. Maps, extensions and timestamps are
/// not used by the protocol and refused. Why not the MessagePack package: docs/decisions/0010.
/// </remarks>
public ref struct WireReader
{
    private const byte NilByte = 0xC0;

    private readonly ReadOnlySpan<byte> _bytes;
    private int _at;

    public WireReader(ReadOnlySpan<byte> body)
    {
        _bytes = body;
    }

    /// <summary>The first thing that was wrong; null so far.</summary>
    public WireFault? Fault { get; private set; }

    public readonly bool HasFailed => Fault is not null;

    /// <summary>Bytes read so far.</summary>
    public readonly int Position => _at;

    private readonly int Left => _bytes.Length - _at;

    /// <summary>What was read since an earlier <see cref="Position"/>.</summary>
    public readonly ReadOnlySpan<byte> Since(int position) => HasFailed ? default : _bytes[position.._at];

    /// <summary>Refuses the message for a reason of the caller's. The first refusal counts.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Refuse(ErrorCode code, string slot, string message)
    {
        Fault ??= new WireFault(code, slot, message);
        _at = _bytes.Length;
    }

    /// <summary>Takes a nil; false when there is something else, which stays.</summary>
    public bool TryReadNil()
    {
        if (Left == 0 || _bytes[_at] != NilByte)
            return HasFailed; // After a fault everything is absent.
        _at++;
        return true;
    }

    /// <summary>
    /// The number of items of an array. It is compared with the bytes that so many items take at least, so that memory
    /// for them is a small multiple of what the peer has sent.
    /// </summary>
    /// <param name="itemSlots">Of items that are arrays: how many slots they have at least. 0 for other items.</param>
    public int ReadArray(string slot, int min, int max, int itemSlots = 0)
    {
        if (!TryTakeByte(slot, out byte first))
            return 0;

        uint count;
        if ((first & 0xF0) == 0x90)
            count = first & 0x0Fu;
        else if (first == 0xDC)
            count = (uint)ReadBigEndian(slot, 2);
        else if (first == 0xDD)
            count = (uint)ReadBigEndian(slot, 4);
        else
            return WrongType(slot, "an array", first);

        if (HasFailed)
            return 0;
        if (count * (1L + itemSlots) > Left) // A byte for each slot, and one for the item itself.
            return Malformed(slot, $"is an array that claims {count} items with {Left} bytes left.");
        if (count < min || count > max)
        {
            return Malformed(slot, min == max
                ? $"has {count} items; expected are {min}."
                : $"has {count} items; expected are {min} to {max}.");
        }

        return (int)count;
    }

    public long ReadInt64(string slot, long min = long.MinValue, long max = long.MaxValue)
    {
        if (!TryTakeByte(slot, out byte first))
            return 0;

        long value;
        if (first <= 0x7F)
            value = first;
        else if (first >= 0xE0)
            value = (sbyte)first;
        else if (first is >= 0xCC and <= 0xCF)
            value = ReadUnsigned(slot, 1 << (first - 0xCC));
        else if (first is >= 0xD0 and <= 0xD3)
            value = ReadSigned(slot, 1 << (first - 0xD0));
        else if (first is 0xCA or 0xCB)
            return OutOfRange(slot, "is a floating-point number; it must be a whole number.");
        else
            return WrongType(slot, "a whole number", first);

        if (HasFailed)
            return 0;
        return value >= min && value <= max
            ? value
            : OutOfRange(slot, $"is {value}; it must be from {min} to {max}.");
    }

    public int ReadInt32(string slot, int min = int.MinValue, int max = int.MaxValue) =>
        (int)ReadInt64(slot, min, max);

    /// <summary>Null for nil.</summary>
    public long? ReadInt64OrNil(string slot, long min = long.MinValue, long max = long.MaxValue) =>
        TryReadNil() ? null : ReadInt64(slot, min, max);

    public ulong ReadUInt64(string slot)
    {
        if (Left > 8 && _bytes[_at] == 0xCF)
        {
            _at++;
            return ReadBigEndian(slot, 8);
        }

        long value = ReadInt64(slot);
        return value >= 0
            ? (ulong)value
            : (ulong)OutOfRange(slot, $"is {value}; it must be from 0 to {ulong.MaxValue}.");
    }

    public bool ReadBool(string slot)
    {
        if (!TryTakeByte(slot, out byte first))
            return false;
        if (first is 0xC2 or 0xC3)
            return first == 0xC3;
        WrongType(slot, "true or false", first);
        return false;
    }

    /// <summary>A finite number from <paramref name="min"/> to <paramref name="max"/>.</summary>
    public double ReadDouble(string slot, double min, double max)
    {
        if (!TryTakeByte(slot, out byte first))
            return 0;
        double value;
        if (first == 0xCB)
            value = BitConverter.UInt64BitsToDouble(ReadBigEndian(slot, 8));
        else if (first == 0xCA)
            value = BitConverter.UInt32BitsToSingle((uint)ReadBigEndian(slot, 4));
        else if (IsWhole(first))
            value = ReadWhole(slot);
        else
            return WrongType(slot, "a number", first);

        if (HasFailed)
            return 0;
        bool isMinusZero = value == 0 && double.IsNegative(value);
        return value >= min && value <= max && !isMinusZero // False for NaN.
            ? value
            : OutOfRange(slot, $"is {value}; it must be from {min} to {max}.");
    }

    /// <summary>Many encoders write 1.0 as the whole number 1. Its first byte has been taken.</summary>
    private long ReadWhole(string slot)
    {
        _at--;
        return ReadInt64(slot);
    }

    /// <summary>A UUID: a binary of 16 bytes, big-endian, so that their order is that of its text.</summary>
    public UInt128 ReadUuid(string slot)
    {
        var bytes = ReadBinary(slot, int.MaxValue);
        if (HasFailed)
            return default;
        if (bytes.Length == 16)
            return BinaryPrimitives.ReadUInt128BigEndian(bytes);
        Malformed(slot, $"is a binary of {bytes.Length} bytes; a UUID has 16.");
        return default;
    }

    /// <summary>Null for nil.</summary>
    public UInt128? ReadUuidOrNil(string slot) => TryReadNil() ? null : ReadUuid(slot);

    /// <summary>Borrowed from the body.</summary>
    public ReadOnlySpan<byte> ReadBinary(string slot, int bytesMax)
    {
        if (!TryTakeByte(slot, out byte first))
            return default;
        if (first is >= 0xC4 and <= 0xC6)
            return ReadBytes(slot, ReadBigEndian(slot, 1 << (first - 0xC4)), bytesMax, "binary");
        WrongType(slot, "a binary", first);
        return default;
    }

    /// <summary>Valid UTF-8 without NUL, borrowed from the body.</summary>
    public ReadOnlySpan<byte> ReadUtf8(string slot, int bytesMax)
    {
        if (!TryTakeByte(slot, out byte first))
            return default;

        ulong length;
        if ((first & 0xE0) == 0xA0)
        {
            length = first & 0x1Fu;
        }
        else if (first is >= 0xD9 and <= 0xDB)
        {
            length = ReadBigEndian(slot, 1 << (first - 0xD9));
        }
        else
        {
            WrongType(slot, "a text", first);
            return default;
        }

        var text = ReadBytes(slot, length, bytesMax, "text");
        if (Utf8.IsValid(text) && !text.Contains((byte)0))
            return text;
        Refuse(ErrorCode.InvalidText, slot, $"{slot} is not valid UTF-8, or has a NUL in it.");
        return default;
    }

    public string ReadString(string slot, int bytesMax) => Encoding.UTF8.GetString(ReadUtf8(slot, bytesMax));

    /// <summary>Null for nil.</summary>
    public string? ReadStringOrNil(string slot, int bytesMax) => TryReadNil() ? null : ReadString(slot, bytesMax);

    /// <summary>Null for nil; else a copy.</summary>
    public byte[]? ReadBinaryOrNil(string slot, int bytesMax) =>
        TryReadNil() ? null : ReadBinary(slot, bytesMax).ToArray();

    /// <summary>The message has been read. True when nothing was wrong and nothing is left.</summary>
    public bool TryEnd()
    {
        if (!HasFailed && Left > 0)
            Refuse(ErrorCode.Malformed, "", $"{Left} bytes after the message.");
        return !HasFailed;
    }

    private ReadOnlySpan<byte> ReadBytes(string slot, ulong length, int bytesMax, string type)
    {
        if (HasFailed)
            return default;
        if (length > (ulong)Left)
        {
            Malformed(slot, $"is a {type} that claims {length} bytes with {Left} bytes left.");
            return default;
        }

        if (length > (ulong)bytesMax)
        {
            Refuse(
                ErrorCode.PayloadTooLarge, slot, $"{slot} has {length} bytes; at most {bytesMax} are allowed.");
            return default;
        }

        var bytes = _bytes.Slice(_at, (int)length);
        _at += (int)length;
        return bytes;
    }

    private bool TryTakeByte(string slot, out byte value)
    {
        if (_at < _bytes.Length)
        {
            value = _bytes[_at++];
            return true;
        }

        value = 0;
        if (!HasFailed)
            Refuse(ErrorCode.Malformed, slot, $"{slot} is missing: the message ends before it.");
        return false;
    }

    private ulong ReadBigEndian(string slot, int size)
    {
        if (Left < size)
        {
            Malformed(slot, $"is cut off: {size} bytes of its length or value are expected, {Left} are left.");
            return 0;
        }

        var bytes = _bytes.Slice(_at, size);
        _at += size;
        return size switch
        {
            1 => bytes[0],
            2 => BinaryPrimitives.ReadUInt16BigEndian(bytes),
            4 => BinaryPrimitives.ReadUInt32BigEndian(bytes),
            _ => BinaryPrimitives.ReadUInt64BigEndian(bytes),
        };
    }

    private long ReadUnsigned(string slot, int size)
    {
        ulong value = ReadBigEndian(slot, size);
        return value <= long.MaxValue ? (long)value : OutOfRange(slot, $"is {value}; it must be below 2^63.");
    }

    private long ReadSigned(string slot, int size)
    {
        ulong value = ReadBigEndian(slot, size);
        int unused = 64 - size * 8;
        return (long)(value << unused) >> unused;
    }

    private int Malformed(string slot, string what)
    {
        Refuse(ErrorCode.Malformed, slot, $"{slot} {what}");
        return 0;
    }

    private int OutOfRange(string slot, string what)
    {
        Refuse(ErrorCode.OutOfRange, slot, $"{slot} {what}");
        return 0;
    }

    private int WrongType(string slot, string expected, byte first) =>
        Malformed(slot, $"must be {expected}; found is {TypeOf(first)}.");

    private static bool IsWhole(byte first) => first is <= 0x7F or >= 0xE0 or (>= 0xCC and <= 0xD3);

    private static string TypeOf(byte first) => first switch
    {
        _ when IsWhole(first) => "a whole number",
        <= 0x8F or 0xDE or 0xDF => "a map",
        <= 0x9F or 0xDC or 0xDD => "an array",
        <= 0xBF or (>= 0xD9 and <= 0xDB) => "a text",
        NilByte => "nil",
        0xC1 => "the byte 0xC1, which means nothing",
        0xC2 or 0xC3 => "a boolean",
        >= 0xC4 and <= 0xC6 => "a binary",
        0xCA or 0xCB => "a floating-point number",
        _ => "an extension",
    };
}
