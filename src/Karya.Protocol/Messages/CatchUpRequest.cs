using System.Buffers.Binary;

namespace Karya.Protocol.Messages;

/// <summary>
/// Between nodes of a cluster: answered when the tables have all that was acknowledged of partitions of the receiver.
/// Refused with <see cref="ErrorCode.NotOwner"/> when it has not got all of them.
/// </summary>
public sealed record CatchUpRequest(IReadOnlyList<int> Partitions) : IMessage<CatchUpRequest>
{
    private const int PartitionsMax = 65_536;

    public static Opcode Opcode => Opcode.CatchUp;

    public void Write(FrameWriter writer)
    {
        byte[] partitions = new byte[Partitions.Count * sizeof(ushort)];
        for (int i = 0; i < Partitions.Count; i++)
            BinaryPrimitives.WriteUInt16BigEndian(partitions.AsSpan(i * sizeof(ushort)), (ushort)Partitions[i]);
        writer.WriteArray(1);
        writer.WriteBinary(partitions);
    }

    public static CatchUpRequest Read(ref WireReader reader)
    {
        reader.ReadArray("catch_up", 1, 1);
        var bytes = reader.ReadBinary("catch_up.partitions", PartitionsMax * sizeof(ushort));
        if (bytes.Length % sizeof(ushort) != 0)
        {
            reader.Refuse(
                ErrorCode.Malformed, "catch_up.partitions",
                $"catch_up.partitions has {bytes.Length} bytes; expected are two for each partition.");
            return new CatchUpRequest([]);
        }

        int[] partitions = new int[bytes.Length / sizeof(ushort)];
        for (int i = 0; i < partitions.Length; i++)
            partitions[i] = BinaryPrimitives.ReadUInt16BigEndian(bytes[(i * sizeof(ushort))..]);
        return new CatchUpRequest(partitions);
    }
}

/// <summary>The answer to <see cref="CatchUpRequest"/>.</summary>
public sealed record CatchUpReply : IMessage<CatchUpReply>
{
    public static Opcode Opcode => Opcode.CatchUp | Opcode.Reply;

    public void Write(FrameWriter writer) => writer.WriteArray(0);

    public static CatchUpReply Read(ref WireReader reader)
    {
        reader.ReadArray("catch_up", 0, 0);
        return new CatchUpReply();
    }
}
