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

    /// <summary>The hooks, and the schedule of a cron plan behind them.</summary>
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

    public short Partition;
    public byte HookCount;
    public byte CronBytes;
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

    /// <summary>Workers carry its tasks out.</summary>
    Pulled = 32,
}
