namespace Karya.Engine.Shards;

/// <summary>
/// Figures of a shard, written by its thread once per turn; any thread may read them, each by itself.
/// </summary>
public sealed class ShardStatus
{
    private long _position;
    private long _projectedPosition = -1; // Until the first turn has seen what was replayed.
    private long _residentPlans;
    private long _changedPlans;
    private long _inFlight;
    private long _ready;
    private long _waitingForWorker;
    private long _scheduled;
    private long _paced;

    /// <summary>The last journal position handed out.</summary>
    public long Position => Volatile.Read(ref _position);

    /// <summary>
    /// Records up to this position are contained in the tables; -1 while they lack records of the last run.
    /// </summary>
    public long ProjectedPosition => Volatile.Read(ref _projectedPosition);

    public long ResidentPlans => Volatile.Read(ref _residentPlans);

    /// <summary>Plans that the tables have to catch up with.</summary>
    public long ChangedPlans => Volatile.Read(ref _changedPlans);

    /// <summary>Attempts that run.</summary>
    public long InFlight => Volatile.Read(ref _inFlight);

    /// <summary>Tasks that are due and wait for a place.</summary>
    public long Ready => Volatile.Read(ref _ready);

    /// <summary>Tasks that are due and wait for a worker that has a place for them.</summary>
    public long WaitingForWorker => Volatile.Read(ref _waitingForWorker);

    /// <summary>Tasks in the wheel.</summary>
    public long Scheduled => Volatile.Read(ref _scheduled);

    /// <summary>Targets whose due tasks wait since others went to them a moment ago.</summary>
    public long Paced => Volatile.Read(ref _paced);

    internal void SetTurn(
        long position, long inFlight, long ready, long waitingForWorker, long scheduled, long paced)
    {
        Volatile.Write(ref _position, position);
        Volatile.Write(ref _inFlight, inFlight);
        Volatile.Write(ref _ready, ready);
        Volatile.Write(ref _waitingForWorker, waitingForWorker);
        Volatile.Write(ref _scheduled, scheduled);
        Volatile.Write(ref _paced, paced);
    }

    internal void SetTables(long projectedPosition, long residentPlans, long changedPlans)
    {
        Volatile.Write(ref _residentPlans, residentPlans);
        Volatile.Write(ref _changedPlans, changedPlans);
        Volatile.Write(ref _projectedPosition, projectedPosition);
    }
}
