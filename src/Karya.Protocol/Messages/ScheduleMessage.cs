namespace Karya.Protocol.Messages;

/// <summary>The forms of a schedule on the wire: append only.</summary>
public enum ScheduleForm
{
    None = 0,
    After = 1,
    At = 2,
    Every = 3,
    Cron = 4,
}

/// <summary>When a plan's tasks are due: an array that begins with its kind.</summary>
public abstract record ScheduleMessage
{
    private protected ScheduleMessage()
    {
    }

    /// <summary>Once, so long after the node takes the plan.</summary>
    public sealed record After(long DelayMs) : ScheduleMessage
    {
        internal override void Write(FrameWriter writer)
        {
            writer.WriteArray(2);
            writer.WriteInt64((int)ScheduleForm.After);
            writer.WriteInt64(DelayMs);
        }
    }

    /// <summary>Once, at an instant: milliseconds since 1970 UTC. One that has passed means at once.</summary>
    public sealed record At(long DueMs) : ScheduleMessage
    {
        internal override void Write(FrameWriter writer)
        {
            writer.WriteArray(2);
            writer.WriteInt64((int)ScheduleForm.At);
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
            writer.WriteInt64((int)ScheduleForm.Every);
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
            writer.WriteInt64((int)ScheduleForm.Cron);
            writer.WriteString(Expression);
            writer.WriteString(Zone);
            writer.WriteInt64OrNil(EndMs);
        }
    }

    internal abstract void Write(FrameWriter writer);

    /// <summary>
    /// Reads a schedule's form, after which its slots follow; <see cref="ScheduleForm.None"/> when it was refused. For
    /// readers that make no objects.
    /// </summary>
    public static ScheduleForm ReadForm(ref WireReader reader)
    {
        int count = reader.ReadArray("schedule", 2, 4);
        var form = (ScheduleForm)reader.ReadInt32("schedule.kind", 0, byte.MaxValue);
        if (!reader.HasFailed && form is < ScheduleForm.After or > ScheduleForm.Cron)
        {
            reader.Refuse(
                ErrorCode.OutOfRange, "schedule.kind",
                $"schedule.kind is {(int)form}; known are 1 (after), 2 (at), 3 (every) and 4 (cron).");
        }

        int slots = form is ScheduleForm.After or ScheduleForm.At ? 2 : 4;
        if (!reader.HasFailed && count != slots)
            reader.Refuse(ErrorCode.Malformed, "schedule", $"schedule has {count} items; expected are {slots}.");
        return reader.HasFailed ? ScheduleForm.None : form;
    }

    public static ScheduleMessage Read(ref WireReader reader)
    {
        return ReadForm(ref reader) switch
        {
            ScheduleForm.At => new At(reader.ReadInt64("schedule.at", 0, ProtocolLimits.InstantMsMax)),
            ScheduleForm.Every => new Every(
                reader.ReadInt64("schedule.every", 1, ProtocolLimits.DurationMsMax),
                reader.ReadInt64OrNil("schedule.first", 0, ProtocolLimits.InstantMsMax),
                reader.ReadInt64OrNil("schedule.end", 0, ProtocolLimits.InstantMsMax)),
            ScheduleForm.Cron => new Cron(
                reader.ReadString("schedule.cron", ProtocolLimits.CronBytesMax),
                reader.ReadString("schedule.zone", ProtocolLimits.ZoneBytesMax),
                reader.ReadInt64OrNil("schedule.end", 0, ProtocolLimits.InstantMsMax)),
            _ => new After(reader.ReadInt64("schedule.after", 0, ProtocolLimits.DurationMsMax)),
        };
    }
}
