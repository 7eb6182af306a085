namespace Karya.Engine.Tables;

/// <summary>A plan in memory. Links are rows of the shard's tables; -1 means none.</summary>
internal struct PlanEntry
{
    public const int None = -1;

    public PlanId Id;
    public UserId User;
    public PlanId Parent;
    public long CreatedMs;
    public long UpdatedMs;
    public long PeriodMs;
    public long EndMs;

    /// <summary>The number of the last occurrence for which a task exists or existed.</summary>
    public long LastOccurrence;

    public ArenaBytes Hooks;
    public ArenaBytes Body;
    public int AttemptsMax;
    public int RetryDelayMs;
    public int RetryDelayMsMax;
    public uint Lane;

    /// <summary>Its tasks that are open, or ended and not yet written to the tables.</summary>
    public int FirstTask;

    /// <summary>Next in the partition's list of plans that the tables have to catch up with.</summary>
    public int NextDirty;

    /// <summary>Links of the partition's list of plans in memory that have a parent.</summary>
    public int NextChild;
    public int PreviousChild;

    public short Partition;
    public byte HookCount;
    public ScheduleKind Kind;
    public MisfirePolicy Misfire;
    public PlanState State;
    public PlanFlags Flags;
}

[Flags]
internal enum PlanFlags : byte
{
    None = 0,

    /// <summary>In the list of plans that the tables have to catch up with.</summary>
    Dirty = 1,

    /// <summary>The tables have never seen it.</summary>
    New = 2,

    /// <summary>Its body differs from what the tables have.</summary>
    BodyChanged = 4,

    /// <summary>Another plan names it as its parent; a cancel has to look for descendants in the tables, too.</summary>
    HasChildren = 8,

    /// <summary>Part of the projection that is being written.</summary>
    Projecting = 16,
}

/// <summary>A task in memory.</summary>
internal struct TaskEntry
{
    public const int None = -1;

    public long Occurrence;

    /// <summary>The last occurrence of a skipped range; else the same as <see cref="Occurrence"/>.</summary>
    public long OccurrenceTo;

    public long CreatedMs;
    public long DueMs;

    /// <summary>When the next attempt is due: <see cref="DueMs"/>, or later by a retry's delay.</summary>
    public long AttemptDueMs;

    public long StartedMs;
    public long FinishedMs;

    /// <summary>The position in the shard's journal of the record that made it (or put it back); it starts only when that is durable.</summary>
    public long BornPosition;

    public int Plan;
    public int NextInPlan;

    /// <summary>Next in its lane's queue of tasks that are due.</summary>
    public int NextReady;

    public int Hook;

    /// <summary>Attempts started.</summary>
    public int Attempts;
    public int AttemptsMax;
    public uint Lane;
    public PlanTaskState State;
    public SkipReason Reason;

    /// <summary>Linked in the ready queue; it must not be freed before it is taken out there.</summary>
    public bool IsReady;

    /// <summary>Belongs to no plan any more; freed when the ready queue lets go of it.</summary>
    public bool IsDetached;

    /// <summary>
    /// Was a dead letter and got its attempts again: the tables have a row of it that must not stay a dead letter, and its
    /// hooks have run already.
    /// </summary>
    public bool IsReplayed;

    /// <summary>
    /// Was running when an earlier owner stopped, and is to be started again with the same attempt number. Known in
    /// memory only: the recorded state is <see cref="PlanTaskState.Processing"/> all the time, so that a replay agrees.
    /// </summary>
    public bool IsInterrupted;
}

/// <summary>An error text that waits for its way to the tables.</summary>
internal struct ErrorEntry
{
    public PlanId Plan;
    public long Occurrence;
    public long AtMs;
    public ArenaBytes Text;
    public int Hook;
    public int Attempt;
    public int Next;
}
