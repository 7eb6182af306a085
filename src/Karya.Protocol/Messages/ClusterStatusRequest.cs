namespace Karya.Protocol.Messages;

/// <summary>Asks who is there, and who owns what.</summary>
/// <param name="OwnOnly">Only the node that is asked tells of itself, and of no partitions.</param>
public sealed record ClusterStatusRequest(bool OwnOnly) : IMessage<ClusterStatusRequest>
{
    public static Opcode Opcode => Opcode.Cluster;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteBool(OwnOnly);
    }

    public static ClusterStatusRequest Read(ref WireReader reader)
    {
        reader.ReadArray("cluster", 1, 1);
        return new ClusterStatusRequest(reader.ReadBool("cluster.own_only"));
    }
}

/// <summary>How a node is.</summary>
public enum NodeState
{
    None = 0,

    /// <summary>It works.</summary>
    Up = 1,

    /// <summary>It works, gives its partitions to others, and takes none.</summary>
    Draining = 2,

    /// <summary>It has said that it is there, and does not answer.</summary>
    Silent = 3,
}

/// <summary>A node of a cluster, or one that is alone.</summary>
/// <param name="Incarnation">Of its process: another one after each start. Empty at a node that is alone.</param>
/// <param name="Tcp">Where clients and other nodes reach it.</param>
/// <param name="Http">The root of its HTTP interface.</param>
/// <param name="Partitions">Those that it owns.</param>
/// <param name="Opening">Those among them whose plans it has not read yet: they are on their way to it.</param>
/// <param name="ClockOffsetUs">
/// How far its machine's clock is ahead of the store's, by which it works; null when it does not say.
/// </param>
/// <param name="LateMedianUs">
/// Of attempts that it began within the last five to ten minutes: how late half of them were at most; null for none.
/// </param>
/// <param name="Late99Us">The same of 99 in 100.</param>
/// <param name="Started">Attempts that it has begun since it started.</param>
/// <param name="Trouble">Why it takes no work at present, or what else is wrong with it; null for nothing.</param>
public sealed record NodeStatus(
    string Name, string Incarnation, NodeEndpoint Tcp, string Http, string Version, NodeState State, int Partitions,
    int Opening, long? ClockOffsetUs, long? LateMedianUs, long? Late99Us, long Started, long Running, long UptimeMs,
    string? Trouble)
{
    private const int TextBytesMax = 1024;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(16);
        writer.WriteString(Name);
        writer.WriteString(Incarnation);
        writer.WriteString(Tcp.Host);
        writer.WriteInt64(Tcp.Port);
        writer.WriteString(Http);
        writer.WriteString(Version);
        writer.WriteInt64((int)State);
        writer.WriteInt64(Partitions);
        writer.WriteInt64(Opening);
        writer.WriteInt64OrNil(ClockOffsetUs);
        writer.WriteInt64OrNil(LateMedianUs);
        writer.WriteInt64OrNil(Late99Us);
        writer.WriteInt64(Started);
        writer.WriteInt64(Running);
        writer.WriteInt64(UptimeMs);
        writer.WriteStringOrNil(Trouble);
    }

    internal static NodeStatus Read(ref WireReader reader)
    {
        reader.ReadArray("member", 16, 16);
        return new NodeStatus(
            reader.ReadString("member.name", TextBytesMax),
            reader.ReadString("member.incarnation", TextBytesMax),
            new NodeEndpoint(
                reader.ReadString("member.host", TextBytesMax), reader.ReadInt32("member.port", 0, ushort.MaxValue)),
            reader.ReadString("member.http", TextBytesMax),
            reader.ReadString("member.version", TextBytesMax),
            (NodeState)reader.ReadInt32("member.state", 0, byte.MaxValue),
            reader.ReadInt32("member.partitions", 0),
            reader.ReadInt32("member.opening", 0),
            reader.ReadInt64OrNil("member.clock_offset"),
            reader.ReadInt64OrNil("member.late_median", 0),
            reader.ReadInt64OrNil("member.late_99", 0),
            reader.ReadInt64("member.started", 0),
            reader.ReadInt64("member.running", 0),
            reader.ReadInt64("member.uptime", 0),
            reader.ReadStringOrNil("member.trouble", ProtocolLimits.ErrorBytesMax));
    }
}

/// <summary>Who has a partition.</summary>
/// <param name="Node">Its place among the nodes of the reply; null for one that is not among them, or nobody.</param>
/// <param name="Epoch">Grows with each owner; 0 at a node that is alone.</param>
/// <param name="IsMoving">Its owner has let it go, and nobody has taken it yet.</param>
public readonly record struct PartitionStatus(int? Node, long Epoch, bool IsMoving)
{
    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteInt64OrNil(Node);
        writer.WriteInt64(Epoch);
        writer.WriteBool(IsMoving);
    }

    internal static PartitionStatus Read(ref WireReader reader)
    {
        reader.ReadArray("partition", 3, 3);
        return new PartitionStatus(
            (int?)reader.ReadInt64OrNil("partition.node", 0, ushort.MaxValue),
            reader.ReadInt64("partition.epoch", 0),
            reader.ReadBool("partition.is_moving"));
    }
}

/// <param name="Partitions">All of them by number; none when a node was asked about itself alone.</param>
public sealed record ClusterStatusReply(IReadOnlyList<NodeStatus> Nodes, IReadOnlyList<PartitionStatus> Partitions)
    : IMessage<ClusterStatusReply>
{
    public static Opcode Opcode => Opcode.Cluster | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteArray(Nodes.Count);
        foreach (var node in Nodes)
            node.Write(writer);
        writer.WriteArray(Partitions.Count);
        foreach (var partition in Partitions)
            partition.Write(writer);
    }

    public static ClusterStatusReply Read(ref WireReader reader)
    {
        reader.ReadArray("cluster", 2, 2);
        var nodes = new NodeStatus[reader.ReadArray("cluster.nodes", 0, ushort.MaxValue, itemSlots: 16)];
        for (int i = 0; i < nodes.Length && !reader.HasFailed; i++)
            nodes[i] = NodeStatus.Read(ref reader);
        var partitions = new PartitionStatus[reader.ReadArray("cluster.partitions", 0, ushort.MaxValue, itemSlots: 3)];
        for (int i = 0; i < partitions.Length && !reader.HasFailed; i++)
        {
            partitions[i] = PartitionStatus.Read(ref reader);
            if (partitions[i].Node >= nodes.Length)
            {
                reader.Refuse(
                    ErrorCode.OutOfRange, "partition.node",
                    $"partition.node names node {partitions[i].Node} of {nodes.Length}.");
            }
        }

        return new ClusterStatusReply(nodes, partitions);
    }
}
