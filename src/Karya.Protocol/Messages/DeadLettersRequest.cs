namespace Karya.Protocol.Messages;

/// <summary>Which dead letters are meant: those that everything applies to that is not null.</summary>
/// <param name="User">The owner of their plans.</param>
/// <param name="Connector">rest, slack, email, kafka, chained or worker.</param>
/// <param name="Target">Where it was to go, as a dead letter shows it. Case does not count.</param>
/// <param name="Failure">The class of the last failure, timeout for example; see the list in the documentation.</param>
/// <param name="SinceMs">Failed at this instant or later: milliseconds since 1970 UTC.</param>
/// <param name="UntilMs">Failed before this instant.</param>
public sealed record DeadLetterFilter(
    UInt128? User = null, UInt128? Plan = null, string? Connector = null, string? Target = null,
    string? Failure = null, long? SinceMs = null, long? UntilMs = null)
{
    private const int WordBytesMax = 64;

    /// <summary>It applies to all.</summary>
    public bool IsEmpty => this == new DeadLetterFilter();

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(7);
        writer.WriteUuidOrNil(User);
        writer.WriteUuidOrNil(Plan);
        writer.WriteStringOrNil(Connector);
        writer.WriteStringOrNil(Target);
        writer.WriteStringOrNil(Failure);
        writer.WriteInt64OrNil(SinceMs);
        writer.WriteInt64OrNil(UntilMs);
    }

    internal static DeadLetterFilter Read(ref WireReader reader)
    {
        reader.ReadArray("filter", 7, 7);
        return new DeadLetterFilter(
            reader.ReadUuidOrNil("filter.user"),
            reader.ReadUuidOrNil("filter.plan"),
            reader.ReadStringOrNil("filter.connector", WordBytesMax),
            reader.ReadStringOrNil("filter.target", ProtocolLimits.LineBytesMax),
            reader.ReadStringOrNil("filter.failure", WordBytesMax),
            reader.ReadInt64OrNil("filter.since"),
            reader.ReadInt64OrNil("filter.until"));
    }
}

/// <summary>Asks for dead letters, newest plan first, or for their causes.</summary>
/// <param name="IsGrouped">Causes with how many each has, and not the letters one by one.</param>
/// <param name="Limit">1 to 1,000. A page may hold fewer and not be the last.</param>
/// <param name="Cursor">The <c>Next</c> of the page before; null for the first page.</param>
public sealed record DeadLettersRequest(DeadLetterFilter Filter, bool IsGrouped, int Limit, byte[]? Cursor)
    : IMessage<DeadLettersRequest>
{
    public static Opcode Opcode => Opcode.DeadLetters;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        Filter.Write(writer);
        writer.WriteBool(IsGrouped);
        writer.WriteInt64(Limit);
        writer.WriteBinaryOrNil(Cursor);
    }

    public static DeadLettersRequest Read(ref WireReader reader)
    {
        reader.ReadArray("dead_letters", 4, 4);
        return new DeadLettersRequest(
            DeadLetterFilter.Read(ref reader),
            reader.ReadBool("grouped"),
            reader.ReadInt32("limit", 1, ProtocolLimits.PageMax),
            reader.ReadBinaryOrNil("cursor", ProtocolLimits.CursorBytesMax));
    }
}

/// <summary>A task or hook that ran out of attempts.</summary>
/// <param name="Id">Of the task, as targets are told it.</param>
/// <param name="Hook">0 for the occurrence itself, else the position of the hook plus 1.</param>
/// <param name="Connector">rest, slack, email, kafka, chained or worker.</param>
/// <param name="Target">Where it was to go: a host, a topic, a name of workers.</param>
/// <param name="Failure">The class of the last failure.</param>
/// <param name="Error">What went wrong last; empty when that is not stored any more.</param>
public sealed record DeadLetterSnapshot(
    Guid Id, UInt128 Plan, long Occurrence, int Hook, UInt128 User, string Description, string Connector,
    string Target, string Failure, int Attempts, long DueMs, long? FailedMs, string Error)
{
    private const int WordBytesMax = 64;

    internal const int Slots = 13;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(Slots);
        writer.WriteUuid(Uuids.ToNumber(Id));
        writer.WriteUuid(Plan);
        writer.WriteInt64(Occurrence);
        writer.WriteInt64(Hook);
        writer.WriteUuid(User);
        writer.WriteString(Description);
        writer.WriteString(Connector);
        writer.WriteString(Target);
        writer.WriteString(Failure);
        writer.WriteInt64(Attempts);
        writer.WriteInt64(DueMs);
        writer.WriteInt64OrNil(FailedMs);
        writer.WriteString(Error);
    }

    internal static DeadLetterSnapshot Read(ref WireReader reader)
    {
        reader.ReadArray("letter", Slots, Slots);
        return new DeadLetterSnapshot(
            Uuids.ToGuid(reader.ReadUuid("letter.id")),
            reader.ReadUuid("letter.plan"),
            reader.ReadInt64("letter.occurrence", 0),
            reader.ReadInt32("letter.hook", 0),
            reader.ReadUuid("letter.user"),
            reader.ReadString("letter.description", ProtocolLimits.DescriptionBytesMax),
            reader.ReadString("letter.connector", WordBytesMax),
            reader.ReadString("letter.target", ProtocolLimits.UrlBytesMax),
            reader.ReadString("letter.failure", WordBytesMax),
            reader.ReadInt32("letter.attempts", 0),
            reader.ReadInt64("letter.due"),
            reader.ReadInt64OrNil("letter.failed"),
            reader.ReadString("letter.error", ProtocolLimits.ErrorBytesMax));
    }
}

