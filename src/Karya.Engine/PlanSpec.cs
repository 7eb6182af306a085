namespace Karya.Engine;

/// <summary>How a plan's occurrences follow each other. The values are stored; append only.</summary>
public enum ScheduleKind : byte
{
    /// <summary>One occurrence.</summary>
    Once = 1,

    /// <summary>Occurrence n is due at first + (n - 1) × period, whatever happened before (no drift).</summary>
    Every = 2,

    /// <summary>
    /// Occurrences are due at the instants of a cron expression in a time zone. Records carry the instants, so a replay
    /// needs no time zones.
    /// </summary>
    Cron = 3,
}

/// <summary>
/// What becomes of occurrences that fell due while nobody could run them. The values are stored; append only.
/// </summary>
public enum MisfirePolicy : byte
{
    /// <summary>The latest one runs for all; the others are recorded as skipped, as one range. The default.</summary>
    Once = 0,

    /// <summary>None runs; all are recorded as skipped. A one-time plan runs all the same.</summary>
    Skip = 1,

    /// <summary>Every one runs.</summary>
    All = 2,
}

/// <summary>When a hook runs. The values are stored; append only.</summary>
public enum HookTrigger : byte
{
    /// <summary>Once per task that finally failed.</summary>
    OnFailure = 1,

    /// <summary>Once, when a one-time or bounded plan has ended by itself.</summary>
    OnCompletion = 2,
}

/// <summary>What the engine needs to know of a hook; its action stays in the plan's body.</summary>
/// <param name="Trigger">When it runs.</param>
/// <param name="AttemptsMax">1 or more.</param>
/// <param name="Lane">Hash of the target; tasks of one lane share its limit of concurrent attempts.</param>
/// <param name="IsPulled">Workers carry it out: it starts when one of them has a place.</param>
public readonly record struct HookSpec(HookTrigger Trigger, int AttemptsMax, uint Lane, bool IsPulled = false);

/// <summary>
/// What the engine needs to know of a plan. The rest (description, actions, hooks' actions) travels as an opaque body
/// that the engine stores and hands out but never parses.
/// </summary>
/// <remarks>All instants are milliseconds since 1970 UTC. A plain mutable struct, passed by <c>in</c>.</remarks>
public struct PlanSpec
{
    public const long NoEnd = long.MaxValue;

    public PlanId Id;
    public UserId User;

    /// <summary>
    /// The plan whose task or hook started this one; <see cref="PlanId.None"/> for a plan that a user submitted.
    /// </summary>
    public PlanId Parent;

    public long CreatedMs;
    public long FirstDueMs;

    /// <summary>
    /// Milliseconds between occurrences, at least 1. For <see cref="ScheduleKind.Once"/> kept for later updates.
    /// </summary>
    public long PeriodMs;

    /// <summary>
    /// No occurrence after the first is due later than this; <see cref="NoEnd"/> for an unbounded plan.
    /// </summary>
    public long EndMs;

    public ScheduleKind Kind;
    public MisfirePolicy Misfire;

    /// <summary>1 or more.</summary>
    public int AttemptsMax;

    /// <summary>
    /// The delay before the second attempt; doubles with every further one, with jitter of up to its half.
    /// </summary>
    public int RetryDelayMs;

    public int RetryDelayMsMax;

    /// <summary>Hash of the action's target; tasks of one lane share its limit of concurrent attempts.</summary>
    public uint Lane;

    /// <summary>Workers carry its tasks out: they start when one of them has a place.</summary>
    public bool IsPulled;

    /// <summary>0 to <see cref="Limits.HooksPerPlanMax"/>.</summary>
    public int HookCount;

    /// <summary>
    /// Of <see cref="ScheduleKind.Cron"/>: bytes of the schedule's text, which is stored behind the hooks. Else 0.
    /// </summary>
    public int CronBytes;
}
