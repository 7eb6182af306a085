using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>
/// What became of each plan: what was promised is there, everything that fell due is accounted for, states only move
/// forward, hooks are complete, and what the store says is what targets have seen.
/// </summary>
internal sealed class PlanChecks(JudgeOptions options, Verdict verdict)
{
    private const int MisfireGraceMs = 1000;

    private PlanCase _plan = null!;
    private FinalPlan _final = null!;
    private Dictionary<(long Occurrence, int Hook), StoredTask> _ended = [];
    private HashSet<(long Occurrence, int Hook)> _started = [];
    private HashSet<(TaskKey Key, int Attempt)> _attempts = [];
    private Dictionary<long, List<Start>> _starts = [];
    private long _lastOccurrence;

    public void Check(PlanCase plan)
    {
        _plan = plan;
        CheckSights();
        if (plan.Final is null)
        {
            if (plan.Starts.Count > 0)
                Add("S4", "P2", plan.Starts[0].AtUs, "it ran, and is not there in the end");
            else if (plan.Parent is not null && !plan.MayBeCancelled)
                Add("S1", "P1", 0, "a task was told that it was started, and it is not there");
            return;
        }

        _final = plan.Final;
        _ended = [];
        foreach (var task in _final.Tasks)
            _ended[(task.Key.Occurrence, task.Key.Hook)] = task;
        _lastOccurrence = _final.Tasks.Select(task => task.OccurrenceTo).DefaultIfEmpty().Max();
        IndexStarts();
        CheckChanges();
        CheckRecorded();
        CheckHooks();
        CheckNothingIsStuck();
        if (plan.Terms is null)
            return;
        CheckCreated();
        CheckOccurrences();
    }

    /// <summary>A plan may have a hundred thousand of them.</summary>
    private void IndexStarts()
    {
        _started = [];
        _attempts = [];
        _starts = [];
        foreach (var start in _plan.Starts)
        {
            _started.Add((start.Key.Occurrence, start.Key.Hook));
            _attempts.Add((start.Key, start.Attempt));
            if (start.Key.IsHook)
                continue;
            if (!_starts.TryGetValue(start.Key.Occurrence, out var starts))
                _starts.Add(start.Key.Occurrence, starts = []);
            starts.Add(start);
        }
    }

    private List<Start> StartsOf(long occurrence) => _starts.GetValueOrDefault(occurrence) ?? [];

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
    private void CheckChanges()
    {
        bool isCancelled = _plan.Cancels.Exists(cancel => cancel.End == RequestEnd.Acknowledged);
        if (isCancelled && _final.State != PlanState.Cancelled)
            Add("S2", "P6", _plan.CancelledUs, $"its cancel was acknowledged, and it is {_final.State} in the end");
        if (_final.State == PlanState.Cancelled && !_plan.MayBeCancelled)
            Add("S2", "P8", 0, "is cancelled, and nobody did so");
        if (_plan.Updates.Count == 0)
            return;
        var last = _plan.Updates[^1];
        bool isLastWord = last.End == RequestEnd.Acknowledged
            && _plan.Updates.TrueForAll(update => update == last
                || (update.EndedUs < last.BeganUs && update.End != RequestEnd.Unknown));
        if (!isLastWord)
            return;
        if (last.PeriodMs is { } periodMs && _final.Memo.Spec.PeriodMs != periodMs)
            Add("S2", "P1", last.EndedUs, $"its period was set to {periodMs} and is {_final.Memo.Spec.PeriodMs}");
        if (last.AttemptsMax is { } attempts && _final.Memo.Spec.AttemptsMax != attempts)
            Add("S2", "P1", last.EndedUs, $"its attempts were set to {attempts}, not {_final.Memo.Spec.AttemptsMax}");
    }

    /// <summary>S4 and S13: what ran has a row, and rows say what targets have seen.</summary>
    private void CheckRecorded()
    {
        foreach (var key in _started)
        {
            if (!_ended.ContainsKey(key) && !IsOpen(key))
                Add("S4", "P2", 0, $"occurrence {key.Occurrence}, hook {key.Hook} ran, and no row says so");
        }

        foreach (var task in _final.Tasks)
        {
            if (task.State is not (PlanTaskState.Success or PlanTaskState.Failure))
                continue;
            for (int attempt = 1; attempt <= task.Attempts; attempt++)
            {
                if (!_attempts.Contains((task.Key, attempt)))
                    Add("S13", "P8", 0, $"{Name(task)} counts attempt {attempt}, which nobody has seen");
            }
        }

        if (_final.State == PlanState.Completed && _final.Memo.OpenTasks.Any(task => task.Hook == 0))
            Add("S13", "P8", 0, "is completed with an open task");
    }

    /// <summary>S12.</summary>
    private void CheckHooks()
    {
        foreach (var start in _plan.Starts)
        {
            if (start.Key.IsHook && !StartsOf(start.Key.Occurrence).Exists(other => other.AtUs < start.AtUs))
            {
                // After skipped occurrences a plan may complete without a last start.
                bool wasSkipped = SkippedBy(start.Key.Occurrence) is not null;
                if (!wasSkipped)
                    Add("S12", "P9", start.AtUs, $"hook {start.Key.Hook} starts before what it follows from");
            }
        }

        if (_plan.Terms is not { } terms || _plan.MayBeCancelled)
            return;
        for (int hook = 1; hook <= terms.Content.Hooks.Count; hook++)
        {
            if (terms.Content.Hooks[hook - 1].Event == HookEvent.Failure)
            {
                foreach (var task in _final.Tasks)
                {
                    if (task.Key.Hook == 0 && task.State == PlanTaskState.Failure)
                        CheckHook(task.Key.Occurrence, hook);
                }
            }
            else if (_final.State == PlanState.Completed)
            {
                CheckHook(_lastOccurrence, hook);
            }
        }
    }

