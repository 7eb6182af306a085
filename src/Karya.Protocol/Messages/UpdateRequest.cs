namespace Karya.Protocol.Messages;

/// <summary>Changes what is not null. The task that waits already keeps its due instant.</summary>
public sealed record UpdateRequest(UInt128 Plan, long? PeriodMs, int? Retries, IReadOnlyList<HookMessage>? Hooks)
    : IMessage<UpdateRequest>
{
    public static Opcode Opcode => Opcode.Update;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteUuid(Plan);
        writer.WriteInt64OrNil(PeriodMs);
        writer.WriteInt64OrNil(Retries);
        if (Hooks is null)
            writer.WriteNil();
        else
            ContentMessage.WriteHooks(writer, Hooks);
    }

    public static UpdateRequest Read(ref WireReader reader)
    {
        reader.ReadArray("update", 4, 4);
        return new UpdateRequest(
            reader.ReadUuid("plan"),
            reader.ReadInt64OrNil("period", 1, ProtocolLimits.DurationMsMax),
            (int?)reader.ReadInt64OrNil("retries", 0, ProtocolLimits.RetriesMax),
            reader.TryReadNil() ? null : ContentMessage.ReadHooks(ref reader, depth: 1));
    }
}

/// <summary>Stops a plan and all its descendants. Answered by a <see cref="CancelReply"/>.</summary>
public sealed record CancelRequest(UInt128 Plan) : IMessage<CancelRequest>
{
    public static Opcode Opcode => Opcode.Cancel;

    public void Write(FrameWriter writer) => PlanName.Write(writer, Plan);

    public static CancelRequest Read(ref WireReader reader) => new(PlanName.Read(ref reader));
}

/// <summary>The plan as it is now.</summary>
public sealed record CancelReply(PlanSnapshot Plan) : IMessage<CancelReply>
{
    public static Opcode Opcode => Opcode.Cancel | Opcode.Reply;

    public void Write(FrameWriter writer) => Plan.Write(writer);

    public static CancelReply Read(ref WireReader reader) => new(PlanSnapshot.Read(ref reader));
}

/// <summary>Runs the task that waits at once; the ones after it keep their instants.</summary>
public sealed record TriggerRequest(UInt128 Plan) : IMessage<TriggerRequest>
{
    public static Opcode Opcode => Opcode.Trigger;

    public void Write(FrameWriter writer) => PlanName.Write(writer, Plan);

    public static TriggerRequest Read(ref WireReader reader) => new(PlanName.Read(ref reader));
}

/// <summary>The plan as it is now.</summary>
public sealed record TriggerReply(PlanSnapshot Plan) : IMessage<TriggerReply>
{
    public static Opcode Opcode => Opcode.Trigger | Opcode.Reply;

    public void Write(FrameWriter writer) => Plan.Write(writer);

    public static TriggerReply Read(ref WireReader reader) => new(PlanSnapshot.Read(ref reader));
}

/// <summary>Asks for a plan with its latest task: <see cref="PlanDetails"/>.</summary>
public sealed record GetRequest(UInt128 Plan) : IMessage<GetRequest>
{
    public static Opcode Opcode => Opcode.Get;

    public void Write(FrameWriter writer) => PlanName.Write(writer, Plan);

    public static GetRequest Read(ref WireReader reader) => new(PlanName.Read(ref reader));
}

/// <summary>Asks for a plan with its latest tasks and errors: <see cref="SummaryReply"/>.</summary>
public sealed record SummaryRequest(UInt128 Plan) : IMessage<SummaryRequest>
{
    public static Opcode Opcode => Opcode.Summary;

    public void Write(FrameWriter writer) => PlanName.Write(writer, Plan);

    public static SummaryRequest Read(ref WireReader reader) => new(PlanName.Read(ref reader));
}

/// <summary>A body that is the id of a plan.</summary>
internal static class PlanName
{
    public static void Write(FrameWriter writer, UInt128 plan)
    {
        writer.WriteArray(1);
        writer.WriteUuid(plan);
    }

    public static UInt128 Read(ref WireReader reader)
    {
        reader.ReadArray("request", 1, 1);
        return reader.ReadUuid("plan");
    }
}
