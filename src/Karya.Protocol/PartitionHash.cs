using System.Buffers.Binary;
using System.IO.Hashing;

namespace Karya.Protocol;

/// <summary>
/// Plan id to partition: shared, so that clients can route. Never changes for a given number of partitions.
/// </summary>
public static class PartitionHash
{
    /// <summary>
    /// The partition, from 0, of a plan: XxHash3 (seed 0) of the UUID's 16 big-endian bytes, modulo the count.
    /// </summary>
    public static int Of(Guid planId, int partitionCount)
    {
        Span<byte> bytes = stackalloc byte[16];
        planId.TryWriteBytes(bytes, bigEndian: true, out _);
        return Of(bytes, partitionCount);
    }

    /// <inheritdoc cref="Of(Guid, int)" />
    public static int Of(UInt128 planId, int partitionCount)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, planId);
        return Of(bytes, partitionCount);
    }

    private static int Of(ReadOnlySpan<byte> bytes, int partitionCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(partitionCount);
        return (int)(XxHash3.HashToUInt64(bytes) % (ulong)partitionCount);
    }
}
