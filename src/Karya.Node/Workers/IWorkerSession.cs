using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Node.Workers;

/// <summary>
/// A connection that takes tasks. Called with the desk's lock held: must not block, throw, or call back.
/// </summary>
internal interface IWorkerSession
{
    /// <summary>
    /// Writes an attempt, which leaves with the next <see cref="Send"/>; false when nothing more is sent. The spans are
    /// borrowed.
    /// </summary>
    bool Deliver(
        ulong id, in Dispatch dispatch, ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments, long timeoutMs);

    /// <summary>The same for an attempt of another node.</summary>
    bool Deliver(Delivery delivery);

    /// <summary>Sends what was written.</summary>
    void Send();

    /// <summary>Tells that a delivery is not the worker's any more.</summary>
    void Revoke(ulong id, RevokeReason reason);
}
