namespace Karya.Protocol.Messages;

/// <summary>
/// Between nodes of a cluster: a command for a partition that the sender has not. Refused with
/// <see cref="ErrorCode.NotOwner"/> when the receiver has not got it either.
/// </summary>
/// <param name="Command">In the form of the nodes' own version; not part of this protocol.</param>
public sealed record ForwardRequest(byte[] Command) : IMessage<ForwardRequest>
{
    /// <summary>A plan's body at its largest, and what stands around it.</summary>
    public const int CommandBytesMax = 512 * 1024;

    public static Opcode Opcode => Opcode.Forward;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteBinary(Command);
    }

    public static ForwardRequest Read(ref WireReader reader)
    {
        reader.ReadArray("forward", 1, 1);
        return new ForwardRequest(reader.ReadBinary("forward.command", CommandBytesMax).ToArray());
    }
}

/// <summary>The answer to <see cref="ForwardRequest"/>, when what it says is durable.</summary>
/// <param name="Code">What became of the command, in the nodes' own numbers.</param>
public sealed record ForwardReply(int Code) : IMessage<ForwardReply>
{
    public static Opcode Opcode => Opcode.Forward | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteInt64(Code);
    }

    public static ForwardReply Read(ref WireReader reader)
    {
        reader.ReadArray("forward", 1, 1);
        return new ForwardReply(reader.ReadInt32("forward.code", 0, byte.MaxValue));
    }
}
