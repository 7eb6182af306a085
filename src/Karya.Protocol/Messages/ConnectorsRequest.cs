namespace Karya.Protocol.Messages;

/// <summary>Asks a node which connectors it is configured for, and whether one of them works.</summary>
/// <param name="Test">
/// The name of one that is to be tried out, without sending anything to anybody; null for none.
/// </param>
public sealed record ConnectorsRequest(string? Test) : IMessage<ConnectorsRequest>
{
    private const int NameBytesMax = 64;

    public static Opcode Opcode => Opcode.Connectors;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteStringOrNil(Test);
    }

    public static ConnectorsRequest Read(ref WireReader reader)
    {
        reader.ReadArray("connectors", 1, 1);
        return new ConnectorsRequest(reader.ReadStringOrNil("connectors.test", NameBytesMax));
    }
}

/// <summary>What is known of a connector.</summary>
public enum ConnectorState
{
    /// <summary>The node is not configured for it: plans that need it are refused.</summary>
    Missing = 0,

    /// <summary>The node is configured for it. It was not tried out.</summary>
    Configured = 1,

    /// <summary>It was tried out just now, and works.</summary>
    Working = 2,

    /// <summary>It was tried out just now, and does not work.</summary>
    Failing = 3,
}

/// <summary>A connector of a node.</summary>
/// <param name="Name">rest, slack, email or kafka.</param>
/// <param name="Target">Where it goes, without secrets; null when it has no one target, or is missing.</param>
/// <param name="Trouble">Why it does not work, or what setting is missing; null for nothing.</param>
public sealed record ConnectorStatus(string Name, ConnectorState State, string? Target, string? Trouble)
{
    private const int TextBytesMax = 4096;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteString(Name);
        writer.WriteInt64((int)State);
        writer.WriteStringOrNil(Target);
        writer.WriteStringOrNil(Trouble);
    }

    internal static ConnectorStatus Read(ref WireReader reader)
    {
        reader.ReadArray("connector", 4, 4);
        return new ConnectorStatus(
            reader.ReadString("connector.name", TextBytesMax),
            (ConnectorState)reader.ReadInt32("connector.state", 0, byte.MaxValue),
            reader.ReadStringOrNil("connector.target", TextBytesMax),
            reader.ReadStringOrNil("connector.trouble", TextBytesMax));
    }
}

/// <summary>The connectors that this version knows, whether the node is configured for them or not.</summary>
public sealed record ConnectorsReply(IReadOnlyList<ConnectorStatus> Connectors) : IMessage<ConnectorsReply>
{
    private const int CountMax = 64;

    public static Opcode Opcode => Opcode.Connectors | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteArray(Connectors.Count);
        foreach (var connector in Connectors)
            connector.Write(writer);
    }

    public static ConnectorsReply Read(ref WireReader reader)
    {
        reader.ReadArray("connectors", 1, 1);
        var connectors = new ConnectorStatus[reader.ReadArray("connectors.connectors", 0, CountMax, itemSlots: 4)];
        for (int i = 0; i < connectors.Length && !reader.HasFailed; i++)
            connectors[i] = ConnectorStatus.Read(ref reader);
        return new ConnectorsReply(connectors);
    }
}
