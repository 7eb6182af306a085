using System.Buffers.Binary;

namespace Karya.Protocol;

/// <summary>
/// UUIDs as the protocol has them: 16 big-endian bytes, which are a number whose order is that of the text.
/// </summary>
public static class Uuids
{
    public static UInt128 ToNumber(Guid uuid)
    {
        Span<byte> bytes = stackalloc byte[16];
        uuid.TryWriteBytes(bytes, bigEndian: true, out _);
        return BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    public static Guid ToGuid(UInt128 number)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new Guid(bytes, bigEndian: true);
    }
}
