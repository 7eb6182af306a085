namespace Karya.Simulation.Kernel;

/// <summary>
/// What has happened in a run. Those marked as such must happen in some run of a sweep, or the sweep has not looked
/// where it says it does.
/// </summary>
internal enum Happening
{
    Crash,
    Restart,
    Pause,
    PausePastLease,
    LinkCut,
    OneWayCut,
    DatabaseDown,
    DatabaseSlow,
    DatabaseFull,
    DatabaseClockStep,
    WallClockStep,
    RedisDown,
    RedisFlushed,
    RedisStale,
    GracefulStop,
    LostReply,
    LateRequest,
    RefusedCommit,
    StaleCommit,
    StrippedCommit,
    UnknownCommitStored,
    UnknownCommitNotStored,
    ClaimRefused,
    ClaimWaitedForCommit,
    ClaimReplyLost,
    TakeOver,
    PlannedMove,
    HandedOverRunning,
    EndForwarded,
    ReleaseForwarded,
    GateDropped,
    GateWaited,
    LeaseRanOut,
    LostPartition,
    CancelRacedFiring,
    IdempotentReplay,
    IdempotentReplayElsewhere,
    KeyConflict,
    SubmitUnknown,
    RedirectFollowed,
    Overloaded,
    SkippedOccurrences,
    CaughtUpAll,
    RetryFired,
    HookFired,
    ChildStarted,
    ChildCancelled,
    DeadLetter,
    StaleProjection,
    JournalPruned,
    PruneHeld,
    PageAfterLoss,
    TargetHung,
    LongWheelSleep,
}

internal sealed class Counters
{
    private readonly long[] _counts = new long[Enum.GetValues<Happening>().Length];

    public long this[Happening what] => _counts[(int)what];

    public void Count(Happening what) => _counts[(int)what]++;

    public void Add(Counters others)
    {
        for (int i = 0; i < _counts.Length; i++)
            _counts[i] += others._counts[i];
    }
}
