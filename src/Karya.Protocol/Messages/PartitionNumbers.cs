using System.Buffers.Binary;

namespace Karya.Protocol.Messages;

/// <summary>A number for each partition, or of each: two bytes, big-endian, one behind the other.</summary>
internal static class PartitionNumbers
{
    private const int CountMax = 65_536;

    public static void Write(FrameWriter writer, IReadOnlyList<int> numbers)
    {
        byte[] bytes = new byte[numbers.Count * sizeof(ushort)];
        for (int i = 0; i < numbers.Count; i++)
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(i * sizeof(ushort)), (ushort)numbers[i]);
        writer.WriteBinary(bytes);
    }

    public static int[] Read(ref WireReader reader, string slot, int min)
    {
        var bytes = reader.ReadBinary(slot, CountMax * sizeof(ushort));
        if (bytes.Length < min * sizeof(ushort) || bytes.Length % sizeof(ushort) != 0)
        {
            reader.Refuse(
                ErrorCode.Malformed, slot,
                $"{slot} has {bytes.Length} bytes; expected are two for each partition.");
            return [];
        }

        int[] numbers = new int[bytes.Length / sizeof(ushort)];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadUInt16BigEndian(bytes[(i * sizeof(ushort))..]);
        return numbers;
    }
}
