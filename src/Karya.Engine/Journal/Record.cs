using System.Buffers.Binary;

namespace Karya.Engine.Journal;

/// <summary>What a record says. The values are stored; append only.</summary>
public enum RecordKind : byte
{
    /// <summary>A plan was accepted: spec, hooks, body.</summary>
    Submitted = 1,

    /// <summary>Period, attempts or hooks of a plan changed.</summary>
    Updated = 2,

    /// <summary>A plan was cancelled. Descendants have records of their own, in the same turn.</summary>
    Cancelled = 3,

    /// <summary>
    /// An attempt was handed out. The first one of an occurrence brings the next occurrence into being.
    /// </summary>
    Started = 4,

    /// <summary>An attempt failed and another will follow.</summary>
    Retrying = 5,

    /// <summary>A task succeeded.</summary>
    Succeeded = 6,

    /// <summary>A task failed for good.</summary>
    Failed = 7,

    /// <summary>Occurrences were left out.</summary>
    Skipped = 8,

    /// <summary>A dead letter got its attempts again.</summary>
    Replayed = 9,

    /// <summary>A task that waited was made due at once.</summary>
    Triggered = 10,

    /// <summary>The partition goes to another owner while this attempt runs on.</summary>
    HandedOver = 11,
}

/// <summary>
/// One decision of a partition, and all that is needed to make the same change again: replaying the records of a
/// partition in order into an empty one gives the same state, byte for byte.
/// </summary>
/// <remarks>
/// Which fields a kind uses stands in <see cref="RecordCodec"/>. Lives on the stack; its spans are borrowed.
/// </remarks>
internal ref struct Record
{
    public RecordKind Kind;
    public PlanUpdate Update;
    public SkipReason Reason;

    /// <summary>Of a failed attempt.</summary>
    public FailureClass Failure;

    /// <summary>Of a success: <see cref="Payload"/> is its result, which may be empty.</summary>
    public bool HasResult;

    public int Partition;
    public long Sequence;
    public TaskKey Key;
    public int Attempt;
    public int AttemptsMax;
    public long AtMs;

    /// <summary>
    /// Of a retry: when the next attempt is due. Of a skip: when the next occurrence is due. Of a replay: when it was
    /// due. Of the first start of a cron plan's occurrence: when the next occurrence is due. Of an attempt handed over:
    /// until when its end is waited for. 0 for never.
    /// </summary>
    public long DueMs;

    /// <summary>Of a skip: the last occurrence left out.</summary>
    public long OccurrenceTo;

    public PlanSpec Spec;

    /// <summary>
    /// Encoded hooks, see <see cref="HookTable"/>; of a submitted cron plan, its schedule behind them.
    /// </summary>
    public ReadOnlySpan<byte> Hooks;

    /// <summary>The body of a plan, an error text, or a result.</summary>
    public ReadOnlySpan<byte> Payload;
}

/// <summary>
/// Hooks as bytes: 8 per hook: trigger (1), 1 when workers carry it out else 0 (1), attempts (2), lane (4),
/// little-endian.
/// </summary>
internal static class HookTable
{
    public const int BytesPerHook = 8;
    public const int BytesMax = Limits.HooksPerPlanMax * BytesPerHook;

    public static int Write(ReadOnlySpan<HookSpec> hooks, Span<byte> target)
    {
        for (int i = 0; i < hooks.Length; i++)
        {
            var slot = target.Slice(i * BytesPerHook, BytesPerHook);
            slot[0] = (byte)hooks[i].Trigger;
            slot[1] = hooks[i].IsPulled ? (byte)1 : (byte)0;
            BinaryPrimitives.WriteUInt16LittleEndian(slot[2..], (ushort)hooks[i].AttemptsMax);
            BinaryPrimitives.WriteUInt32LittleEndian(slot[4..], hooks[i].Lane);
        }

        return hooks.Length * BytesPerHook;
    }

    public static HookSpec Read(ReadOnlySpan<byte> hooks, int index)
    {
        var slot = hooks.Slice(index * BytesPerHook, BytesPerHook);
        return new HookSpec(
            (HookTrigger)slot[0],
            BinaryPrimitives.ReadUInt16LittleEndian(slot[2..]),
            BinaryPrimitives.ReadUInt32LittleEndian(slot[4..]),
            slot[1] == 1);
    }
}
