using Karya.Engine.Scheduling;
using Karya.Engine.Tables;

namespace Karya.Engine.Journal;

/// <summary>One open task of a stored plan, for answers.</summary>
public readonly record struct OpenTask(
    long Occurrence, int Hook, PlanTaskState State, long CreatedMs, long DueMs, long AttemptDueMs, long StartedMs,
    long FinishedMs, int Attempts, int AttemptsMax);

/// <summary>
/// A plan's state as the tables keep it: everything but its body. The same bytes load the plan into memory again.
/// </summary>
/// <remarks>
/// <code>
/// version 1 | spec (RecordCodec.WriteSpec) | created | updated | state | flags | last occurrence | hooks
/// | of a cron plan: its schedule, see CronSchedule.ToBytes
/// | open tasks: count, then per task occurrence, hook, state, created, due, attempt due, started, finished, attempts,
/// attempts max, lane
/// </code>
/// </remarks>
public sealed class PlanMemo
{
    private const byte Version = 1;
    private const byte ReplayedBit = 0x80;
    private const byte PulledBit = 0x40;
    private const byte AwayBit = 0x20;

    private PlanSpec _spec;

    private PlanMemo()
    {
    }

    public PlanState State { get; private set; }

    public long UpdatedMs { get; private set; }

    public IReadOnlyList<OpenTask> OpenTasks { get; private set; } = [];

    /// <summary>The schedule of a cron plan, see <see cref="CronSchedule.ToBytes"/>; else empty.</summary>
    public ReadOnlyMemory<byte> Cron { get; private set; }

    public ref readonly PlanSpec Spec => ref _spec;

    /// <summary>Decodes for answers. Throws <see cref="RecordDamagedException"/>.</summary>
    public static PlanMemo Read(ReadOnlySpan<byte> bytes)
    {
        var memo = new PlanMemo();
        var plan = default(PlanEntry);
        var reader = new ByteReader(bytes);
        ReadPlan(ref reader, ref plan, ref memo._spec, out var hooks);
        memo.Cron = hooks[(memo._spec.HookCount * HookTable.BytesPerHook)..].ToArray();
        memo.State = plan.State;
        memo.UpdatedMs = plan.UpdatedMs;
        var tasks = new OpenTask[(int)Math.Min(reader.ReadVarint(), (ulong)bytes.Length)];
        for (int i = 0; i < tasks.Length; i++)
        {
            var task = default(TaskEntry);
            ReadTask(ref reader, ref task);
            tasks[i] = new OpenTask(
                task.Occurrence, task.Hook, task.State, task.CreatedMs, task.DueMs, task.AttemptDueMs, task.StartedMs,
                task.FinishedMs, task.Attempts, task.AttemptsMax);
        }

        memo.OpenTasks = tasks;
        return memo;
    }

    internal static void WritePlan(ByteWriter writer, in PlanEntry plan, ReadOnlySpan<byte> hooks)
    {
        writer.WriteByte(Version);
        var spec = new PlanSpec
        {
            User = plan.User,
            Parent = plan.Parent,
            Kind = plan.Kind,
            Misfire = plan.Misfire,
            IsPulled = (plan.Flags & PlanFlags.Pulled) != 0,
            PeriodMs = plan.PeriodMs,
            EndMs = plan.EndMs,
            AttemptsMax = plan.AttemptsMax,
            RetryDelayMs = plan.RetryDelayMs,
            RetryDelayMsMax = plan.RetryDelayMsMax,
            Lane = plan.Lane,
            HookCount = plan.HookCount,
            CronBytes = plan.CronBytes,
        };
        RecordCodec.WriteSpec(writer, spec);
        writer.WriteVarint((ulong)plan.CreatedMs);
        writer.WriteVarint((ulong)plan.UpdatedMs);
        writer.WriteByte((byte)plan.State);
        writer.WriteByte((byte)(plan.Flags & PlanFlags.HasChildren));
        writer.WriteVarint((ulong)plan.LastOccurrence);
        writer.Write(hooks);
    }

    internal static void ReadPlan(
        ref ByteReader reader, ref PlanEntry plan, ref PlanSpec spec, out ReadOnlySpan<byte> hooks)
    {
        byte version = reader.ReadByte();
        if (version != Version)
            throw new RecordDamagedException($"Plan memo version {version} is not known to this version of Karya.");

        RecordCodec.ReadSpec(ref reader, ref spec);
        spec.CreatedMs = (long)reader.ReadVarint();
        plan.UpdatedMs = (long)reader.ReadVarint();
        plan.State = (PlanState)reader.ReadByte();
        plan.Flags = (PlanFlags)reader.ReadByte() & PlanFlags.HasChildren; // Fill adds what the spec says.
        plan.LastOccurrence = (long)reader.ReadVarint();
        hooks = reader.ReadBytes(spec.HookCount * HookTable.BytesPerHook + spec.CronBytes);
    }

    internal static void WriteTask(ByteWriter writer, in TaskEntry task)
    {
        writer.WriteVarint((ulong)task.Occurrence);
        writer.WriteVarint((ulong)task.Hook);
        int bits = (task.IsReplayed ? ReplayedBit : 0) | (task.IsPulled ? PulledBit : 0) | (task.IsAway ? AwayBit : 0);
        writer.WriteByte((byte)((byte)task.State | bits));
        writer.WriteVarint((ulong)task.CreatedMs);
        writer.WriteVarint((ulong)task.DueMs);
        writer.WriteVarint((ulong)task.AttemptDueMs);
        writer.WriteVarint((ulong)task.StartedMs);
        writer.WriteVarint((ulong)task.FinishedMs);
        writer.WriteVarint((ulong)task.Attempts);
        writer.WriteVarint((ulong)task.AttemptsMax);
        writer.WriteInt32((int)task.Lane);
    }

    internal static void ReadTask(ref ByteReader reader, ref TaskEntry task)
    {
        task.Occurrence = (long)reader.ReadVarint();
        task.OccurrenceTo = task.Occurrence;
        task.Hook = (int)reader.ReadVarint();
        byte state = reader.ReadByte();
        task.State = (PlanTaskState)(state & ~(ReplayedBit | PulledBit | AwayBit));
        task.IsAway = (state & AwayBit) != 0;
        task.IsPulled = (state & PulledBit) != 0;
        task.IsReplayed = (state & ReplayedBit) != 0;
        task.CreatedMs = (long)reader.ReadVarint();
        task.DueMs = (long)reader.ReadVarint();
        task.AttemptDueMs = (long)reader.ReadVarint();
        task.StartedMs = (long)reader.ReadVarint();
        task.FinishedMs = (long)reader.ReadVarint();
        task.Attempts = (int)reader.ReadVarint();
        task.AttemptsMax = (int)reader.ReadVarint();
        task.Lane = (uint)reader.ReadInt32();
    }
}