    private void CheckHook(long occurrence, int hook)
    {
        if (!_ended.ContainsKey((occurrence, hook)) && !IsOpen((occurrence, hook)))
            Add("S12", "P9", 0, $"hook {hook} of occurrence {occurrence} is missing");
    }

    /// <summary>L1 and L3: nothing is overdue when all has settled.</summary>
    private void CheckNothingIsStuck()
    {
        foreach (var task in _final.Memo.OpenTasks)
        {
            if (task.AttemptDueMs < options.CutoffMs && task.DueMs < options.CutoffMs
                && task.State != PlanTaskState.Processing)
            {
                Add("L1", "P2", 0, $"occurrence {task.Occurrence}, hook {task.Hook} is {task.State}, "
                    + $"{options.CutoffMs - task.AttemptDueMs} ms overdue");
            }
        }
    }

    /// <summary>A plan is created between its submit and the answer, by the database's clock.</summary>
    private void CheckCreated()
    {
        if (options.ClockStepped || _plan.Order is not { End: RequestEnd.Acknowledged } order)
            return;
        long createdMs = _final.Stored.CreatedMs;
        if (createdMs > order.EndedDatabaseMs)
            Add("S5", "P3", order.EndedUs, $"created {createdMs - order.EndedDatabaseMs} ms after it was acknowledged");
        if (createdMs < order.DatabaseMs - options.ClockLagMs)
            Add("S14", "P7", order.AtUs, $"created {order.DatabaseMs - createdMs} ms before it was submitted");
    }

    /// <summary>S3, S5 and S14: each occurrence, at its own instant, ran or is recorded as skipped.</summary>
    private void CheckOccurrences()
    {
        if (_plan.MayHaveOtherPeriod)
            return;
        long occurrence = 0;
        foreach (long dueMs in _plan.DueInstants())
        {
            occurrence++;
            bool isDue = dueMs < options.CutoffMs;
            CheckStarts(occurrence, dueMs);
            if (!isDue && occurrence > _lastOccurrence)
                return;
            if (isDue && _plan.IsPromised && !_plan.MayBeCancelled)
                CheckAccounted(occurrence, dueMs);
        }

        if (_started.Any(key => key.Hook == 0 && key.Occurrence > occurrence))
            Add("S14", "P7", 0, $"more occurrences ran than the {occurrence} that there are");
    }

    private void CheckStarts(long occurrence, long dueMs)
    {
        foreach (var start in StartsOf(occurrence))
        {
            if (start.DueMs != dueMs)
            {
                Add(
                    "S14", "P7", start.AtUs,
                    $"occurrence {occurrence} is due at {dueMs}, and was said to be at {start.DueMs}");
            }

            if (start.DatabaseMs < dueMs && !options.ClockStepped && !_plan.IsTriggered)
                Add("S5", "P3", start.AtUs, $"occurrence {occurrence} starts {dueMs - start.DatabaseMs} ms early");
        }
    }

    private void CheckAccounted(long occurrence, long dueMs)
    {
        if (_started.Contains((occurrence, 0)))
            return;
        if (SkippedBy(occurrence) is not { } skip)
        {
            Add(
                "S3", "P2", 0,
                $"occurrence {occurrence}, due {options.CutoffMs - dueMs} ms before the end, neither ran nor was "
                + "recorded as skipped");
            return;
        }

        var policy = _plan.Terms!.Policy.Missed;
        bool isOneTime = _plan.Terms.Schedule is ScheduleMessage.After or ScheduleMessage.At;
        bool wasLate = skip.FinishedMs >= dueMs && skip.FinishedMs - skip.DueMs > MisfireGraceMs;
        if (policy == MissedRuns.All || isOneTime || skip.Reason != SkipReason.Misfire)
            Add("S3", "P2", 0, $"occurrence {occurrence} was skipped, which {policy} does not allow");
        else if (!wasLate)
            Add("S3", "P2", 0, $"occurrence {occurrence} was skipped at {skip.FinishedMs}, and was due at {dueMs}");
    }

    private StoredTask? SkippedBy(long occurrence)
    {
        foreach (var task in _final.Tasks)
        {
            if (task.State == PlanTaskState.Skipped && task.Key.Occurrence <= occurrence
                && occurrence <= task.OccurrenceTo)
            {
                return task;
            }
        }

        return null;
    }

    private bool IsOpen((long Occurrence, int Hook) key)
    {
        foreach (OpenTask task in _final.Memo.OpenTasks)
        {
            if (task.Occurrence == key.Occurrence && task.Hook == key.Hook)
                return true;
        }

        return false;
    }

    private static string Name(StoredTask task) =>
        $"occurrence {task.Key.Occurrence}, hook {task.Key.Hook}, {task.State},";

    private void Add(string invariant, string promise, long atUs, string text) =>
        verdict.Add(invariant, promise, atUs, _plan.Id, text);
}
