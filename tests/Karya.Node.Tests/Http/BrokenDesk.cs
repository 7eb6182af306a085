using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Tests.Http;

/// <summary>
/// A desk with a bug: it throws what no desk may throw. Only a list is answered, when the test says so.
/// </summary>
internal sealed class BrokenDesk : IPlanDesk
{
    /// <summary>A list was asked for.</summary>
    public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Lets the list be answered.</summary>
    public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask<PlanPage> ListAsync(UserId user, int skip, int take, CancellationToken stopping)
    {
        Entered.SetResult();
        await Release.Task;
        return new PlanPage([], 0);
    }

    public ValueTask<UserView> CreateUserAsync(string name, CancellationToken stopping) => throw Bug();

    public ValueTask<UserView?> FindUserAsync(string name, CancellationToken stopping) => throw Bug();

    public ValueTask<PlanView> SubmitAsync(PlanDraft draft, CancellationToken stopping) => throw Bug();

    public ValueTask<(PlanId Plan, bool Existed)> SubmitAsync(
        ReadOnlyMemory<byte> plan, string? key, bool isAccepted, CancellationToken stopping) => throw Bug();

    public ValueTask<PlanView?> TriggerAsync(PlanId id, CancellationToken stopping) => throw Bug();

    public ValueTask<PlanView?> UpdateAsync(PlanId id, PlanChange change, CancellationToken stopping) => throw Bug();

    public ValueTask<PlanView?> CancelAsync(PlanId id, CancellationToken stopping) => throw Bug();

    public ValueTask<(PlanView Plan, TaskView Task)?> GetAsync(PlanId id, CancellationToken stopping) => throw Bug();

    public ValueTask<PlanSummary?> SummarizeAsync(PlanId id, CancellationToken stopping) => throw Bug();

    private static InvariantException Bug() => new("secret detail");
}
