namespace Karya.Protocol.Messages;

/// <summary>
/// Has a node give its partitions to others and take none, or take its part again. The node goes on serving requests
/// and ends what it has begun. After a restart it takes its part again.
/// </summary>
/// <param name="Node">Its name.</param>
/// <param name="IsOn">False: it takes its part again.</param>
public sealed record DrainRequest(string Node, bool IsOn) : IMessage<DrainRequest>
{
    private const int NameBytesMax = 1024;

    public static Opcode Opcode => Opcode.Drain;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteString(Node);
        writer.WriteBool(IsOn);
    }

    public static DrainRequest Read(ref WireReader reader)
    {
        reader.ReadArray("drain", 2, 2);
        return new DrainRequest(reader.ReadString("drain.node", NameBytesMax), reader.ReadBool("drain.is_on"));
    }
}

/// <summary>The node has heard it. How far it is, <see cref="ClusterStatusRequest"/> tells.</summary>
public sealed record DrainReply : IMessage<DrainReply>
{
    public static Opcode Opcode => Opcode.Drain | Opcode.Reply;

    public void Write(FrameWriter writer) => writer.WriteArray(0);

    public static DrainReply Read(ref WireReader reader)
    {
        reader.ReadArray("drain", 0, 0);
        return new DrainReply();
    }
}
