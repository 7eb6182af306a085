using System.Net;

namespace Karya.Node.Network;

/// <summary>Where the protocol is served, and what each peer may take.</summary>
/// <param name="FrameLengthMax">The most that a frame's length may say.</param>
/// <param name="InFlightMax">Requests of a connection that may be unanswered.</param>
/// <param name="ConnectionsMax">Of all peers.</param>
/// <param name="PerAddressMax">Of one address.</param>
/// <param name="Idle">Silence for so long ends a connection.</param>
internal sealed record NetworkOptions(
    IReadOnlyList<IPEndPoint> Endpoints, int FrameLengthMax, int InFlightMax, int ConnectionsMax, int PerAddressMax,
    TimeSpan Idle)
{
    /// <summary>How long a peer may take for its first frame.</summary>
    public static readonly TimeSpan HelloMax = TimeSpan.FromSeconds(5);

    /// <summary>How long a frame may take from its first byte to its last.</summary>
    public static readonly TimeSpan FrameMax = TimeSpan.FromSeconds(10);

    /// <summary>How long a peer may read nothing of what waits for it.</summary>
    public static readonly TimeSpan UnreadMax = TimeSpan.FromSeconds(30);

    /// <summary>How many bytes may wait for a peer.</summary>
    public const int UnreadBytesMax = 4 * 1024 * 1024;

    /// <summary>How long a connection that is being closed may take to read why.</summary>
    public static readonly TimeSpan FarewellMax = TimeSpan.FromSeconds(1);

    /// <summary>How long a submit waits for the store before its client is told that the outcome is open.</summary>
    public static readonly TimeSpan ReplyMax = TimeSpan.FromSeconds(10);
}
