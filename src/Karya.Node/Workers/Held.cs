using Karya.Engine;

namespace Karya.Node.Workers;

/// <summary>An attempt that a worker has.</summary>
internal struct Held
{
    public TaskKey Key;
    public int Partition;
    public int Attempt;
    public long Epoch;
    public uint Lane;

    /// <summary>When it was delivered: store time, for the metrics.</summary>
    public long StartedMs;

    /// <summary>When it is taken back: milliseconds of the monotonic clock.</summary>
    public long LeaseEndsMs;

    /// <summary>When its time limit ends; <see cref="long.MaxValue"/> for none.</summary>
    public long TimeoutEndsMs;

    public Seat Seat;

    /// <summary>From 0 to 1; negative while the worker has not said anything.</summary>
    public double Progress;

    public string? Note;
}
