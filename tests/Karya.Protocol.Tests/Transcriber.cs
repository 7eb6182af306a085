using System.Buffers;
using System.Buffers.Binary;
using MessagePack;

namespace Karya.Protocol.Tests;

/// <summary>Copies any value with the MessagePack package, in its shortest form or in a wider one.</summary>
internal static class Transcriber
{
    public const int Shortest = 0;
    public const int Widest = 4;

    /// <param name="wider">How many sizes more than needed numbers and lengths take, up to the largest.</param>
    public static void Copy(ref MessagePackReader reader, ref MessagePackWriter writer, int wider)
    {
        switch (reader.NextMessagePackType)
        {
            case MessagePackType.Array:
                CopyArray(ref reader, ref writer, wider);
                break;
            case MessagePackType.Integer:
                CopyNumber(ref reader, ref writer, wider);
                break;
            case MessagePackType.String:
                CopyText(ref reader, ref writer, wider);
                break;
            case MessagePackType.Binary:
                CopyBinary(ref reader, ref writer, wider);
                break;
            case MessagePackType.Nil:
                reader.ReadNil();
                writer.WriteNil();
                break;
            case MessagePackType.Boolean:
                writer.Write(reader.ReadBoolean());
                break;
            case MessagePackType.Float:
                writer.Write(reader.ReadDouble());
                break;
            default:
                throw new InvalidOperationException($"{reader.NextMessagePackType} is not used by the protocol.");
        }
    }

    private static void CopyArray(ref MessagePackReader reader, ref MessagePackWriter writer, int wider)
    {
        int count = reader.ReadArrayHeader();
        if (wider == Shortest)
            writer.WriteArrayHeader(count);
        else
            WriteLength(ref writer, wider == 1 ? (byte)0xDC : (byte)0xDD, wider == 1 ? 2 : 4, count);
        for (int i = 0; i < count; i++)
            Copy(ref reader, ref writer, wider);
    }

    private static void CopyNumber(ref MessagePackReader reader, ref MessagePackWriter writer, int wider)
    {
        byte first = reader.NextCode;
        bool isNegative = first is >= 0xE0 or (>= 0xD0 and <= 0xD3);
        ulong value = isNegative ? (ulong)reader.ReadInt64() : reader.ReadUInt64();
        int size = (isNegative ? SizeOf((long)value) : SizeOf(value)) + wider;
        if (wider == Shortest && isNegative)
            writer.Write((long)value);
        else if (wider == Shortest)
            writer.Write(value);
        else if (isNegative)
            WriteSigned(ref writer, (long)value, size);
        else if (wider % 2 == 0 && value <= long.MaxValue) // A positive number may be signed.
            WriteSigned(ref writer, (long)value, Math.Max(size, SizeOf((long)value)));
        else
            WriteUnsigned(ref writer, value, size);
    }

    private static void CopyText(ref MessagePackReader reader, ref MessagePackWriter writer, int wider)
    {
        byte[] text = reader.ReadStringSequence()?.ToArray() ?? [];
        if (wider == Shortest)
        {
            writer.WriteString(text);
            return;
        }

        int form = Math.Max(Math.Min(wider, 3), MinForm(text));
        WriteLength(ref writer, (byte)(0xD8 + form), 1 << (form - 1), text.Length);
        writer.WriteRaw(text);
    }

    private static void CopyBinary(ref MessagePackReader reader, ref MessagePackWriter writer, int wider)
    {
        byte[] bytes = reader.ReadBytes()?.ToArray() ?? [];
        if (wider == Shortest)
        {
            writer.Write(bytes);
            return;
        }

        int form = Math.Max(Math.Min(wider + 1, 3), MinForm(bytes));
        WriteLength(ref writer, (byte)(0xC3 + form), 1 << (form - 1), bytes.Length);
        writer.WriteRaw(bytes);
    }

    /// <summary>Lengths of one, two and four bytes are the forms 1, 2 and 3.</summary>
    private static int MinForm(byte[] bytes) => bytes.Length switch { <= 0xFF => 1, <= 0xFFFF => 2, _ => 3 };

    private static void WriteLength(ref MessagePackWriter writer, byte code, int size, int length)
    {
        byte[] bytes = new byte[1 + sizeof(int)];
        bytes[0] = code;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), length << (8 * (4 - size)));
        writer.WriteRaw(bytes.AsSpan(0, 1 + size));
    }

    /// <summary>0 for a number that is its own code, then 1 to 4 for one to eight bytes.</summary>
    private static int SizeOf(ulong value) =>
        value <= 0x7F ? 0 : value <= byte.MaxValue ? 1 : value <= ushort.MaxValue ? 2 : value <= uint.MaxValue ? 3 : 4;

    private static int SizeOf(long value) =>
        value is >= -32 and <= 127 ? 0
            : value == (sbyte)value ? 1
            : value == (short)value ? 2
            : value == (int)value ? 3
            : 4;

    private static void WriteUnsigned(ref MessagePackWriter writer, ulong value, int size)
    {
        if (size == 1)
            writer.WriteUInt8((byte)value);
        else if (size == 2)
            writer.WriteUInt16((ushort)value);
        else if (size == 3)
            writer.WriteUInt32((uint)value);
        else
            writer.WriteUInt64(value);
    }

    private static void WriteSigned(ref MessagePackWriter writer, long value, int size)
    {
        if (size == 1)
            writer.WriteInt8((sbyte)value);
        else if (size == 2)
            writer.WriteInt16((short)value);
        else if (size == 3)
            writer.WriteInt32((int)value);
        else
            writer.WriteInt64(value);
    }
}