/// <summary>Dead letters with one cause.</summary>
/// <param name="LastFailedMs">When the last of them failed.</param>
/// <param name="Example">The first that was met, which is of the newest plan.</param>
public sealed record DeadLetterGroup(
    string Connector, string Target, string Failure, long Count, long? LastFailedMs, DeadLetterSnapshot Example)
{
    private const int WordBytesMax = 64;

    internal const int Slots = 6;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(Slots);
        writer.WriteString(Connector);
        writer.WriteString(Target);
        writer.WriteString(Failure);
        writer.WriteInt64(Count);
        writer.WriteInt64OrNil(LastFailedMs);
        Example.Write(writer);
    }

    internal static DeadLetterGroup Read(ref WireReader reader)
    {
        reader.ReadArray("group", Slots, Slots);
        return new DeadLetterGroup(
            reader.ReadString("group.connector", WordBytesMax),
            reader.ReadString("group.target", ProtocolLimits.UrlBytesMax),
            reader.ReadString("group.failure", WordBytesMax),
            reader.ReadInt64("group.count", 0),
            reader.ReadInt64OrNil("group.last_failed"),
            DeadLetterSnapshot.Read(ref reader));
    }
}

/// <param name="Letters">Empty when groups were asked for.</param>
/// <param name="Groups">The largest first. Empty unless they were asked for.</param>
/// <param name="Looked">
/// How many were looked at for this answer: one page looks at 20,000 at most, and groups count no others.
/// </param>
/// <param name="Next">Pass it to the next call; null when this page is the last.</param>
public sealed record DeadLettersReply(
    IReadOnlyList<DeadLetterSnapshot> Letters, IReadOnlyList<DeadLetterGroup> Groups, long Looked, byte[]? Next)
    : IMessage<DeadLettersReply>
{
    public static Opcode Opcode => Opcode.DeadLetters | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteArray(Letters.Count);
        foreach (var letter in Letters)
            letter.Write(writer);
        writer.WriteArray(Groups.Count);
        foreach (var group in Groups)
            group.Write(writer);
        writer.WriteInt64(Looked);
        writer.WriteBinaryOrNil(Next);
    }

    public static DeadLettersReply Read(ref WireReader reader)
    {
        reader.ReadArray("dead_letters_reply", 4, 4);
        var letters = new DeadLetterSnapshot[reader.ReadArray(
            "letters", 0, ProtocolLimits.PageMax, DeadLetterSnapshot.Slots)];
        for (int i = 0; i < letters.Length && !reader.HasFailed; i++)
            letters[i] = DeadLetterSnapshot.Read(ref reader);
        var groups = new DeadLetterGroup[reader.ReadArray("groups", 0, ProtocolLimits.PageMax, DeadLetterGroup.Slots)];
        for (int i = 0; i < groups.Length && !reader.HasFailed; i++)
            groups[i] = DeadLetterGroup.Read(ref reader);
        return new DeadLettersReply(
            letters, groups, reader.ReadInt64("looked", 0),
            reader.ReadBinaryOrNil("next", ProtocolLimits.CursorBytesMax));
    }
}

/// <summary>What is done about dead letters.</summary>
public enum DeadLetterVerb
{
    /// <summary>They get their attempts once more.</summary>
    Replay = 1,

    /// <summary>They are listed no more. Their tasks stay as failed.</summary>
    Drop = 2,
}

/// <summary>Replays or drops one dead letter.</summary>
public sealed record DeadLetterRequest(UInt128 Plan, long Occurrence, int Hook, DeadLetterVerb Verb)
    : IMessage<DeadLetterRequest>
{
    public static Opcode Opcode => Opcode.DeadLetter;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteUuid(Plan);
        writer.WriteInt64(Occurrence);
        writer.WriteInt64(Hook);
        writer.WriteInt64((int)Verb);
    }

    public static DeadLetterRequest Read(ref WireReader reader)
    {
        reader.ReadArray("dead_letter", 4, 4);
        return new DeadLetterRequest(
            reader.ReadUuid("plan"),
            reader.ReadInt64("occurrence", 1),
            reader.ReadInt32("hook", 0, ProtocolLimits.HooksMax),
            (DeadLetterVerb)reader.ReadInt32("verb", (int)DeadLetterVerb.Replay, (int)DeadLetterVerb.Drop));
    }
}

/// <summary>It is done, and durable.</summary>
public sealed record DeadLetterReply : IMessage<DeadLetterReply>
{
    public static Opcode Opcode => Opcode.DeadLetter | Opcode.Reply;

    public void Write(FrameWriter writer) => writer.WriteArray(0);

    public static DeadLetterReply Read(ref WireReader reader)
    {
        reader.ReadArray("dead_letter_reply", 0, 0);
        return new DeadLetterReply();
    }
}
