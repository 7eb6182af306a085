using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;

namespace Karya.Simulation.Judging;

/// <summary>A plan as the store has it when all is over.</summary>
/// <param name="Stored">Its row.</param>
/// <param name="Name">What whoever ordered it called it.</param>
/// <param name="PeriodMs">Of its policy now; 0 when it has none.</param>
/// <param name="AttemptsMax">Of its policy now.</param>
/// <param name="OpenTasks">What is still to be done.</param>
/// <param name="Tasks">What has ended.</param>
internal sealed record FinalPlan(
    StoredPlan Stored, string Name, long PeriodMs, int AttemptsMax, IReadOnlyList<OpenTask> OpenTasks,
    IReadOnlyList<StoredTask> Tasks)
{
    public PlanId Id => Stored.Id;

    public PlanState State => Stored.State;
}

/// <summary>What the store says when all is over: the defendant.</summary>
internal sealed class FinalState
{
    public Dictionary<PlanId, FinalPlan> Plans { get; } = [];

    /// <summary>What the database has taken and should not have.</summary>
    public List<LateRow> LateRows { get; } = [];

    /// <summary>Partitions that nobody has had for a while, long after all was healed.</summary>
    public List<int> Unowned { get; } = [];

    public static FinalState Read(IStore store, IEnumerable<UserId> users)
    {
        var final = new FinalState();
        foreach (var user in users)
        {
            foreach (var stored in store.ListPlansBelow(user, below: null, int.MaxValue))
            {
                var memo = PlanMemo.Read(stored.Memo);
                final.Plans.Add(stored.Id, new FinalPlan(
                    stored, PlanBodyCodec.Read(stored.Body).Description, memo.Spec.PeriodMs, memo.Spec.AttemptsMax,
                    memo.OpenTasks, store.ListTasks(stored.Id, int.MaxValue)));
            }
        }

        return final;
    }
}
