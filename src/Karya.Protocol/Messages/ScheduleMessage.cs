namespace Karya.Protocol.Messages;

/// <summary>When a plan's tasks are due: an array that begins with its kind.</summary>
public abstract record ScheduleMessage
{
    private const int AfterKind = 1;
    private const int AtKind = 2;
    private const int EveryKind = 3;
    private const int CronKind = 4;

    private protected ScheduleMessage()
    {
    }

    /// <summary>Once, so long after the node takes the plan.</summary>
    public sealed record After(long DelayMs) : ScheduleMessage
    {
        internal override void Write(FrameWriter writer)
        {
            writer.WriteArray(2);
            writer.WriteInt64(AfterKind);
            writer.WriteInt64(DelayMs);
        }
    }

    /// <summary>Once, at an instant: milliseconds since 1970 UTC. One that has passed means at once.</summary>
    public sealed record At(long DueMs) : ScheduleMessage
    {
        internal override void Write(FrameWriter writer)
        {
            writer.WriteArray(2);
            writer.WriteInt64(AtKind);
            writer.WriteInt64(DueMs);
        }
    }

    /// <summary>Again and again: at the first instant and then a period after the last, without drift.</summary>
    /// <param name="FirstMs">Null: a period after the node takes the plan.</param>
    /// <param name="EndMs">No occurrence after this; null for no end.</param>
    public sealed record Every(long PeriodMs, long? FirstMs, long? EndMs) : ScheduleMessage
    {
        internal override void Write(FrameWriter writer)
        {
            writer.WriteArray(4);
            writer.WriteInt64(EveryKind);
            writer.WriteInt64(PeriodMs);
            writer.WriteInt64OrNil(FirstMs);
            writer.WriteInt64OrNil(EndMs);
        }
    }

    /// <summary>By a cron expression of five fields, or six with seconds in front.</summary>
    /// <param name="Zone">IANA name, such as Europe/Berlin.</param>
    /// <param name="EndMs">No occurrence after this; null for no end.</param>
    public sealed record Cron(string Expression, string Zone, long? EndMs) : ScheduleMessage
    {
        internal override void Write(FrameWriter writer)
        {
            writer.WriteArray(4);
            writer.WriteInt64(CronKind);
            writer.WriteString(Expression);
            writer.WriteString(Zone);
            writer.WriteInt64OrNil(EndMs);
        }
    }

    internal abstract void Write(FrameWriter writer);

    public static ScheduleMessage Read(ref WireReader reader)
    {
        int count = reader.ReadArray("schedule", 2, 4);
        int kind = reader.ReadInt32("schedule.kind", 0, byte.MaxValue);
        if (!reader.HasFailed && kind is < AfterKind or > CronKind)
        {
            reader.Refuse(
                ErrorCode.OutOfRange, "schedule.kind",
                $"schedule.kind is {kind}; known are 1 (after), 2 (at), 3 (every) and 4 (cron).");
        }

        int slots = kind is AfterKind or AtKind ? 2 : 4;
        if (!reader.HasFailed && count != slots)
            reader.Refuse(ErrorCode.Malformed, "schedule", $"schedule has {count} items; expected are {slots}.");
        return kind switch
        {
            AtKind => new At(reader.ReadInt64("schedule.at", 0, ProtocolLimits.InstantMsMax)),
            EveryKind => new Every(
                reader.ReadInt64("schedule.every", 1, ProtocolLimits.DurationMsMax),
                reader.ReadInt64OrNil("schedule.first", 0, ProtocolLimits.InstantMsMax),
                reader.ReadInt64OrNil("schedule.end", 0, ProtocolLimits.InstantMsMax)),
            CronKind => new Cron(
                reader.ReadString("schedule.cron", ProtocolLimits.CronBytesMax),
                reader.ReadString("schedule.zone", ProtocolLimits.ZoneBytesMax),
                reader.ReadInt64OrNil("schedule.end", 0, ProtocolLimits.InstantMsMax)),
            _ => new After(reader.ReadInt64("schedule.after", 0, ProtocolLimits.DurationMsMax)),
        };
    }
}
