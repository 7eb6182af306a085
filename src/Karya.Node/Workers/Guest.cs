using Karya.Protocol.Messages;

namespace Karya.Node.Workers;

/// <summary>
/// An attempt of another node, its host, for a worker of this one. The host counts its time and hears of its end.
/// Guarded by the desk's lock.
/// </summary>
internal sealed class Guest(Delivery delivery, NodeEndpoint host, long nowMs)
{
    public Delivery Delivery => delivery;

    public NodeEndpoint Host => host;

    /// <summary>Whose places it takes; null when its worker takes less than it has.</summary>
    public Share? Share { get; set; }

    /// <summary>Milliseconds of the monotonic clock.</summary>
    public long ArrivedMs => nowMs;

    /// <summary>When its host has taken it back for certain: milliseconds of the monotonic clock.</summary>
    public long ForgottenMs { get; set; } = long.MaxValue;

    /// <summary>Null while it waits for a place.</summary>
    public Seat? Seat { get; set; }
}
