using Karya.Node.Plans;

namespace Karya.Node.Http.V1;

/// <summary>What plans that start plans must keep to. The texts are the original's.</summary>
/// <param name="Strict">No recurring plan may have a chained action, wherever it is nested.</param>
/// <param name="DepthMax">How many plans deep actions and hooks may start each other.</param>
internal sealed record ChainRules(bool Strict, int DepthMax)
{
    /// <summary>Why the plan is refused; null when it keeps to the rules.</summary>
    public string? Judge(PlanDraft plan) =>
        Strict && HasRecurringChain(plan) ? RecurringChain() : JudgeDepth(DepthOf(plan));

    /// <summary>The same for hooks that are given to a plan later.</summary>
    public string? Judge(IReadOnlyList<PlanHook> hooks) =>
        Strict && hooks.Any(hook => HasRecurringChain(hook.Action)) ? RecurringChain() : JudgeDepth(DepthOf(hooks));

    private static string RecurringChain() => "Chained requests cannot be recurring";

    private string? JudgeDepth(int depth) => depth > DepthMax
        ? $"Depth exceeded for chained request --- passed: {DepthMax + 1} | allowed: {DepthMax}"
        : null;

    private static bool HasRecurringChain(PlanDraft plan) =>
        (plan.Recurring && plan.Body.Action is ChainedAction)
        || HasRecurringChain(plan.Body.Action)
        || plan.Body.Hooks.Any(hook => HasRecurringChain(hook.Action));

    private static bool HasRecurringChain(PlanAction action) =>
        action is ChainedAction chained && HasRecurringChain(chained.Plan);

    private static int DepthOf(PlanDraft plan) => Math.Max(DepthOf(plan.Body.Action), DepthOf(plan.Body.Hooks));

    private static int DepthOf(IReadOnlyList<PlanHook> hooks) =>
        hooks.Select(hook => DepthOf(hook.Action)).DefaultIfEmpty().Max();

    private static int DepthOf(PlanAction action) => action is ChainedAction chained ? 1 + DepthOf(chained.Plan) : 0;
}
