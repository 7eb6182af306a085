using Karya.Engine;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>The only one but for tests.</summary>
/// <param name="desk">Replays one, and asks the store.</param>
/// <param name="operations">Those on many.</param>
internal sealed class DeadLetterDesk(PlanDesk desk, Operations operations) : IDeadLetterDesk
{
    public async ValueTask<DeadLettersReply> ListAsync(DeadLettersRequest request, CancellationToken stopping)
    {
        DeadLetterOffice.Check(request.Filter);
        var below = DeadLetterOffice.ReadCursor(request.Cursor);
        return await desk.AskCaughtUpAsync(
            store => request.IsGrouped
                ? DeadLetterOffice.Group(store, request.Filter, below, request.Limit)
                : DeadLetterOffice.List(store, request.Filter, below, request.Limit),
            stopping);
    }

    public async ValueTask ChangeAsync(DeadLetterRequest request, CancellationToken stopping)
    {
        var key = new TaskKey(new PlanId(request.Plan), request.Occurrence, request.Hook);
        bool isDone = request.Verb == DeadLetterVerb.Replay
            ? await desk.ReplayAsync(key, stopping)
            : await desk.AskCaughtUpAsync(key.Plan, store => store.DropDead([key]), stopping) > 0;
        if (!isDone)
        {
            throw new DeskException(new WireFault(
                ErrorCode.DeadLetterNotFound, "",
                "There is no such dead letter: the task never failed for good, was replayed or dropped already, its "
                + "plan was cancelled, or it is pruned."));
        }
    }

    public ValueTask<OperationSnapshot> StartAsync(StartOperationRequest request, CancellationToken stopping)
    {
        DeadLetterOffice.Check(request.Filter);
        if (request.Filter.IsEmpty && !request.IsForAll)
            throw Mistake("filter", "filter names nothing; name what is meant, or say that all are.");
        if (request.SpreadMs > 0 && request.Verb != DeadLetterVerb.Replay)
            throw Mistake("spread", "spread goes with a replay only; nothing happens when dead letters are dropped.");
        return operations.StartAsync(request, stopping);
    }

    public async ValueTask<OperationsReply> OperationsAsync(OperationsRequest request, CancellationToken stopping)
    {
        if (request.Id is not { } id)
        {
            return request.Stops
                ? throw Mistake("id", "id is missing; name the operation that is to stop.")
                : new OperationsReply(await operations.ListAsync(request.Limit, stopping));
        }

        var found = request.Stops
            ? await operations.AskToStopAsync(id, stopping)
            : await operations.FindAsync(id, stopping);
        return found is null
            ? throw new DeskException(new WireFault(
                ErrorCode.OperationNotFound, "id", $"There is no operation {id}: it never was, or is pruned."))
            : new OperationsReply([found]);
    }

    private static DeskException Mistake(string slot, string text) =>
        new(new WireFault(ErrorCode.OutOfRange, slot, text));
}
