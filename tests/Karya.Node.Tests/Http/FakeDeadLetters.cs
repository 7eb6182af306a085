using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Tests.Http;

/// <summary>Dead letters as a test wants them; it notes what was asked for.</summary>
internal sealed class FakeDeadLetters : IDeadLetterDesk
{
    public DeadLettersReply Reply { get; set; } = new([], [], 0, null);

    public IReadOnlyList<OperationSnapshot> Operations { get; set; } = [];

    public bool FindsLetter { get; set; } = true;

    /// <summary>Thrown by every list that is asked for.</summary>
    public DeskException? Refusal { get; set; }

    public DeadLettersRequest? Listed { get; private set; }

    public DeadLetterRequest? Changed { get; private set; }

    public StartOperationRequest? Started { get; private set; }

    public OperationsRequest? Asked { get; private set; }

    public ValueTask<DeadLettersReply> ListAsync(DeadLettersRequest request, CancellationToken stopping)
    {
        Listed = request;
        return Refusal is null ? ValueTask.FromResult(Reply) : throw Refusal;
    }

    public ValueTask ChangeAsync(DeadLetterRequest request, CancellationToken stopping)
    {
        Changed = request;
        return FindsLetter ? ValueTask.CompletedTask : throw NotFound(ErrorCode.DeadLetterNotFound);
    }

    public ValueTask<OperationSnapshot> StartAsync(StartOperationRequest request, CancellationToken stopping)
    {
        Started = request;
        return ValueTask.FromResult(Operations[0]);
    }

    public ValueTask<OperationsReply> OperationsAsync(OperationsRequest request, CancellationToken stopping)
    {
        Asked = request;
        return Operations.Count > 0
            ? ValueTask.FromResult(new OperationsReply(Operations))
            : throw NotFound(ErrorCode.OperationNotFound);
    }

    private static DeskException NotFound(ErrorCode code) => new(new WireFault(code, "", "There is none."));
}
