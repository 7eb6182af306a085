namespace Karya.Simulation.Kernel;

/// <summary>
/// What has happened in a run. Each must happen in some run of a large sweep, or the sweep has not looked where it says
/// it does.
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
    StoppedAll,
    TakenBackForEnds,
    LostReply,
    LateRequest,
    RefusedCommit,
    StaleCommit,
    UnknownCommitStored,
    UnknownCommitNotStored,
    ClaimRefused,
    ClaimWaitedForCommit,
    ClaimReplyLost,
    TakeOver,
    PlannedMove,
    EndForwarded,
    ReleaseForwarded,
    GateDropped,
    GateWaited,
    LeaseRanOut,
    LostPartition,
    CancelRacedFiring,
    IdempotentReplay,
    IdempotentReplayElsewhere,
    SubmitUnknown,
    RedirectFollowed,
    Overloaded,
    SkippedOccurrences,
    RetryFired,
    HookFired,
    ChildStarted,
    DeadLetter,
    StaleProjection,
    JournalPruned,
    PruneHeld,
    TargetHung,
}

internal sealed class Counters
{
    private readonly long[] _counts = new long[Enum.GetValues<Happening>().Length];

    public long this[Happening what] => _counts[(int)what];

    public void Count(Happening what) => _counts[(int)what]++;

    public void Count(Happening what, long times) => _counts[(int)what] += times;

    public void Add(Counters others)
    {
        for (int i = 0; i < _counts.Length; i++)
            _counts[i] += others._counts[i];
    }
}
