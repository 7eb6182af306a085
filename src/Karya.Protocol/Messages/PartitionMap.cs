namespace Karya.Protocol.Messages;

/// <summary>Where a node is to be reached.</summary>
public sealed record NodeEndpoint(string Host, int Port);

/// <summary>
/// Which node owns which partition. Whoever knows it can send a request straight to the owner; the wrong node serves it
/// all the same, or redirects.
/// </summary>
/// <param name="Version">Grows with every change.</param>
/// <param name="Nodes">At most 65,535.</param>
/// <param name="Owners">For each partition its owner's place in <paramref name="Nodes"/>.</param>
public sealed record PartitionMap(long Version, IReadOnlyList<NodeEndpoint> Nodes, IReadOnlyList<int> Owners)
{
    /// <summary>One node owns everything.</summary>
    public static PartitionMap Single(int partitionCount, NodeEndpoint node) => new(1, [node], new int[partitionCount]);

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteInt64(Version);
        writer.WriteArray(Nodes.Count);
        foreach (var node in Nodes)
        {
            writer.WriteArray(2);
            writer.WriteString(node.Host);
            writer.WriteInt64(node.Port);
        }

        PartitionNumbers.Write(writer, Owners);
    }

    internal static PartitionMap Read(ref WireReader reader)
    {
        reader.ReadArray("map", 3, 3);
        long version = reader.ReadInt64("map.version", 0);
        var nodes = new NodeEndpoint[reader.ReadArray("map.nodes", 1, ushort.MaxValue, itemSlots: 2)];
        for (int i = 0; i < nodes.Length && !reader.HasFailed; i++)
        {
            reader.ReadArray("map.node", 2, 2);
            nodes[i] = new NodeEndpoint(
                reader.ReadString("map.host", 256), reader.ReadInt32("map.port", 0, ushort.MaxValue));
        }

        return new PartitionMap(version, nodes, ReadOwners(ref reader, nodes.Length));
    }

    private static int[] ReadOwners(ref WireReader reader, int nodeCount)
    {
        int[] owners = PartitionNumbers.Read(ref reader, "map.owners", min: 1);
        for (int i = 0; i < owners.Length && !reader.HasFailed; i++)
        {
            if (owners[i] >= nodeCount)
                reader.Refuse(ErrorCode.OutOfRange, "map.owners", $"map.owners names node {owners[i]} of {nodeCount}.");
        }

        return owners;
    }
}

/// <summary>Asks for the map.</summary>
public sealed record MapRequest : IMessage<MapRequest>
{
    public static Opcode Opcode => Opcode.Map;

    public void Write(FrameWriter writer) => writer.WriteArray(0);

    public static MapRequest Read(ref WireReader reader)
    {
        reader.ReadArray("map", 0, 0);
        return new MapRequest();
    }
}

/// <summary>The answer to <see cref="MapRequest"/>.</summary>
public sealed record MapReply(PartitionMap Map) : IMessage<MapReply>
{
    public static Opcode Opcode => Opcode.Map | Opcode.Reply;

    public void Write(FrameWriter writer) => Map.Write(writer);

    public static MapReply Read(ref WireReader reader) => new(PartitionMap.Read(ref reader));
}

/// <summary>Pushed when the map has changed.</summary>
public sealed record MapChanged(PartitionMap Map) : IMessage<MapChanged>
{
    public static Opcode Opcode => Opcode.MapChanged;

    public void Write(FrameWriter writer) => Map.Write(writer);

    public static MapChanged Read(ref WireReader reader) => new(PartitionMap.Read(ref reader));
}
