using Karya.Engine;

namespace Karya.Node.Workers;

/// <summary>An attempt that a worker has.</summary>
internal struct Held
{
    /// <summary>As the engine handed it out, but that it started when it was delivered. Its body is gone.</summary>
    public Dispatch Dispatch;

    /// <summary>When it is taken back: milliseconds of the monotonic clock.</summary>
    public long LeaseEndsMs;

    /// <summary>When its time limit ends; <see cref="long.MaxValue"/> for none.</summary>
    public long TimeoutEndsMs;

    public Seat Seat;

    /// <summary>
    /// Whose places it takes; null when it is with another node, or its worker takes less than it has.
    /// </summary>
    public Share? Share;

    /// <summary>From 0 to 1; negative while the worker has not said anything.</summary>
    public double Progress;

    public string? Note;
}
