namespace Karya.Protocol.Messages;

/// <summary>How many tasks of a name a worker takes at once; 0 when no more.</summary>
public sealed record NameCredits(string Name, int Credits);

/// <summary>
/// Makes the connection a worker's, or changes what it takes. Names that are not mentioned stay as they are.
/// </summary>
public sealed record SubscribeRequest(IReadOnlyList<NameCredits> Names) : IMessage<SubscribeRequest>
{
    public static Opcode Opcode => Opcode.Subscribe;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteArray(Names.Count);
        foreach (var (name, credits) in Names)
        {
            writer.WriteArray(2);
            writer.WriteString(name);
            writer.WriteInt64(credits);
        }
    }

    public static SubscribeRequest Read(ref WireReader reader)
    {
        reader.ReadArray("subscribe", 1, 1);
        var names = new NameCredits[reader.ReadArray("names", 1, ProtocolLimits.NamesPerWorkerMax, itemSlots: 2)];
        for (int i = 0; i < names.Length && !reader.HasFailed; i++)
        {
            reader.ReadArray("name_credits", 2, 2);
            names[i] = new NameCredits(
                reader.ReadString("name", ProtocolLimits.TaskNameBytesMax),
                reader.ReadInt32("credits", 0, ProtocolLimits.CreditsMax));
        }

        return new SubscribeRequest(names);
    }
}

/// <param name="LeaseMs">How long a delivery belongs to the worker; <see cref="ExtendRequest"/> begins it anew.</param>
public sealed record SubscribeReply(long LeaseMs) : IMessage<SubscribeReply>
{
    public static Opcode Opcode => Opcode.Subscribe | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteInt64(LeaseMs);
    }

    public static SubscribeReply Read(ref WireReader reader)
    {
        reader.ReadArray("subscribe_reply", 1, 1);
        return new SubscribeReply(reader.ReadInt64("lease", 1));
    }
}

/// <summary>Pushed to a worker: an attempt to carry out.</summary>
/// <param name="Id">Names the delivery in all that the worker says of it.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="DueMs">When the task was first due.</param>
/// <param name="TimeoutMs">How long the attempt may take; 0 for no limit.</param>
/// <param name="Epoch">Of the partition: a higher one is a later owner's. For receivers that de-duplicate.</param>
public sealed record Delivery(
    ulong Id, Guid Task, UInt128 Plan, long Occurrence, int Hook, string Name, byte[] Arguments, int Attempt,
    int AttemptsMax, long DueMs, long TimeoutMs, long Epoch) : IMessage<Delivery>
{
    public static Opcode Opcode => Opcode.Delivery;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(12);
        writer.WriteUInt64(Id);
        writer.WriteUuid(Uuids.ToNumber(Task));
        writer.WriteUuid(Plan);
        writer.WriteInt64(Occurrence);
        writer.WriteInt64(Hook);
        writer.WriteString(Name);
        writer.WriteBinary(Arguments);
        writer.WriteInt64(Attempt);
        writer.WriteInt64(AttemptsMax);
        writer.WriteInt64(DueMs);
        writer.WriteInt64(TimeoutMs);
        writer.WriteInt64(Epoch);
    }

    public static Delivery Read(ref WireReader reader)
    {
        reader.ReadArray("delivery", 12, 12);
        return new Delivery(
            reader.ReadUInt64("delivery.id"),
            Uuids.ToGuid(reader.ReadUuid("delivery.task")),
            reader.ReadUuid("delivery.plan"),
            reader.ReadInt64("delivery.occurrence", 1),
            reader.ReadInt32("delivery.hook", 0),
            reader.ReadString("delivery.name", ProtocolLimits.TaskNameBytesMax),
            reader.ReadBinary("delivery.arguments", ProtocolLimits.PayloadBytesMax).ToArray(),
            reader.ReadInt32("delivery.attempt", 1),
            reader.ReadInt32("delivery.attempts_max", 1),
            reader.ReadInt64("delivery.due"),
            reader.ReadInt64("delivery.timeout", 0),
            reader.ReadInt64("delivery.epoch"));
    }
}

/// <summary>How a worker's attempt ended.</summary>
public enum DeliveryOutcome
{
    Success = 0,

    /// <summary>Failed; the plan's retry policy decides what follows.</summary>
    Failure = 1,

    /// <summary>Failed for good: no retry would help.</summary>
    Permanent = 2,

    /// <summary>
    /// Not carried out: the worker stops. The attempt is made by another worker, or by this one later; it costs none.
    /// </summary>
    Released = 3,
}

/// <summary>The end of one delivery.</summary>
/// <param name="Result">What the handler returned; null for nothing, and for all that is no success.</param>
/// <param name="Error">Why it failed; null for a success.</param>
/// <param name="RetryAfterMs">Of a failure: no retry earlier; 0 for none.</param>
public sealed record DeliveryEnd(
    ulong Id, DeliveryOutcome Outcome, byte[]? Result, string? Error, long RetryAfterMs)
{
    /// <summary>One hour: longer pauses are a schedule.</summary>
    private const long RetryAfterMsMax = 3_600_000;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(5);
        writer.WriteUInt64(Id);
        writer.WriteInt64((int)Outcome);
        writer.WriteBinaryOrNil(Result);
        writer.WriteStringOrNil(Error);
        writer.WriteInt64(RetryAfterMs);
    }

    internal static DeliveryEnd Read(ref WireReader reader)
    {
        reader.ReadArray("end", 5, 5);
        return new DeliveryEnd(
            reader.ReadUInt64("end.id"),
            (DeliveryOutcome)reader.ReadInt32("end.outcome", 0, (int)DeliveryOutcome.Released),
            reader.ReadBinaryOrNil("end.result", ProtocolLimits.ResultBytesMax),
            reader.ReadStringOrNil("end.error", ProtocolLimits.ErrorBytesMax),
            reader.ReadInt64("end.retry_after", 0, RetryAfterMsMax));
    }
}

