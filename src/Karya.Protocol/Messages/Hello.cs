namespace Karya.Protocol.Messages;

/// <summary>The first frame of a connection, by the client.</summary>
/// <param name="VersionMin">The oldest version of the protocol that it speaks.</param>
/// <param name="Client">Its name and version, for the eyes of operators.</param>
/// <param name="Token">Null for none.</param>
public sealed record Hello(int VersionMin, int VersionMax, string Client, string? Token) : IMessage<Hello>
{
    public static Opcode Opcode => Opcode.Hello;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteInt64(VersionMin);
        writer.WriteInt64(VersionMax);
        writer.WriteString(Client);
        writer.WriteStringOrNil(Token);
    }

    public static Hello Read(ref WireReader reader)
    {
        reader.ReadArray("hello", 4, 4);
        return new Hello(
            reader.ReadInt32("hello.version_min", 0, byte.MaxValue),
            reader.ReadInt32("hello.version_max", 0, byte.MaxValue),
            reader.ReadString("hello.client", ProtocolLimits.ClientNameBytesMax),
            reader.ReadStringOrNil("hello.token", ProtocolLimits.TokenBytesMax));
    }
}

/// <summary>What a node grants each connection.</summary>
/// <param name="FrameLengthMax">The most that a frame's length may say.</param>
/// <param name="InFlightMax">Requests that may be unanswered at once.</param>
/// <param name="IdleMs">Silence for so long ends the connection; send a ping in time.</param>
/// <param name="LeaseMs">How long a delivery belongs to a worker that does not extend it.</param>
public sealed record ConnectionLimits(int FrameLengthMax, int InFlightMax, long IdleMs, long LeaseMs);

/// <summary>The answer to <see cref="Hello"/>.</summary>
/// <param name="Version">The version that both sides speak from now on.</param>
/// <param name="StoreTimeMs">The store's clock: milliseconds since 1970 UTC.</param>
public sealed record Welcome(
    int Version, string Node, string NodeVersion, long StoreTimeMs, ConnectionLimits Limits, PartitionMap Map)
    : IMessage<Welcome>
{
    public static Opcode Opcode => Opcode.Hello | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(9);
        writer.WriteInt64(Version);
        writer.WriteString(Node);
        writer.WriteString(NodeVersion);
        writer.WriteInt64(StoreTimeMs);
        writer.WriteInt64(Limits.FrameLengthMax);
        writer.WriteInt64(Limits.InFlightMax);
        writer.WriteInt64(Limits.IdleMs);
        writer.WriteInt64(Limits.LeaseMs);
        Map.Write(writer);
    }

    public static Welcome Read(ref WireReader reader)
    {
        reader.ReadArray("welcome", 9, 9);
        return new Welcome(
            reader.ReadInt32("welcome.version", 0, byte.MaxValue),
            reader.ReadString("welcome.node", 256),
            reader.ReadString("welcome.node_version", 256),
            reader.ReadInt64("welcome.store_time", 0),
            new ConnectionLimits(
                reader.ReadInt32("welcome.frame_length_max", FrameHeader.GreetingLengthMax),
                reader.ReadInt32("welcome.in_flight_max", 1),
                reader.ReadInt64("welcome.idle", 1),
                reader.ReadInt64("welcome.lease", 1)),
            PartitionMap.Read(ref reader));
    }
}

/// <summary>Asks for a sign of life.</summary>
public sealed record Ping : IMessage<Ping>
{
    public static Opcode Opcode => Opcode.Ping;

    public void Write(FrameWriter writer) => writer.WriteArray(0);

    public static Ping Read(ref WireReader reader)
    {
        reader.ReadArray("ping", 0, 0);
        return new Ping();
    }
}

/// <summary>The answer to <see cref="Ping"/>, with the store's clock.</summary>
public sealed record Pong(long StoreTimeMs) : IMessage<Pong>
{
    public static Opcode Opcode => Opcode.Ping | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteInt64(StoreTimeMs);
    }

    public static Pong Read(ref WireReader reader)
    {
        reader.ReadArray("pong", 1, 1);
        return new Pong(reader.ReadInt64("pong.store_time", 0));
    }
}

/// <summary>Pushed: the node stops. It answers what it was asked, and takes nothing new.</summary>
/// <param name="DrainMs">How long it waits for running handlers.</param>
public sealed record GoingAway(string Reason, long DrainMs) : IMessage<GoingAway>
{
    public static Opcode Opcode => Opcode.GoingAway;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteString(Reason);
        writer.WriteInt64(DrainMs);
    }

    public static GoingAway Read(ref WireReader reader)
    {
        reader.ReadArray("going_away", 2, 2);
        return new GoingAway(
            reader.ReadString("going_away.reason", ProtocolLimits.ErrorBytesMax),
            reader.ReadInt64("going_away.drain", 0));
    }
}

/// <summary>A refusal. With correlation 0 it concerns the connection, which ends.</summary>
/// <param name="Name">The code in words; <see cref="ErrorNames"/> has those of this version.</param>
/// <param name="Field">The part of the request that is meant; null when it is not one part.</param>
/// <param name="RetryAfterMs">When another try may help; null when it will not.</param>
public sealed record ErrorMessage(
    ErrorCode Code, string Name, string Message, string? Field = null, long? RetryAfterMs = null)
    : IMessage<ErrorMessage>
{
    public static Opcode Opcode => Opcode.Error;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(5);
        writer.WriteInt64((int)Code);
        writer.WriteString(Name);
        writer.WriteString(Message);
        writer.WriteStringOrNil(Field);
        writer.WriteInt64OrNil(RetryAfterMs);
    }

    public static ErrorMessage Read(ref WireReader reader)
    {
        reader.ReadArray("error", 5, 5);
        return new ErrorMessage(
            (ErrorCode)reader.ReadInt32("error.code", 0, ushort.MaxValue),
            reader.ReadString("error.name", 64),
            reader.ReadString("error.message", ProtocolLimits.ErrorBytesMax),
            reader.ReadStringOrNil("error.field", 1024),
            reader.ReadInt64OrNil("error.retry_after", 0));
    }
}
