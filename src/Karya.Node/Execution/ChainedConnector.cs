using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <summary>
/// Submits a child of the plan that the attempt belongs to. Null when it is accepted, else why not. The child's id
/// must follow from the attempt's task, so that a repeated attempt starts no second child.
/// </summary>
internal delegate ValueTask<string?> SubmitChild(Attempt attempt, PlanDraft draft, CancellationToken stopping);

/// <summary>Starts another plan. The attempt has succeeded when the child is accepted, not when it has run.</summary>
internal sealed class ChainedConnector(SubmitChild submit) : IConnector
{
    public async ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
    {
        var chained = (ChainedAction)action;
        string? error;
        try
        {
            error = await submit(attempt, chained.Plan, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return Outcome.NodeStopped;
        }
        catch (Exception e)
        {
            error = e.Message;
        }

        return error is null
            ? Outcome.Success
            : Outcome.Failed(FailureClass.ChainedPlan, $"Chained plan failed --- error : {error}");
    }
}
