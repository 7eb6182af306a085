namespace Karya.Engine.Tables;

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

    /// <summary>
    /// The position in the shard's journal of the record that made it (or put it back); it starts only when that is
    /// durable.
    /// </summary>
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

    /// <summary>Of a success: the row of its result in <see cref="ShardTables.Results"/>, or none.</summary>
    public int Result;

    public PlanTaskState State;

    /// <summary>
    /// Of skipped occurrences the <see cref="SkipReason"/>, of a task that failed the <see cref="FailureClass"/>; else
    /// 0. One byte, since each would cost eight.
    /// </summary>
    public byte Why;

    /// <summary>A worker carries it out.</summary>
    public bool IsPulled;

    /// <summary>Linked in the ready queue; it must not be freed before it is taken out there.</summary>
    public bool IsReady;

    /// <summary>Belongs to no plan any more; freed when the ready queue lets go of it.</summary>
    public bool IsDetached;

    /// <summary>
    /// Was a dead letter and got its attempts again: the tables have a row of it that must not stay a dead letter, and
    /// its hooks have run already.
    /// </summary>
    public bool IsReplayed;

    /// <summary>
    /// Was running when an earlier owner stopped, and is to be started again with the same attempt number. Known in
    /// memory only: the recorded state is <see cref="PlanTaskState.Processing"/> all the time, so that a replay agrees.
    /// </summary>
    public bool IsInterrupted;

    /// <summary>
    /// Runs at an earlier owner, which has handed the partition over and will tell how it ended. If it has not until
    /// <see cref="AttemptDueMs"/>, the attempt is started again.
    /// </summary>
    public bool IsAway;
}
