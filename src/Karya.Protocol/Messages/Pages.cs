namespace Karya.Protocol.Messages;

/// <summary>Parts of one plan's history in pages.</summary>
internal static class Pages
{
    public static void WriteRequest(FrameWriter writer, UInt128 plan, int limit, byte[]? cursor)
    {
        writer.WriteArray(3);
        writer.WriteUuid(plan);
        writer.WriteInt64(limit);
        writer.WriteBinaryOrNil(cursor);
    }

    public static (UInt128 Plan, int Limit, byte[]? Cursor) ReadRequest(ref WireReader reader, string name)
    {
        reader.ReadArray(name, 3, 3);
        return (
            reader.ReadUuid("plan"),
            reader.ReadInt32("limit", 1, ProtocolLimits.PageMax),
            reader.ReadBinaryOrNil("cursor", ProtocolLimits.CursorBytesMax));
    }

    public static void WriteTasks(FrameWriter writer, IReadOnlyList<TaskSnapshot> tasks)
    {
        writer.WriteArray(tasks.Count);
        foreach (var task in tasks)
            task.Write(writer);
    }

    public static TaskSnapshot[] ReadTasks(ref WireReader reader)
    {
        var tasks = new TaskSnapshot[reader.ReadArray("tasks", 0, ProtocolLimits.PageMax, itemSlots: 13)];
        for (int i = 0; i < tasks.Length && !reader.HasFailed; i++)
            tasks[i] = TaskSnapshot.Read(ref reader);
        return tasks;
    }

    public static void WriteErrors(FrameWriter writer, IReadOnlyList<ErrorSnapshot> errors)
    {
        writer.WriteArray(errors.Count);
        foreach (var error in errors)
            error.Write(writer);
    }

    public static ErrorSnapshot[] ReadErrors(ref WireReader reader)
    {
        var errors = new ErrorSnapshot[reader.ReadArray("errors", 0, ProtocolLimits.PageMax, ErrorSnapshot.Slots)];
        for (int i = 0; i < errors.Length && !reader.HasFailed; i++)
            errors[i] = ErrorSnapshot.Read(ref reader);
        return errors;
    }
}

/// <summary>Asks for a user's plans, newest first.</summary>
/// <param name="Status">Only these; <see cref="PlanStatus.None"/> for all.</param>
/// <param name="Limit">1 to 1,000. A page may hold fewer and not be the last.</param>
/// <param name="Cursor">The <c>Next</c> of the page before; null for the first page.</param>
public sealed record ListRequest(UInt128 User, PlanStatus Status, int Limit, byte[]? Cursor) : IMessage<ListRequest>
{
    public static Opcode Opcode => Opcode.List;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteUuid(User);
        writer.WriteInt64((int)Status);
        writer.WriteInt64(Limit);
        writer.WriteBinaryOrNil(Cursor);
    }

    public static ListRequest Read(ref WireReader reader)
    {
        reader.ReadArray("list", 4, 4);
        return new ListRequest(
            reader.ReadUuid("user"),
            (PlanStatus)reader.ReadInt32("status", 0, (int)PlanStatus.Cancelled),
            reader.ReadInt32("limit", 1, ProtocolLimits.PageMax),
            reader.ReadBinaryOrNil("cursor", ProtocolLimits.CursorBytesMax));
    }
}

/// <param name="Next">Pass it to the next call; null when this page is the last.</param>
public sealed record ListReply(IReadOnlyList<PlanSnapshot> Plans, byte[]? Next) : IMessage<ListReply>
{
    public static Opcode Opcode => Opcode.List | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteArray(Plans.Count);
        foreach (var plan in Plans)
            plan.Write(writer);
        writer.WriteBinaryOrNil(Next);
    }

    public static ListReply Read(ref WireReader reader)
    {
        reader.ReadArray("list_reply", 2, 2);
        var plans = new PlanSnapshot[reader.ReadArray("plans", 0, ProtocolLimits.PageMax, itemSlots: 9)];
        for (int i = 0; i < plans.Length && !reader.HasFailed; i++)
            plans[i] = PlanSnapshot.Read(ref reader);
        return new ListReply(plans, reader.ReadBinaryOrNil("next", ProtocolLimits.CursorBytesMax));
    }
}

