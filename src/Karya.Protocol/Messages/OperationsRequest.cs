namespace Karya.Protocol.Messages;

/// <summary>Starts to replay or drop all dead letters of a filter.</summary>
/// <param name="Filter">One that applies to all is taken only with <paramref name="IsForAll"/>.</param>
/// <param name="IsForAll">All are meant if the filter names nothing.</param>
/// <param name="SpreadMs">Of a replay: spread evenly over this time; 0 for as fast as it goes. At most a week.</param>
/// <param name="IsDryRun">Only counts them.</param>
public sealed record StartOperationRequest(
    DeadLetterVerb Verb, DeadLetterFilter Filter, bool IsForAll, long SpreadMs, bool IsDryRun)
    : IMessage<StartOperationRequest>
{
    /// <summary>A week.</summary>
    public const long SpreadMsMax = 7L * 24 * 3600 * 1000;

    public static Opcode Opcode => Opcode.StartOperation;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(5);
        writer.WriteInt64((int)Verb);
        Filter.Write(writer);
        writer.WriteBool(IsForAll);
        writer.WriteInt64(SpreadMs);
        writer.WriteBool(IsDryRun);
    }

    public static StartOperationRequest Read(ref WireReader reader)
    {
        reader.ReadArray("start", 5, 5);
        return new StartOperationRequest(
            (DeadLetterVerb)reader.ReadInt32("verb", (int)DeadLetterVerb.Replay, (int)DeadLetterVerb.Drop),
            DeadLetterFilter.Read(ref reader),
            reader.ReadBool("for_all"),
            reader.ReadInt64("spread", 0, SpreadMsMax),
            reader.ReadBool("dry_run"));
    }
}

/// <summary>How far an operation is.</summary>
public enum OperationState
{
    /// <summary>It counts what there is to do.</summary>
    Counting = 1,

    /// <summary>It is at work.</summary>
    Running = 2,

    /// <summary>It has ended by itself.</summary>
    Done = 3,

    /// <summary>It was stopped.</summary>
    Stopped = 4,
}

/// <summary>An operation on many dead letters.</summary>
/// <param name="Matched">How many the filter applies to; so far, while it counts.</param>
/// <param name="Changed">How many it has replayed or dropped.</param>
/// <param name="Passed">How many it met that were dead letters no more, or whose plan was cancelled.</param>
/// <param name="UpdatedMs">When it wrote this down; once in some seconds while it runs.</param>
/// <param name="IsStopAsked">It was asked to stop, and will soon.</param>
/// <param name="Node">Who carries it out, or did.</param>
/// <param name="Note">What it waits for; null for nothing.</param>
public sealed record OperationSnapshot(
    Guid Id, DeadLetterVerb Verb, DeadLetterFilter Filter, OperationState State, bool IsDryRun, long SpreadMs,
    long Matched, long Changed, long Passed, long CreatedMs, long UpdatedMs, bool IsStopAsked, string Node,
    string? Note)
{
    private const int NodeBytesMax = 1024;

    internal const int Slots = 14;

    /// <summary>It has ended.</summary>
    public bool HasEnded => State is OperationState.Done or OperationState.Stopped;

    /// <summary>As an item of a reply.</summary>
    public void Write(FrameWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteArray(Slots);
        writer.WriteUuid(Uuids.ToNumber(Id));
        writer.WriteInt64((int)Verb);
        Filter.Write(writer);
        writer.WriteInt64((int)State);
        writer.WriteBool(IsDryRun);
        writer.WriteInt64(SpreadMs);
        writer.WriteInt64(Matched);
        writer.WriteInt64(Changed);
        writer.WriteInt64(Passed);
        writer.WriteInt64(CreatedMs);
        writer.WriteInt64(UpdatedMs);
        writer.WriteBool(IsStopAsked);
        writer.WriteString(Node);
        writer.WriteStringOrNil(Note);
    }

    /// <summary>The reverse of <see cref="Write"/>. What is wrong is told by the reader.</summary>
    public static OperationSnapshot Read(ref WireReader reader)
    {
        reader.ReadArray("operation", Slots, Slots);
        return new OperationSnapshot(
            Uuids.ToGuid(reader.ReadUuid("operation.id")),
            (DeadLetterVerb)reader.ReadInt32("operation.verb", 0, byte.MaxValue),
            DeadLetterFilter.Read(ref reader),
            (OperationState)reader.ReadInt32("operation.state", 0, byte.MaxValue),
            reader.ReadBool("operation.dry_run"),
            reader.ReadInt64("operation.spread", 0),
            reader.ReadInt64("operation.matched", 0),
            reader.ReadInt64("operation.changed", 0),
            reader.ReadInt64("operation.passed", 0),
            reader.ReadInt64("operation.created"),
            reader.ReadInt64("operation.updated"),
            reader.ReadBool("operation.stop_asked"),
            reader.ReadString("operation.node", NodeBytesMax),
            reader.ReadStringOrNil("operation.note", ProtocolLimits.ErrorBytesMax));
    }
}

/// <summary>The operation that was started.</summary>
public sealed record StartOperationReply(OperationSnapshot Operation) : IMessage<StartOperationReply>
{
    public static Opcode Opcode => Opcode.StartOperation | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        Operation.Write(writer);
    }

    public static StartOperationReply Read(ref WireReader reader)
    {
        reader.ReadArray("start_reply", 1, 1);
        return new StartOperationReply(OperationSnapshot.Read(ref reader));
    }
}

/// <summary>Asks for the operations of the cluster: those that run, and those that ended last.</summary>
/// <param name="Id">Only this one; null for all.</param>
/// <param name="Stops">Asks that one to stop. It ends within seconds.</param>
public sealed record OperationsRequest(Guid? Id, bool Stops, int Limit) : IMessage<OperationsRequest>
{
    public static Opcode Opcode => Opcode.Operations;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteUuidOrNil(Id is { } id ? Uuids.ToNumber(id) : null);
        writer.WriteBool(Stops);
        writer.WriteInt64(Limit);
    }

    public static OperationsRequest Read(ref WireReader reader)
    {
        reader.ReadArray("operations", 3, 3);
        return new OperationsRequest(
            reader.ReadUuidOrNil("id") is { } id ? Uuids.ToGuid(id) : null,
            reader.ReadBool("stop"),
            reader.ReadInt32("limit", 1, ProtocolLimits.PageMax));
    }
}

/// <summary>Operations, those that run first.</summary>
public sealed record OperationsReply(IReadOnlyList<OperationSnapshot> Operations) : IMessage<OperationsReply>
{
    public static Opcode Opcode => Opcode.Operations | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteArray(Operations.Count);
        foreach (var operation in Operations)
            operation.Write(writer);
    }

    public static OperationsReply Read(ref WireReader reader)
    {
        reader.ReadArray("operations_reply", 1, 1);
        var operations = new OperationSnapshot[reader.ReadArray(
            "operations", 0, ProtocolLimits.PageMax, OperationSnapshot.Slots)];
        for (int i = 0; i < operations.Length && !reader.HasFailed; i++)
            operations[i] = OperationSnapshot.Read(ref reader);
        return new OperationsReply(operations);
    }
}
