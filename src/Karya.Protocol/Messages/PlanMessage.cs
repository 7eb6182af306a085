namespace Karya.Protocol.Messages;

/// <summary>What becomes of occurrences that fell due while nobody could run them.</summary>
public enum MissedRuns
{
    /// <summary>The latest one runs for all.</summary>
    Once = 0,

    /// <summary>None runs.</summary>
    Skip = 1,

    /// <summary>Every one runs.</summary>
    All = 2,
}

/// <summary>When a hook runs.</summary>
public enum HookEvent
{
    None = 0,

    /// <summary>Once per task that failed for good.</summary>
    Failure = 1,

    /// <summary>Once, when a one-time or bounded plan has ended by itself.</summary>
    Completion = 2,
}

/// <summary>How often a failed task is tried again.</summary>
/// <param name="Retries">Attempts after the first.</param>
/// <param name="DelayMs">Before the second attempt; doubles with each further one. Null: the node's default.</param>
/// <param name="DelayMsMax">Where doubling ends. Null: the node's default.</param>
public sealed record PolicyMessage(int Retries, long? DelayMs, long? DelayMsMax, MissedRuns Missed)
{
    /// <summary>A pause between attempts is a day at most.</summary>
    public const long DelayMsLimit = 24L * 3600 * 1000;

    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteInt64(Retries);
        writer.WriteInt64OrNil(DelayMs);
        writer.WriteInt64OrNil(DelayMsMax);
        writer.WriteInt64((int)Missed);
    }

    public static PolicyMessage Read(ref WireReader reader)
    {
        reader.ReadArray("policy", 4, 4);
        return new PolicyMessage(
            reader.ReadInt32("policy.retries", 0, ProtocolLimits.RetriesMax),
            reader.ReadInt64OrNil("policy.delay", 1, DelayMsLimit),
            reader.ReadInt64OrNil("policy.delay_max", 1, DelayMsLimit),
            (MissedRuns)reader.ReadInt32("policy.missed", 0, (int)MissedRuns.All));
    }
}

/// <summary>An action, and the event that it hangs on.</summary>
public sealed record HookMessage(HookEvent Event, int Retries, ActionMessage Action)
{
    internal void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteInt64((int)Event);
        writer.WriteInt64(Retries);
        Action.Write(writer);
    }

    /// <summary>Reads what a hook hangs on and its retries, after which its action follows.</summary>
    public static (HookEvent Event, int Retries) ReadHead(ref WireReader reader)
    {
        reader.ReadArray("hook", 3, 3);
        int trigger = reader.ReadInt32("hook.event", 0, byte.MaxValue);
        if (!reader.HasFailed && trigger is not ((int)HookEvent.Failure or (int)HookEvent.Completion))
        {
            reader.Refuse(
                ErrorCode.UnknownTrigger, "hook.event",
                $"hook.event is {trigger}; known are 1 (failure) and 2 (completion).");
        }

        return ((HookEvent)trigger, reader.ReadInt32("hook.retries", 0, ProtocolLimits.RetriesMax));
    }

    internal static HookMessage Read(ref WireReader reader, int depth)
    {
        var (trigger, retries) = ReadHead(ref reader);
        return new HookMessage(trigger, retries, ActionMessage.Read(ref reader, depth));
    }
}

/// <summary>What a plan is about, apart from its timing. Nodes store these bytes as they came.</summary>
/// <param name="Name">Free text for people.</param>
public sealed record ContentMessage(string Name, ActionMessage Action, IReadOnlyList<HookMessage> Hooks)
{
    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteString(Name);
        Action.Write(writer);
        WriteHooks(writer, Hooks);
    }

    public static ContentMessage Read(ref WireReader reader) => Read(ref reader, depth: 1);

    internal static ContentMessage Read(ref WireReader reader, int depth)
    {
        reader.ReadArray("content", 3, 3);
        return new ContentMessage(
            reader.ReadString("name", ProtocolLimits.DescriptionBytesMax),
            ActionMessage.Read(ref reader, depth),
            ReadHooks(ref reader, depth));
    }

    internal static void WriteHooks(FrameWriter writer, IReadOnlyList<HookMessage> hooks)
    {
        writer.WriteArray(hooks.Count);
        foreach (var hook in hooks)
            hook.Write(writer);
    }

    public static IReadOnlyList<HookMessage> ReadHooks(ref WireReader reader) => ReadHooks(ref reader, depth: 1);

    /// <summary>How many hooks follow; 0 when they were refused.</summary>
    public static int ReadHookCount(ref WireReader reader)
    {
        int count = reader.ReadArray("hooks", 0, int.MaxValue, itemSlots: 3);
        if (count > ProtocolLimits.HooksMax)
        {
            reader.Refuse(
                ErrorCode.TooManyHooks, "hooks",
                $"hooks has {count} items; at most {ProtocolLimits.HooksMax} are allowed.");
        }

        return reader.HasFailed ? 0 : count;
    }

    internal static HookMessage[] ReadHooks(ref WireReader reader, int depth)
    {
        var hooks = new HookMessage[ReadHookCount(ref reader)];
        for (int i = 0; i < hooks.Length && !reader.HasFailed; i++)
            hooks[i] = HookMessage.Read(ref reader, depth);
        return hooks;
    }
}

/// <summary>A plan as a client asks for it.</summary>
/// <param name="User">The owner.</param>
/// <param name="Id">The client's own choice, a UUID of version 7; null to have the node choose.</param>
public sealed record PlanMessage(
    UInt128 User, ScheduleMessage Schedule, PolicyMessage Policy, ContentMessage Content, UInt128? Id = null)
{
    public void Write(FrameWriter writer)
    {
        writer.WriteArray(5);
        writer.WriteUuid(User);
        Schedule.Write(writer);
        Policy.Write(writer);
        Content.Write(writer);
        writer.WriteUuidOrNil(Id);
    }

    public static PlanMessage Read(ref WireReader reader) => Read(ref reader, depth: 1);

    internal static PlanMessage Read(ref WireReader reader, int depth)
    {
        if (depth > ProtocolLimits.ChainDepthMax)
        {
            reader.Refuse(
                ErrorCode.ChainTooDeep, "plan",
                $"A plan is nested {depth} deep; at most {ProtocolLimits.ChainDepthMax} are allowed.");
        }

        reader.ReadArray("plan", 5, 5);
        if (reader.HasFailed)
            return new PlanMessage(default, new ScheduleMessage.After(0), new(0, null, null, 0), Empty);
        return new PlanMessage(
            reader.ReadUuid("plan.user"),
            ScheduleMessage.Read(ref reader),
            PolicyMessage.Read(ref reader),
            ContentMessage.Read(ref reader, depth),
            reader.ReadUuidOrNil("plan.id"));
    }

    private static ContentMessage Empty => new("", TaskAction.Nothing, []);
}
