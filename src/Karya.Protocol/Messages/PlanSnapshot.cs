namespace Karya.Protocol.Messages;

/// <summary>The state of a plan.</summary>
public enum PlanStatus
{
    None = 0,
    Created = 1,
    Running = 2,
    Completed = 3,
    Cancelled = 4,
}

/// <summary>The state of a task.</summary>
public enum PlanTaskStatus
{
    None = 0,
    Created = 1,
    Processing = 2,
    Success = 3,
    Failure = 4,
    Cancelled = 5,
    Skipped = 6,
}

/// <summary>A plan as the node has it.</summary>
/// <param name="Parent">The plan that started it; null when a user did.</param>
public sealed record PlanSnapshot(
    UInt128 Id, UInt128 User, UInt128? Parent, PlanStatus Status, ScheduleMessage Schedule, int Retries,
    long CreatedMs, long UpdatedMs, ContentMessage Content) : IMessage<PlanSnapshot>
{
    public static Opcode Opcode => Opcode.Update | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(9);
        writer.WriteUuid(Id);
        writer.WriteUuid(User);
        writer.WriteUuidOrNil(Parent);
        writer.WriteInt64((int)Status);
        Schedule.Write(writer);
        writer.WriteInt64(Retries);
        writer.WriteInt64(CreatedMs);
        writer.WriteInt64(UpdatedMs);
        Content.Write(writer);
    }

    public static PlanSnapshot Read(ref WireReader reader)
    {
        reader.ReadArray("plan", 9, 9);
        return new PlanSnapshot(
            reader.ReadUuid("plan.id"),
            reader.ReadUuid("plan.user"),
            reader.ReadUuidOrNil("plan.parent"),
            (PlanStatus)reader.ReadInt32("plan.status", 0, byte.MaxValue),
            ScheduleMessage.Read(ref reader),
            reader.ReadInt32("plan.retries", 0),
            reader.ReadInt64("plan.created"),
            reader.ReadInt64("plan.updated"),
            ContentMessage.Read(ref reader));
    }
}

/// <summary>A task as the node has it.</summary>
/// <param name="Hook">0 for the occurrence itself, else the position of the hook plus 1.</param>
/// <param name="OccurrenceTo">Of a skipped range the last one; else the same as <paramref name="Occurrence"/>.</param>
/// <param name="StartedMs">Start of the last attempt; null when none was made yet.</param>
/// <param name="FinishedMs">End of the last attempt; null while none has ended.</param>
/// <param name="Progress">From 0 to 1, by the worker that carries it out; null when nothing is known.</param>
/// <param name="Note">What the worker says of its progress, or why the task waits; null for nothing.</param>
public sealed record TaskSnapshot(
    Guid Id, long Occurrence, int Hook, long OccurrenceTo, int Partition, PlanTaskStatus Status, long CreatedMs,
    long DueMs, long? StartedMs, long? FinishedMs, int Attempts, double? Progress, string? Note)
{
    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(13);
        writer.WriteUuid(Uuids.ToNumber(Id));
        writer.WriteInt64(Occurrence);
        writer.WriteInt64(Hook);
        writer.WriteInt64(OccurrenceTo);
        writer.WriteInt64(Partition);
        writer.WriteInt64((int)Status);
        writer.WriteInt64(CreatedMs);
        writer.WriteInt64(DueMs);
        writer.WriteInt64OrNil(StartedMs);
        writer.WriteInt64OrNil(FinishedMs);
        writer.WriteInt64(Attempts);
        if (Progress is { } progress)
            writer.WriteDouble(progress);
        else
            writer.WriteNil();
        writer.WriteStringOrNil(Note);
    }

    internal static TaskSnapshot Read(ref WireReader reader)
    {
        reader.ReadArray("task", 13, 13);
        return new TaskSnapshot(
            Uuids.ToGuid(reader.ReadUuid("task.id")),
            reader.ReadInt64("task.occurrence", 0),
            reader.ReadInt32("task.hook", 0),
            reader.ReadInt64("task.occurrence_to", 0),
            reader.ReadInt32("task.partition", 0),
            (PlanTaskStatus)reader.ReadInt32("task.status", 0, byte.MaxValue),
            reader.ReadInt64("task.created"),
            reader.ReadInt64("task.due"),
            reader.ReadInt64OrNil("task.started"),
            reader.ReadInt64OrNil("task.finished"),
            reader.ReadInt32("task.attempts", 0),
            reader.TryReadNil() ? null : reader.ReadDouble("task.progress", 0, 1),
            reader.ReadStringOrNil("task.note", ProtocolLimits.ErrorBytesMax));
    }
}

/// <summary>One failed attempt.</summary>
/// <param name="Failure">What kind of failure it was: timeout, for example.</param>
public sealed record ErrorSnapshot(long Occurrence, int Hook, int Attempt, long AtMs, string Text, string Failure)
{
    private const int WordBytesMax = 64;

    internal const int Slots = 6;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(Slots);
        writer.WriteInt64(Occurrence);
        writer.WriteInt64(Hook);
        writer.WriteInt64(Attempt);
        writer.WriteInt64(AtMs);
        writer.WriteString(Text);
        writer.WriteString(Failure);
    }

    internal static ErrorSnapshot Read(ref WireReader reader)
    {
        reader.ReadArray("error", Slots, Slots);
        return new ErrorSnapshot(
            reader.ReadInt64("error.occurrence", 0),
            reader.ReadInt32("error.hook", 0),
            reader.ReadInt32("error.attempt", 0),
            reader.ReadInt64("error.at"),
            reader.ReadString("error.text", ProtocolLimits.ErrorBytesMax),
            reader.ReadString("error.failure", WordBytesMax));
    }
}

/// <summary>A plan with its latest task.</summary>
public sealed record PlanDetails(PlanSnapshot Plan, TaskSnapshot Task) : IMessage<PlanDetails>
{
    public static Opcode Opcode => Opcode.Get | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        Plan.Write(writer);
        Task.Write(writer);
    }

    public static PlanDetails Read(ref WireReader reader)
    {
        reader.ReadArray("details", 2, 2);
        return new PlanDetails(PlanSnapshot.Read(ref reader), TaskSnapshot.Read(ref reader));
    }
}

/// <summary>A plan with its latest tasks and errors, oldest first: at most 100 of each.</summary>
public sealed record SummaryReply(
    PlanSnapshot Plan, IReadOnlyList<TaskSnapshot> Tasks, IReadOnlyList<ErrorSnapshot> Errors) : IMessage<SummaryReply>
{
    public static Opcode Opcode => Opcode.Summary | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        Plan.Write(writer);
        Pages.WriteTasks(writer, Tasks);
        Pages.WriteErrors(writer, Errors);
    }

    public static SummaryReply Read(ref WireReader reader)
    {
        reader.ReadArray("summary", 3, 3);
        return new SummaryReply(
            PlanSnapshot.Read(ref reader), Pages.ReadTasks(ref reader), Pages.ReadErrors(ref reader));
    }
}
