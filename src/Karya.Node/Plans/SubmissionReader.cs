using System.Buffers;
using System.IO.Hashing;
using Karya.Engine;
using Karya.Engine.Scheduling;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// Reads a plan off the wire and checks all of it, without making objects of it: what the engine needs to know is taken
/// out, the rest is copied as it is. Refusals are left with the reader.
/// </summary>
/// <remarks>The slots are those of <see cref="PlanMessage"/>; a test holds the two against each other.</remarks>
internal static class SubmissionReader
{
    /// <param name="reader">Stands before the plan.</param>
    /// <param name="rules">What this node can carry out; the rest is refused.</param>
    /// <param name="key">The idempotency key; empty for none.</param>
    /// <param name="submission">Holds a rented body when the answer is true.</param>
    public static bool TryRead(
        ref WireReader reader, ActionRules rules, ReadOnlySpan<byte> key, out Submission submission)
    {
        submission = default;
        int planStart = reader.Position;
        reader.ReadArray("plan", 5, 5);
        submission.Spec.User = new UserId(reader.ReadUuid("plan.user"));
        ReadSchedule(ref reader, ref submission);
        ReadPolicy(ref reader, ref submission);
        int contentStart = reader.Position;
        ReadContent(ref reader, ref submission, rules, depth: 1);
        var content = WireContent.WithoutHeader(reader.Since(contentStart));
        var id = reader.ReadUuidOrNil("plan.id");
        Identify(ref reader, ref submission, reader.Since(planStart), id, key);
        if (!reader.TryEnd())
            return false;

        bool hasFingerprint = submission.Id != PlanId.None;
        submission.BodyBytes = WireContent.BytesOf(content, hasFingerprint);
        if (submission.BodyBytes > Limits.BodyBytesMax)
        {
            reader.Refuse(
                ErrorCode.PayloadTooLarge, "plan",
                $"The plan takes {submission.BodyBytes} bytes; at most {Limits.BodyBytesMax} are allowed. Shorten its "
                + "bodies or hooks.");
            return false;
        }

        submission.Body = ArrayPool<byte>.Shared.Rent(submission.BodyBytes);
        WireContent.Write(content, hasFingerprint ? submission.Fingerprint : null, submission.Body);
        return true;
    }

    private static void ReadSchedule(ref WireReader reader, ref Submission submission)
    {
        ref var spec = ref submission.Spec;
        spec.EndMs = PlanSpec.NoEnd;
        switch (ScheduleMessage.ReadForm(ref reader))
        {
            case ScheduleForm.After:
                spec.Kind = ScheduleKind.Once;
                submission.DelayMs = reader.ReadInt64("schedule.after", 0, ProtocolLimits.DurationMsMax);
                spec.PeriodMs = Math.Max(1, submission.DelayMs);
                break;
            case ScheduleForm.At:
                spec.Kind = ScheduleKind.Once;
                submission.FirstMs = reader.ReadInt64("schedule.at", 0, ProtocolLimits.InstantMsMax);
                spec.PeriodMs = 1;
                break;
            case ScheduleForm.Every:
                spec.Kind = ScheduleKind.Every;
                spec.PeriodMs = reader.ReadInt64("schedule.every", 1, ProtocolLimits.DurationMsMax);
                submission.DelayMs = spec.PeriodMs;
                submission.FirstMs = reader.ReadInt64OrNil("schedule.first", 0, ProtocolLimits.InstantMsMax);
                spec.EndMs = reader.ReadInt64OrNil("schedule.end", 0, ProtocolLimits.InstantMsMax) ?? PlanSpec.NoEnd;
                break;
            case ScheduleForm.Cron:
                ReadCron(ref reader, ref submission);
                break;
        }
    }

    private static void ReadCron(ref WireReader reader, ref Submission submission)
    {
        ref var spec = ref submission.Spec;
        spec.Kind = ScheduleKind.Cron;
        spec.PeriodMs = 1; // Stands for nothing.
        string expression = reader.ReadString("schedule.cron", ProtocolLimits.CronBytesMax);
        string zone = reader.ReadString("schedule.zone", ProtocolLimits.ZoneBytesMax);
        spec.EndMs = reader.ReadInt64OrNil("schedule.end", 0, ProtocolLimits.InstantMsMax) ?? PlanSpec.NoEnd;
        if (reader.HasFailed)
            return;
        if (CronSchedule.TryParse(expression, zone, out var schedule, out string? error))
            submission.Schedule = schedule;
        else
            reader.Refuse(ErrorCode.CronInvalid, "schedule.cron", error);
    }

