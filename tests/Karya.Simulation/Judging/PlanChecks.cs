using Karya.Engine;

namespace Karya.Simulation.Judging;

/// <summary>
/// What became of each plan as a whole: what was promised is there, its states only move forward, changes are in
/// effect, and nothing of it is stuck.
/// </summary>
internal sealed class PlanChecks
{
    private readonly PlanCase _plan;
    private readonly JudgeOptions _options;
    private readonly Verdict _verdict;

    private PlanChecks(PlanCase plan, JudgeOptions options, Verdict verdict)
    {
        _plan = plan;
        _options = options;
        _verdict = verdict;
    }

    public static void Check(PlanCase plan, JudgeOptions options, Verdict verdict)
    {
        var checks = new PlanChecks(plan, options, verdict);
        checks.CheckSights();
        if (plan.Final is { } final)
        {
            checks.CheckChanges(final);
            checks.CheckNothingIsStuck(final);
        }
        else if (plan.Starts.Count > 0)
        {
            checks.Add("S4", "P2", plan.Starts[0].AtUs, "it ran, and is not there in the end");
        }
        else if (plan.Parent is not null && !plan.MayBeCancelled)
        {
            checks.Add("S1", "P1", 0, "a task was told that it was started, and it is not there");
        }
    }

    /// <summary>S11, and what was acknowledged is visible: to whoever asks afterwards, whomever it asks.</summary>
    private void CheckSights()
    {
        int highest = -1;
        long highestUs = long.MinValue;
        foreach (var sight in _plan.Sights.OrderBy(sight => sight.AskedUs))
        {
            bool isPromised = _plan.Order is { End: RequestEnd.Acknowledged, IsDurable: true } order
                && order.EndedUs < sight.AskedUs;
            if (sight.State is not { } state)
            {
                if (isPromised)
                    Add("S1", "P1", sight.AnsweredUs, "acknowledged, and then said not to exist");
                continue;
            }

            foreach (var cancel in _plan.Cancels)
            {
                if (cancel.End == RequestEnd.Acknowledged && cancel.EndedUs < sight.AskedUs
                    && state != PlanState.Cancelled)
                {
                    Add("S2", "P6", sight.AnsweredUs, $"shown as {state} after its cancel was acknowledged");
                }
            }

            if ((int)state < highest && highestUs < sight.AskedUs)
                Add("S11", "P8", sight.AnsweredUs, $"shown as {state} after {(PlanState)highest}");
            if ((int)state > highest)
            {
                highest = (int)state;
                highestUs = sight.AnsweredUs;
            }
        }

        if (_plan.Final is { } final && (int)final.State < highest)
            Add("S11", "P8", highestUs, $"is {final.State} in the end, and was {(PlanState)highest}");
    }

    /// <summary>S2.</summary>
    private void CheckChanges(FinalPlan final)
    {
        bool isCancelled = _plan.Cancels.Exists(cancel => cancel.End == RequestEnd.Acknowledged);
        if (isCancelled && final.State != PlanState.Cancelled)
            Add("S2", "P6", _plan.CancelledUs, $"its cancel was acknowledged, and it is {final.State} in the end");
        if (final.State == PlanState.Cancelled && !_plan.MayBeCancelled)
            Add("S2", "P8", 0, "is cancelled, and nobody did so");
        if (_plan.Updates.Count == 0)
            return;
        var last = _plan.Updates[^1];
        bool isLastWord = last.End == RequestEnd.Acknowledged
            && _plan.Updates.TrueForAll(update => update == last
                || (update.EndedUs < last.BeganUs && update.End != RequestEnd.Unknown));
        if (!isLastWord)
            return;
        if (last.PeriodMs is { } periodMs && final.PeriodMs != periodMs)
            Add("S2", "P1", last.EndedUs, $"its period was set to {periodMs} and is {final.PeriodMs}");
        if (last.AttemptsMax is { } attempts && final.AttemptsMax != attempts)
            Add("S2", "P1", last.EndedUs, $"its attempts were set to {attempts}, not {final.AttemptsMax}");
    }

    /// <summary>
    /// L1 and L3: when all has settled nothing is overdue, nothing runs on, and a plan that runs has something left.
    /// </summary>
    private void CheckNothingIsStuck(FinalPlan final)
    {
        bool hasOccurrence = false;
        foreach (var task in _plan.OpenTasks)
        {
            string name = $"occurrence {task.Occurrence}, hook {task.Hook}";
            hasOccurrence |= task.Hook == 0;
            if (task.State == PlanTaskState.Processing && task.StartedMs < _options.CutoffMs)
                Add("L1", "P2", 0, $"{name} has run for longer than {_options.AttemptTimeoutMs} ms");
            if (task.State == PlanTaskState.Processing)
                continue;
            if (final.State == PlanState.Cancelled)
                Add("S2", "P6", 0, $"{name} is {task.State} in a cancelled plan");
            else if (task.AttemptDueMs < _options.CutoffMs && task.DueMs < _options.CutoffMs)
                Add("L1", "P2", 0, $"{name} is {task.State}, {_options.CutoffMs - task.AttemptDueMs} ms overdue");
        }

        if (final.State == PlanState.Completed && hasOccurrence)
            Add("S13", "P8", 0, "is completed with an open task");
        if (final.State is PlanState.Created or PlanState.Running && !hasOccurrence)
            Add("L1", "P2", 0, $"is {final.State}, and no occurrence of it is left");
    }

    private void Add(string invariant, string promise, long atUs, string text) =>
        _verdict.Add(invariant, promise, atUs, _plan.Id, text);
}
