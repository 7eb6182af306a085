namespace Karya.Protocol.Messages;

/// <summary>
/// Between nodes of a cluster: answered when the tables have all that was acknowledged of partitions of the receiver.
/// Refused with <see cref="ErrorCode.NotOwner"/> when it has not got all of them.
/// </summary>
public sealed record CatchUpRequest(IReadOnlyList<int> Partitions) : IMessage<CatchUpRequest>
{
    public static Opcode Opcode => Opcode.CatchUp;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        PartitionNumbers.Write(writer, Partitions);
    }

    public static CatchUpRequest Read(ref WireReader reader)
    {
        reader.ReadArray("catch_up", 1, 1);
        return new CatchUpRequest(PartitionNumbers.Read(ref reader, "catch_up.partitions", min: 0));
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