/// <summary>Ends deliveries. Answered when what they came to is durable.</summary>
public sealed record FinishRequest(IReadOnlyList<DeliveryEnd> Ends) : IMessage<FinishRequest>
{
    public static Opcode Opcode => Opcode.Finish;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteArray(Ends.Count);
        foreach (var end in Ends)
            end.Write(writer);
    }

    public static FinishRequest Read(ref WireReader reader)
    {
        reader.ReadArray("finish", 1, 1);
        var ends = new DeliveryEnd[reader.ReadArray("ends", 1, ProtocolLimits.PageMax, itemSlots: 5)];
        for (int i = 0; i < ends.Length && !reader.HasFailed; i++)
            ends[i] = DeliveryEnd.Read(ref reader);
        return new FinishRequest(ends);
    }
}

/// <param name="NotHeld">
/// Deliveries that were not the worker's any more: their leases had ended, and what came of them does not count.
/// </param>
public sealed record FinishReply(IReadOnlyList<ulong> NotHeld) : IMessage<FinishReply>
{
    public static Opcode Opcode => Opcode.Finish | Opcode.Reply;

    public void Write(FrameWriter writer) => DeliveryIds.Write(writer, NotHeld);

    public static FinishReply Read(ref WireReader reader) => new(DeliveryIds.Read(ref reader, "finish_reply"));
}

/// <summary>Begins the leases of deliveries anew.</summary>
public sealed record ExtendRequest(IReadOnlyList<ulong> Ids) : IMessage<ExtendRequest>
{
    public static Opcode Opcode => Opcode.Extend;

    public void Write(FrameWriter writer) => DeliveryIds.Write(writer, Ids);

    public static ExtendRequest Read(ref WireReader reader) => new(DeliveryIds.Read(ref reader, "extend"));
}

/// <param name="NotHeld">Those that could not be extended: they belong to the worker no more.</param>
public sealed record ExtendReply(IReadOnlyList<ulong> NotHeld) : IMessage<ExtendReply>
{
    public static Opcode Opcode => Opcode.Extend | Opcode.Reply;

    public void Write(FrameWriter writer) => DeliveryIds.Write(writer, NotHeld);

    public static ExtendReply Read(ref WireReader reader) => new(DeliveryIds.Read(ref reader, "extend_reply"));
}

/// <summary>How far a delivery has come. Shown while it runs; not stored.</summary>
/// <param name="Fraction">From 0 to 1.</param>
public sealed record ProgressRequest(ulong Id, double Fraction, string? Note) : IMessage<ProgressRequest>
{
    public static Opcode Opcode => Opcode.Progress;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteUInt64(Id);
        writer.WriteDouble(Fraction);
        writer.WriteStringOrNil(Note);
    }

    public static ProgressRequest Read(ref WireReader reader)
    {
        reader.ReadArray("progress", 3, 3);
        return new ProgressRequest(
            reader.ReadUInt64("progress.id"),
            reader.ReadDouble("progress.fraction", 0, 1),
            reader.ReadStringOrNil("progress.note", ProtocolLimits.ProgressBytesMax));
    }
}

/// <param name="Held">False: the delivery is not the worker's any more.</param>
public sealed record ProgressReply(bool Held) : IMessage<ProgressReply>
{
    public static Opcode Opcode => Opcode.Progress | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(1);
        writer.WriteBool(Held);
    }

    public static ProgressReply Read(ref WireReader reader)
    {
        reader.ReadArray("progress_reply", 1, 1);
        return new ProgressReply(reader.ReadBool("held"));
    }
}

/// <summary>Why a delivery is no longer the worker's.</summary>
public enum RevokeReason
{
    None = 0,

    /// <summary>Its plan was cancelled.</summary>
    Cancelled = 1,

    /// <summary>It was not extended in time.</summary>
    LeaseEnded = 2,

    /// <summary>The attempt took longer than its time limit.</summary>
    TimedOut = 3,
}

/// <summary>Pushed to a worker: stop this handler. What it returns does not count.</summary>
public sealed record Revoke(ulong Id, RevokeReason Reason) : IMessage<Revoke>
{
    public static Opcode Opcode => Opcode.Revoke;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteUInt64(Id);
        writer.WriteInt64((int)Reason);
    }

    public static Revoke Read(ref WireReader reader)
    {
        reader.ReadArray("revoke", 2, 2);
        return new Revoke(
            reader.ReadUInt64("revoke.id"), (RevokeReason)reader.ReadInt32("revoke.reason", 0, byte.MaxValue));
    }
}

/// <summary>A body that is a list of deliveries.</summary>
internal static class DeliveryIds
{
    public static void Write(FrameWriter writer, IReadOnlyList<ulong> ids)
    {
        writer.WriteArray(1);
        writer.WriteArray(ids.Count);
        foreach (ulong id in ids)
            writer.WriteUInt64(id);
    }

    public static ulong[] Read(ref WireReader reader, string name)
    {
        reader.ReadArray(name, 1, 1);
        ulong[] ids = new ulong[reader.ReadArray("ids", 0, ProtocolLimits.PageMax)];
        for (int i = 0; i < ids.Length && !reader.HasFailed; i++)
            ids[i] = reader.ReadUInt64("id");
        return ids;
    }
}
