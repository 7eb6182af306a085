namespace Karya.Engine;

/// <summary>Everything that a partition understands.</summary>
public enum CommandKind : byte
{
    None = 0,

    /// <summary>A new plan: <see cref="Command.Spec"/>, its hooks and its body.</summary>
    Submit,

    /// <summary>
    /// New period, attempts or hooks for a plan: <see cref="Command.Spec"/>, <see cref="Command.Update"/>, hooks and
    /// body.
    /// </summary>
    Update,

    /// <summary>Stops a plan and all its descendants.</summary>
    Cancel,

    /// <summary>Runs a dead letter again.</summary>
    Replay,

    /// <summary>
    /// An attempt succeeded; <see cref="Command.Payload"/> is its result, null when it has none. At most
    /// <see cref="Limits.ResultBytesMax"/> bytes: whoever takes it from outside has to see to that.
    /// </summary>
    AttemptSucceeded,

    /// <summary>An attempt failed; <see cref="Command.Payload"/> is the error text.</summary>
    AttemptFailed,

    /// <summary>Changes nothing; answered when everything that came before it is durable.</summary>
    Flush,

    /// <summary>Makes the task that waits due at once.</summary>
    Trigger,

    /// <summary>An attempt was not made after all: it is to be handed out again, with the same number.</summary>
    AttemptReleased,
}

/// <summary>Which parts of a plan an update changes.</summary>
[Flags]
public enum PlanUpdate : byte
{
    None = 0,
    Period = 1,
    Attempts = 2,
    Hooks = 4,
}

/// <summary>
/// One message to a partition. Its payload is an array rented from <c>ArrayPool&lt;byte&gt;.Shared</c>; it belongs to
/// the command, and to the shard once the inbox took the command, which returns it to the pool.
/// </summary>
public struct Command
{
    public CommandKind Kind;

    /// <summary>It tells how an attempt ended.</summary>
    public readonly bool IsOutcome => Kind
        is CommandKind.AttemptSucceeded or CommandKind.AttemptFailed or CommandKind.AttemptReleased;

    public PlanUpdate Update;

    /// <summary>A failed attempt may be tried again. False: permanent.</summary>
    public bool Retryable;

    /// <summary>Of a submit: answered when the plan is in memory, and not only when it is durable.</summary>
    public bool IsAccepted;

    /// <summary>Of a submit: the id is the client's choice, so the tables are asked whether they have it.</summary>
    public bool MayExist;

    /// <summary>
    /// Of a request: when the partition is not here it is passed on, see <see cref="EffectList.Strays"/>, and not
    /// answered with <see cref="ReplyCode.NotOwner"/>.
    /// </summary>
    public bool MayPassOn;

    /// <summary>Of an outcome: <see cref="Lane"/> is one that workers pull from.</summary>
    public bool IsPulled;

    public int Partition;

    /// <summary>
    /// The attempt that ended, from 1; of <see cref="CommandKind.Replay"/>: the attempts made so far.
    /// </summary>
    public int Attempt;

    /// <summary>
    /// The epoch under which the attempt was dispatched; 0 when another owner dispatched it. Of an older one the
    /// outcome still counts, once.
    /// </summary>
    public long Epoch;

    /// <summary>Of an outcome: the lane that the attempt was dispatched on, which gets its place back.</summary>
    public uint Lane;

    /// <summary>
    /// Of an update: the <see cref="BodyMark"/> of the body that it was made from; when the plan has another one by
    /// now, the answer is <see cref="ReplyCode.Changed"/>. 0: whatever it has is replaced.
    /// </summary>
    public ulong MadeFrom;

    /// <summary>The plan or task that is meant.</summary>
    public TaskKey Key;

    /// <summary>
    /// When the node took the request or saw the attempt end: milliseconds since 1970 UTC, store time.
    /// </summary>
    public long AtMs;

    /// <summary>
    /// Of <see cref="CommandKind.Replay"/>: the task's due instant; when it was made is in <see cref="Spec"/>.
    /// </summary>
    public long DueMs;

    /// <summary>Of a failed attempt: no retry earlier than this many milliseconds (Retry-After); 0 for none.</summary>
    public int RetryAfterMs;

    /// <summary>Of a failed attempt: what kind of failure it was.</summary>
    public FailureClass Failure;

    public PlanSpec Spec;

    /// <summary>The hooks of a submit or update; null when it has none. Read during the turn only.</summary>
    public HookSpec[]? Hooks;

    /// <summary>
    /// The schedule of a submitted <see cref="ScheduleKind.Cron"/> plan, see
    /// <see cref="Scheduling.CronSchedule.ToBytes"/>. Read during the turn only; not rented.
    /// </summary>
    public byte[]? Cron;

    /// <summary>Rented bytes: the plan's body, an error text in UTF-8, or a result. May be null.</summary>
    public byte[]? Payload;

    public int PayloadBytes;

    /// <summary>Who waits for the answer; null when nobody does.</summary>
    public IReplyTarget? ReplyTo;

    /// <summary>Comes back with the answer, for a target that waits for many.</summary>
    public ulong Tag;
}