/// <summary>Asks for a plan's tasks, newest first.</summary>
public sealed record TasksRequest(UInt128 Plan, int Limit, byte[]? Cursor) : IMessage<TasksRequest>
{
    public static Opcode Opcode => Opcode.Tasks;

    public void Write(FrameWriter writer) => Pages.WriteRequest(writer, Plan, Limit, Cursor);

    public static TasksRequest Read(ref WireReader reader)
    {
        var (plan, limit, cursor) = Pages.ReadRequest(ref reader, "tasks");
        return new TasksRequest(plan, limit, cursor);
    }
}

/// <param name="Next">Pass it to the next call; null when this page is the last.</param>
public sealed record TasksReply(IReadOnlyList<TaskSnapshot> Tasks, byte[]? Next) : IMessage<TasksReply>
{
    public static Opcode Opcode => Opcode.Tasks | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        Pages.WriteTasks(writer, Tasks);
        writer.WriteBinaryOrNil(Next);
    }

    public static TasksReply Read(ref WireReader reader)
    {
        reader.ReadArray("tasks_reply", 2, 2);
        return new TasksReply(
            Pages.ReadTasks(ref reader), reader.ReadBinaryOrNil("next", ProtocolLimits.CursorBytesMax));
    }
}

/// <summary>Asks for a plan's errors, newest first.</summary>
public sealed record ErrorsRequest(UInt128 Plan, int Limit, byte[]? Cursor) : IMessage<ErrorsRequest>
{
    public static Opcode Opcode => Opcode.Errors;

    public void Write(FrameWriter writer) => Pages.WriteRequest(writer, Plan, Limit, Cursor);

    public static ErrorsRequest Read(ref WireReader reader)
    {
        var (plan, limit, cursor) = Pages.ReadRequest(ref reader, "errors");
        return new ErrorsRequest(plan, limit, cursor);
    }
}

/// <param name="Next">Pass it to the next call; null when this page is the last.</param>
public sealed record ErrorsReply(IReadOnlyList<ErrorSnapshot> Errors, byte[]? Next) : IMessage<ErrorsReply>
{
    public static Opcode Opcode => Opcode.Errors | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        Pages.WriteErrors(writer, Errors);
        writer.WriteBinaryOrNil(Next);
    }

    public static ErrorsReply Read(ref WireReader reader)
    {
        reader.ReadArray("errors_reply", 2, 2);
        return new ErrorsReply(
            Pages.ReadErrors(ref reader), reader.ReadBinaryOrNil("next", ProtocolLimits.CursorBytesMax));
    }
}

/// <summary>Asks for what a task's handler returned.</summary>
public sealed record ResultRequest(UInt128 Plan, long Occurrence, int Hook) : IMessage<ResultRequest>
{
    public static Opcode Opcode => Opcode.Result;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteUuid(Plan);
        writer.WriteInt64(Occurrence);
        writer.WriteInt64(Hook);
    }

    public static ResultRequest Read(ref WireReader reader)
    {
        reader.ReadArray("result", 3, 3);
        return new ResultRequest(
            reader.ReadUuid("plan"),
            reader.ReadInt64("occurrence", 1),
            reader.ReadInt32("hook", 0, ProtocolLimits.HooksMax));
    }
}

/// <param name="Result">Null when there is none: not yet, or the handler returned nothing.</param>
public sealed record ResultReply(byte[]? Result) : IMessage<ResultReply>
{
    public static Opcode Opcode => Opcode.Result | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteBinaryOrNil(Result);
    }

    public static ResultReply Read(ref WireReader reader)
    {
        reader.ReadArray("result_reply", 1, 1);
        return new ResultReply(reader.ReadBinaryOrNil("result", ProtocolLimits.ResultBytesMax));
    }
}
