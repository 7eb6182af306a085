using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>S12: a hook runs when its cause has happened, and then it does.</summary>
internal sealed class HookChecks(PlanCase plan, JudgeOptions options, Verdict verdict)
{
    private readonly FinalPlan _final = plan.Final!;

    public void Check()
    {
        foreach (var start in plan.Starts)
        {
            if (start.Key.IsHook)
                CheckCause(start);
        }

        foreach (var row in _final.Tasks)
        {
            if (row.Key.IsHook)
                CheckCause(row.Key, 0);
        }

        foreach (var open in _final.OpenTasks)
        {
            if (open.Hook != 0)
                CheckCause(new TaskKey(plan.Id, open.Occurrence, open.Hook), 0);
        }

        if (!plan.MayBeCancelled)
            CheckNoneIsMissing();
    }

    private void CheckCause(in Start start)
    {
        CheckCause(start.Key, start.AtUs);
        long occurrence = start.Key.Occurrence;
        var cause = plan.Rows.GetValueOrDefault((occurrence, 0));
        if (cause is null or { State: PlanTaskState.Skipped })
            return; // A plan may complete by skipping; and what has no row is found elsewhere.
        if (!plan.MayBeOver(occurrence, 0, cause.Attempts, start.AtUs, options))
        {
            verdict.Add(
                "S12", "P9", start.AtUs, plan.Id,
                $"hook {start.Key.Hook} of occurrence {occurrence} starts before what it follows from is over");
        }
    }

    private void CheckCause(in TaskKey key, long atUs)
    {
        if (!plan.Knows(key.Hook))
        {
            AddCause(key, atUs, "there is no such hook");
        }
        else if (plan.Terms!.Content.Hooks[key.Hook - 1].Event == HookEvent.Failure)
        {
            if (plan.Rows.GetValueOrDefault((key.Occurrence, 0)) is not { State: PlanTaskState.Failure })
                AddCause(key, atUs, "it has not failed");
        }
        else if (!plan.MayBeCancelled && _final.State != PlanState.Completed)
        {
            AddCause(key, atUs, $"the plan is {_final.State}");
        }
        else if (key.Occurrence != plan.LastOccurrence)
        {
            AddCause(key, atUs, $"{plan.LastOccurrence} is the last one");
        }
    }

    private void AddCause(in TaskKey key, long atUs, string why) => verdict.Add(
        "S12", "P9", atUs, plan.Id, $"hook {key.Hook} of occurrence {key.Occurrence} has no cause: {why}");

    private void CheckNoneIsMissing()
    {
        var hooks = plan.Terms!.Content.Hooks;
        for (int hook = 1; hook <= hooks.Count; hook++)
        {
            if (hooks[hook - 1].Event == HookEvent.Failure)
            {
                foreach (var task in _final.Tasks)
                {
                    if (task is { Key.Hook: 0, State: PlanTaskState.Failure })
                        CheckIsThere(task.Key.Occurrence, hook);
                }
            }
            else if (_final.State == PlanState.Completed)
            {
                CheckIsThere(plan.LastOccurrence, hook);
            }
        }
    }

    private void CheckIsThere(long occurrence, int hook)
    {
        if (!plan.Rows.ContainsKey((occurrence, hook)) && !plan.IsOpen(occurrence, hook))
            verdict.Add("S12", "P9", 0, plan.Id, $"hook {hook} of occurrence {occurrence} is missing");
    }
}
