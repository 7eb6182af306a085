using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>What has happened, by all who can tell.</summary>
internal sealed record History(Ledger Ledger, FinalState Final, JudgeOptions Options);

/// <summary>
/// Judges a history by what clients and targets have seen and by what the store says in the end: P1 to P9, as S1 to S18
/// of the research. It computes by itself what was due when.
/// </summary>
internal static class Judge
{
    public static Verdict Check(History history)
    {
        var (ledger, final, options) = history;
        var verdict = new Verdict { Executions = ledger.Starts.Count };
        var cases = Gather(ledger, final);
        CheckOrders(ledger, final, verdict);
        foreach (var plan in cases.Values)
            CheckOrdered(plan, cases, verdict);
        CheckPartitions(final, verdict);
        var owners = new OwnerLog(ledger);
        new StartChecks(ledger, owners, options, verdict).Check(cases);
        foreach (var plan in cases.Values)
        {
            PlanChecks.Check(plan, options, verdict);
            if (plan.Final is null)
                continue;
            new RowChecks(plan, options, verdict).Check();
            if (plan.Terms is null)
                continue;
            new OccurrenceChecks(plan, owners, options, verdict).Check();
            new HookChecks(plan, options, verdict).Check();
        }

        return verdict;
    }

    public static Dictionary<PlanId, PlanCase> Gather(Ledger ledger, FinalState final)
    {
        var cases = new Dictionary<PlanId, PlanCase>();
        PlanCase Of(PlanId id)
        {
            if (!cases.TryGetValue(id, out var found))
                cases.Add(id, found = new PlanCase(id));
            return found;
        }

        var byName = new Dictionary<string, Order>();
        foreach (var order in ledger.Orders)
        {
            byName[order.Terms.Content.Name] = order;
            if (order.End != RequestEnd.Acknowledged)
                continue;
            Of(order.Plan).Terms = order.Terms;
            Of(order.Plan).Order = order;
        }

        foreach (var (child, (parent, terms)) in ledger.Children)
        {
            Of(child).Terms = terms;
            Of(child).Parent = parent;
            Of(parent.Plan).Started.Add(parent);
        }

        foreach (var plan in final.Plans.Values)
        {
            var ended = Of(plan.Id);
            ended.Ended(plan);
            if (ended.Terms is not null || plan.Stored.Parent != PlanId.None)
                continue;
            ended.Order = byName.GetValueOrDefault(plan.Name); // The answer to it was lost, or said no.
            ended.Terms = ended.Order?.Terms;
        }

        foreach (var start in ledger.Starts)
            Of(start.Key.Plan).Began(start);
        foreach (var end in ledger.Ends)
            Of(end.Key.Plan).Ended(end);
        foreach (var cancel in ledger.Cancels)
            Of(cancel.Plan).Cancels.Add(cancel);
        foreach (var update in ledger.Updates)
            Of(update.Plan).Updates.Add(update);
        foreach (var trigger in ledger.Triggers)
            Of(trigger.Plan).IsTriggered = true;
        foreach (var sight in ledger.Sights)
            Of(sight.Plan).Sights.Add(sight);
        Cancel(cases);
        return cases;
    }

    /// <summary>A cancel is for a plan and all that it has started, in any generation.</summary>
    private static void Cancel(Dictionary<PlanId, PlanCase> cases)
    {
        foreach (var plan in cases.Values)
        {
            foreach (var cancel in plan.Cancels)
            {
                plan.MayBeCancelled |= cancel.End != RequestEnd.Refused;
                if (cancel.End == RequestEnd.Acknowledged)
                    plan.CancelledUs = Math.Min(plan.CancelledUs, cancel.EndedUs);
            }
        }

        foreach (var plan in cases.Values)
        {
            var parent = plan.Final?.Stored.Parent ?? plan.Parent?.Plan ?? PlanId.None;
            while (parent != PlanId.None && cases.TryGetValue(parent, out var ancestor))
            {
                plan.MayBeCancelled |= ancestor.MayBeCancelled;
                plan.CancelledUs = Math.Min(plan.CancelledUs, OwnCancel(ancestor));
                parent = ancestor.Final?.Stored.Parent ?? ancestor.Parent?.Plan ?? PlanId.None;
            }
        }
    }

    private static long OwnCancel(PlanCase plan)
    {
        long firstUs = long.MaxValue;
        foreach (var cancel in plan.Cancels)
        {
            if (cancel.End == RequestEnd.Acknowledged)
                firstUs = Math.Min(firstUs, cancel.EndedUs);
        }

        return firstUs;
    }

    /// <summary>S7: nobody writes after a later owner did. S18: every partition has an owner.</summary>
    private static void CheckPartitions(FinalState final, Verdict verdict)
    {
        foreach (var (partition, epoch, later) in final.LateRows)
        {
            verdict.Add(
                "S7", "P5", 0, PlanId.None,
                $"a row of partition {partition} under epoch {epoch}, after one under {later}");
        }

        foreach (int partition in final.Unowned)
            verdict.Add("S18", "P5", 0, PlanId.None, $"partition {partition} is nobody's");
    }

    /// <summary>S10: one plan for each order, however often it was tried. S17: every order has ended.</summary>
    private static void CheckOrders(Ledger ledger, FinalState final, Verdict verdict)
    {
        var byName = new Dictionary<string, PlanId>();
        foreach (var plan in final.Plans.Values)
        {
            if (plan.Stored.Parent == PlanId.None && !byName.TryAdd(plan.Name, plan.Id))
                verdict.Add("S10", "P1", 0, plan.Id, $"a second plan of {plan.Name} beside {byName[plan.Name]}");
        }

        foreach (var order in ledger.Orders)
        {
            if (order.End == RequestEnd.None)
                verdict.Add("S17", "P1", order.AtUs, PlanId.None, $"order {order.Number} has no end");
            if (order.IsTwice)
            {
                verdict.Add(
                    "S10", "P1", order.EndedUs, order.Plan, $"order {order.Number} was acknowledged as two plans");
            }

            if (order.End != RequestEnd.Acknowledged)
                continue;
            verdict.PlansAcknowledged++;
            bool isThere = byName.TryGetValue(order.Terms.Content.Name, out var plan);
            if (order.IsDurable && (!isThere || plan != order.Plan))
                verdict.Add("S1", "P1", order.AtUs, order.Plan, "acknowledged, and not there in the end");
        }
    }

    /// <summary>S10, the other way round: each plan was ordered, by a client or by a task that starts plans.</summary>
    private static void CheckOrdered(PlanCase plan, Dictionary<PlanId, PlanCase> cases, Verdict verdict)
    {
        if (plan.Final is not { } final)
            return;
        if (final.Stored.Parent != PlanId.None)
        {
            var parent = cases.GetValueOrDefault(final.Stored.Parent);
            bool isWanted = plan.Parent is { } task ? task.Plan == final.Stored.Parent
                : parent is not null && parent.Starts.Exists(
                    start => !parent.Knows(start.Key.Hook) || parent.ActionOf(start.Key.Hook) is ChainAction);
            if (!isWanted)
                verdict.Add("S10", "P1", 0, plan.Id, $"no task of {final.Stored.Parent} has started it");
        }
        else if (plan.Order is null)
        {
            verdict.Add("S10", "P1", 0, plan.Id, "nobody has ordered it");
        }
        else if (plan.Order.End == RequestEnd.Refused)
        {
            verdict.Add("S10", "P1", plan.Order.EndedUs, plan.Id, "its order was refused, and it is there");
        }
    }
}
