using System.Buffers;
using Karya.Engine;
using Karya.Protocol;

namespace Karya.Node.Network;

/// <summary>A command as it goes from node to node. Pure.</summary>
/// <remarks>
/// The first slot is the form's version; another one is refused, and nothing of it is done. Reply targets and tags stay
/// behind: an answer finds its way by the frame's correlation.
/// </remarks>
internal static class PeerCommand
{
    private const int Version = 2;
    private const int Slots = 19;
    private const int SpecSlots = 16;
    private const int HookSlots = 4;
    private const int CronBytesMax = 1024; // An expression, a zone, and what stands between them.

    [Flags]
    private enum Marks : byte
    {
        None = 0,
        Retryable = 1,
        Accepted = 2,
        MayExist = 4,
        Pulled = 8,
    }

    public static byte[] Write(in Command command)
    {
        var writer = new FrameWriter();
        writer.WriteArray(Slots);
        writer.WriteInt64(Version);
        writer.WriteInt64((int)command.Kind);
        writer.WriteInt64((int)command.Update);
        writer.WriteInt64((int)MarksOf(command));
        writer.WriteInt64(command.Partition);
        writer.WriteInt64(command.Attempt);
        writer.WriteInt64(command.Lane);
        writer.WriteUuid(command.Key.Plan.Value);
        writer.WriteInt64(command.Key.Occurrence);
        writer.WriteInt64(command.Key.Hook);
        writer.WriteInt64(command.AtMs);
        writer.WriteInt64(command.DueMs);
        writer.WriteInt64(command.RetryAfterMs);
        writer.WriteInt64((int)command.Failure);
        writer.WriteUInt64(command.MadeFrom);
        WriteSpec(writer, command.Spec);
        WriteHooks(writer, command.Hooks);
        writer.WriteBinaryOrNil(command.Cron);
        if (command.Payload is { } payload)
            writer.WriteBinary(payload.AsSpan(0, command.PayloadBytes));
        else
            writer.WriteNil();
        return writer.Written.ToArray();
    }

    /// <summary>The payload of what was read is rented, and the caller's.</summary>
    /// <returns>False: it is not what <see cref="Write"/> writes.</returns>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out Command command)
    {
        var reader = new WireReader(bytes);
        command = default;
        reader.ReadArray("command", Slots, Slots);
        reader.ReadInt32("command.version", Version, Version);
        command.Kind = (CommandKind)reader.ReadInt32(
            "command.kind", (int)CommandKind.Submit, (int)CommandKind.AttemptReleased);
        command.Update = (PlanUpdate)reader.ReadInt32("command.update", 0, 7);
        var marks = (Marks)reader.ReadInt32("command.marks", 0, 15);
        command.Retryable = marks.HasFlag(Marks.Retryable);
        command.IsAccepted = marks.HasFlag(Marks.Accepted);
        command.MayExist = marks.HasFlag(Marks.MayExist);
        command.IsPulled = marks.HasFlag(Marks.Pulled);
        command.Partition = reader.ReadInt32("command.partition", 0, ushort.MaxValue);
        command.Attempt = reader.ReadInt32("command.attempt", 0);
        command.Lane = (uint)reader.ReadInt64("command.lane", 0, uint.MaxValue);
        var plan = new PlanId(reader.ReadUuid("command.plan"));
        long occurrence = reader.ReadInt64("command.occurrence", 0);
        command.Key = new TaskKey(plan, occurrence, reader.ReadInt32("command.hook", 0, Limits.HooksPerPlanMax));
        command.AtMs = reader.ReadInt64("command.at", 0);
        command.DueMs = reader.ReadInt64("command.due", 0);
        command.RetryAfterMs = reader.ReadInt32("command.retry_after", 0);
        command.Failure = (FailureClass)reader.ReadInt32("command.failure", 0, byte.MaxValue);
        command.MadeFrom = reader.ReadUInt64("command.made_from");
        command.Spec = ReadSpec(ref reader);
        command.Hooks = ReadHooks(ref reader);
        command.Cron = reader.ReadBinaryOrNil("command.cron", CronBytesMax);
        bool hasPayload = !reader.TryReadNil();
        var payload = hasPayload ? reader.ReadBinary("command.payload", Limits.BodyBytesMax) : default;
        if (!reader.TryEnd())
            return false;
        if (hasPayload)
        {
            command.Payload = ArrayPool<byte>.Shared.Rent(Math.Max(1, payload.Length));
            payload.CopyTo(command.Payload);
            command.PayloadBytes = payload.Length;
        }

        return true;
    }