    private static void ReadPolicy(ref WireReader reader, ref Submission submission)
    {
        ref var spec = ref submission.Spec;
        reader.ReadArray("policy", 4, 4);
        spec.AttemptsMax = 1 + reader.ReadInt32("policy.retries", 0, ProtocolLimits.RetriesMax);
        spec.RetryDelayMs = (int)(reader.ReadInt64OrNil("policy.delay", 1, PolicyMessage.DelayMsLimit) ?? 0);
        spec.RetryDelayMsMax = (int)(reader.ReadInt64OrNil("policy.delay_max", 1, PolicyMessage.DelayMsLimit) ?? 0);
        spec.Misfire = (MisfirePolicy)reader.ReadInt32("policy.missed", 0, (int)MissedRuns.All);
        if (spec.RetryDelayMsMax > 0 && spec.RetryDelayMs > spec.RetryDelayMsMax)
        {
            reader.Refuse(
                ErrorCode.OutOfRange, "policy.delay",
                $"policy.delay is {spec.RetryDelayMs}; it must not exceed policy.delay_max, {spec.RetryDelayMsMax}.");
        }
    }

    private static void ReadContent(
        ref WireReader reader, ref Submission submission, ActionRules rules, int depth)
    {
        reader.ReadArray("content", 3, 3);
        reader.ReadUtf8("name", ProtocolLimits.DescriptionBytesMax);
        ActionChecks.Read(ref reader, rules, depth, out submission.Spec.Lane, out submission.Spec.IsPulled);
        submission.Hooks = ReadHooks(ref reader, rules, depth);
        submission.Spec.HookCount = submission.Hooks?.Length ?? 0;
    }

    /// <summary>Checks a whole update: what it says is read by its own type.</summary>
    public static void CheckUpdate(ref WireReader reader, ActionRules rules)
    {
        reader.ReadArray("update", 4, 4);
        reader.ReadUuid("plan");
        reader.ReadInt64OrNil("period");
        reader.ReadInt64OrNil("retries");
        if (!reader.TryReadNil())
            ReadHooks(ref reader, rules, depth: 1);
    }

    /// <summary>Null for none.</summary>
    private static HookSpec[]? ReadHooks(ref WireReader reader, ActionRules rules, int depth)
    {
        int count = ContentMessage.ReadHookCount(ref reader);
        if (count == 0)
            return null;
        var hooks = new HookSpec[count];
        for (int i = 0; i < count && !reader.HasFailed; i++)
            hooks[i] = ReadHook(ref reader, rules, depth);
        return hooks;
    }

    /// <summary>Checks a plan inside an action; what it says is read when it is started.</summary>
    public static void CheckChained(ref WireReader reader, ActionRules rules, int depth)
    {
        if (depth > ProtocolLimits.ChainDepthMax)
        {
            reader.Refuse(
                ErrorCode.ChainTooDeep, "plan",
                $"A plan is nested {depth} deep; at most {ProtocolLimits.ChainDepthMax} are allowed.");
            return;
        }

        var ignored = default(Submission);
        reader.ReadArray("plan", 5, 5);
        reader.ReadUuid("plan.user");
        ReadSchedule(ref reader, ref ignored);
        ReadPolicy(ref reader, ref ignored);
        ReadContent(ref reader, ref ignored, rules, depth);
        if (reader.ReadUuidOrNil("plan.id") is not null && !reader.HasFailed)
        {
            reader.Refuse(
                ErrorCode.InvalidId, "plan.id",
                "plan.id of a plan inside an action must be nil: each start makes another plan.");
        }
    }

    private static HookSpec ReadHook(ref WireReader reader, ActionRules rules, int depth)
    {
        var (trigger, retries) = HookMessage.ReadHead(ref reader);
        ActionChecks.Read(ref reader, rules, depth, out uint lane, out bool isPulled);
        return new HookSpec((HookTrigger)trigger, 1 + retries, lane, isPulled);
    }

    private static void Identify(
        ref WireReader reader, ref Submission submission, ReadOnlySpan<byte> plan, UInt128? id,
        ReadOnlySpan<byte> key)
    {
        if (id is null && key.IsEmpty)
            return;
        if (id is not null && !key.IsEmpty)
        {
            reader.Refuse(
                ErrorCode.InvalidId, "plan.id", "plan.id and key exclude each other: the key decides the id.");
        }
        else if (id is { } own && ((own >> 76) & 0xF) != 7)
        {
            reader.Refuse(
                ErrorCode.InvalidId, "plan.id",
                $"plan.id is {Uuid.ToGuid(own)}; it must be a UUID of version 7, which begins with its time.");
        }

        submission.Id = id is { } chosen ? new PlanId(chosen) : PlanIds.OfKey(submission.Spec.User, key);
        submission.Fingerprint = XxHash3.HashToUInt64(plan);
    }
}
