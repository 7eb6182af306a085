using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Simulation.Stores;

namespace Karya.Simulation.Judging;

/// <summary>A plan as the store has it when all is over.</summary>
internal sealed record FinalPlan(StoredPlan Stored, PlanMemo Memo, string Name, IReadOnlyList<StoredTask> Tasks)
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
                final.Plans.Add(stored.Id, new FinalPlan(
                    stored, PlanMemo.Read(stored.Memo), PlanBodyCodec.Read(stored.Body).Description,
                    store.ListTasks(stored.Id, int.MaxValue)));
            }
        }

        return final;
    }
}
