using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// Where dead letters are looked through, replayed and dropped, whatever protocol the request came by.
/// </summary>
/// <remarks>
/// Thread-safe. Every method may throw <see cref="DeskException"/> and nothing else but cancellation.
/// </remarks>
public interface IDeadLetterDesk
{
    /// <summary>Dead letters of a filter, or their causes.</summary>
    ValueTask<DeadLettersReply> ListAsync(DeadLettersRequest request, CancellationToken stopping);

    /// <summary>
    /// Replays or drops one. A dropped one can still be replayed. The exception's fault is
    /// <see cref="Karya.Protocol.ErrorCode.DeadLetterNotFound"/> when there is none.
    /// </summary>
    ValueTask ChangeAsync(DeadLetterRequest request, CancellationToken stopping);

    /// <summary>
    /// Starts to replay or drop many. What was started goes on when this node stops, at another one or after its start.
    /// </summary>
    ValueTask<OperationSnapshot> StartAsync(StartOperationRequest request, CancellationToken stopping);

    /// <summary>
    /// The operations of the cluster, or one of them, which may be asked to stop. The exception's fault is
    /// <see cref="Karya.Protocol.ErrorCode.OperationNotFound"/> when there is no such one.
    /// </summary>
    ValueTask<OperationsReply> OperationsAsync(OperationsRequest request, CancellationToken stopping);
}