    private static Marks MarksOf(in Command command) =>
        (command.Retryable ? Marks.Retryable : Marks.None)
        | (command.IsAccepted ? Marks.Accepted : Marks.None)
        | (command.MayExist ? Marks.MayExist : Marks.None)
        | (command.IsPulled ? Marks.Pulled : Marks.None);

    private static void WriteSpec(FrameWriter writer, in PlanSpec spec)
    {
        writer.WriteArray(SpecSlots);
        writer.WriteUuid(spec.Id.Value);
        writer.WriteUuid(spec.User.Value);
        writer.WriteUuid(spec.Parent.Value);
        writer.WriteInt64(spec.CreatedMs);
        writer.WriteInt64(spec.FirstDueMs);
        writer.WriteInt64(spec.PeriodMs);
        writer.WriteInt64(spec.EndMs);
        writer.WriteInt64((int)spec.Kind);
        writer.WriteInt64((int)spec.Misfire);
        writer.WriteInt64(spec.AttemptsMax);
        writer.WriteInt64(spec.RetryDelayMs);
        writer.WriteInt64(spec.RetryDelayMsMax);
        writer.WriteInt64(spec.Lane);
        writer.WriteBool(spec.IsPulled);
        writer.WriteInt64(spec.HookCount);
        writer.WriteInt64(spec.CronBytes);
    }

    private static PlanSpec ReadSpec(ref WireReader reader)
    {
        reader.ReadArray("spec", SpecSlots, SpecSlots);
        return new PlanSpec
        {
            Id = new PlanId(reader.ReadUuid("spec.id")),
            User = new UserId(reader.ReadUuid("spec.user")),
            Parent = new PlanId(reader.ReadUuid("spec.parent")),
            CreatedMs = reader.ReadInt64("spec.created", 0),
            FirstDueMs = reader.ReadInt64("spec.first_due", 0),
            PeriodMs = reader.ReadInt64("spec.period", 0),
            EndMs = reader.ReadInt64("spec.end", 0),
            Kind = (ScheduleKind)reader.ReadInt32("spec.kind", 0, (int)ScheduleKind.Cron),
            Misfire = (MisfirePolicy)reader.ReadInt32("spec.misfire", 0, (int)MisfirePolicy.All),
            AttemptsMax = reader.ReadInt32("spec.attempts", 0, Limits.AttemptsMax),
            RetryDelayMs = reader.ReadInt32("spec.retry_delay", 0),
            RetryDelayMsMax = reader.ReadInt32("spec.retry_delay_max", 0),
            Lane = (uint)reader.ReadInt64("spec.lane", 0, uint.MaxValue),
            IsPulled = reader.ReadBool("spec.pulled"),
            HookCount = reader.ReadInt32("spec.hooks", 0, Limits.HooksPerPlanMax),
            CronBytes = reader.ReadInt32("spec.cron", 0, ushort.MaxValue),
        };
    }

    private static void WriteHooks(FrameWriter writer, HookSpec[]? hooks)
    {
        writer.WriteArray(hooks?.Length ?? 0);
        foreach (var hook in hooks ?? [])
        {
            writer.WriteArray(HookSlots);
            writer.WriteInt64((int)hook.Trigger);
            writer.WriteInt64(hook.AttemptsMax);
            writer.WriteInt64(hook.Lane);
            writer.WriteBool(hook.IsPulled);
        }
    }

    private static HookSpec[]? ReadHooks(ref WireReader reader)
    {
        int count = reader.ReadArray("hooks", 0, Limits.HooksPerPlanMax);
        if (count == 0 || reader.HasFailed)
            return null;
        var hooks = new HookSpec[count];
        for (int i = 0; i < count; i++)
        {
            reader.ReadArray("hook", HookSlots, HookSlots);
            hooks[i] = new HookSpec(
                (HookTrigger)reader.ReadInt32("hook.trigger", 1, (int)HookTrigger.OnCompletion),
                reader.ReadInt32("hook.attempts", 1, Limits.AttemptsMax),
                (uint)reader.ReadInt64("hook.lane", 0, uint.MaxValue),
                reader.ReadBool("hook.pulled"));
        }

        return hooks;
    }
}
