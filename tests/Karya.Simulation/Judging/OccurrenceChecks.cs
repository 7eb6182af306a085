using Karya.Engine;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>
/// S3, S5 and S14: each occurrence, at its own instant, ran or is recorded as skipped, and there are no others.
/// </summary>
internal sealed class OccurrenceChecks(PlanCase plan, OwnerLog owners, JudgeOptions options, Verdict verdict)
{
    private const int MisfireGraceMs = 1000;

    private readonly FinalPlan _final = plan.Final!;

    public void Check()
    {
        CheckCreated();
        if (plan.IsEndless && _final.State == PlanState.Completed)
            Add("S14", "P7", 0, "is completed, and has no end");
        if (!plan.MayHaveOtherPeriod)
            CheckOccurrences();
    }

    /// <summary>A plan is created between its submit and the answer, by the database's clock.</summary>
    private void CheckCreated()
    {
        if (options.ClockStepped || plan.Order is not { End: RequestEnd.Acknowledged } order)
            return;
        long createdMs = _final.Stored.CreatedMs;
        if (createdMs > order.EndedDatabaseMs)
            Add("S5", "P3", order.EndedUs, $"created {createdMs - order.EndedDatabaseMs} ms after it was acknowledged");
        if (createdMs < order.DatabaseMs - options.ClockLagMs)
            Add("S14", "P7", order.AtUs, $"created {order.DatabaseMs - createdMs} ms before it was submitted");
    }

    private void CheckOccurrences()
    {
        long occurrence = 0;
        foreach (long dueMs in plan.DueInstants())
        {
            occurrence++;
            bool isDue = dueMs < options.CutoffMs;
            CheckStarts(occurrence, dueMs);
            CheckRow(occurrence, dueMs);
            if (!isDue && occurrence > plan.LastOccurrence)
            {
                if (_final.State == PlanState.Completed && !plan.IsEndless)
                    Add("S14", "P7", 0, $"is completed, and occurrence {occurrence} is still to come");
                return;
            }

            if (isDue && plan.IsPromised && !plan.MayBeCancelled)
                CheckAccounted(occurrence, dueMs);
        }

        if (plan.LastAttempts.Keys.Any(task => task.Occurrence > occurrence) || plan.LastOccurrence > occurrence)
            Add("S14", "P7", 0, $"has more occurrences than the {occurrence} that there are");
    }

    private void CheckStarts(long occurrence, long dueMs)
    {
        foreach (var start in plan.StartsOf(occurrence))
        {
            if (start.DueMs != dueMs)
            {
                Add(
                    "S14", "P7", start.AtUs,
                    $"occurrence {occurrence} is due at {dueMs}, and was said to be at {start.DueMs}");
            }

            if (start.DatabaseMs < dueMs && !options.ClockStepped && !plan.IsTriggered)
                Add("S5", "P3", start.AtUs, $"occurrence {occurrence} starts {dueMs - start.DatabaseMs} ms early");
        }
    }

    private void CheckRow(long occurrence, long dueMs)
    {
        if (plan.Rows.GetValueOrDefault((occurrence, 0)) is { } row && row.DueMs != dueMs)
            Add("S14", "P7", 0, $"occurrence {occurrence} is due at {dueMs}, and its row says {row.DueMs}");
    }

    private void CheckAccounted(long occurrence, long dueMs)
    {
        var skip = plan.SkippedBy(occurrence);
        bool hasBegun = plan.HasBegun(occurrence, 0);
        if (skip is null)
        {
            if (!hasBegun)
            {
                Add(
                    "S3", "P2", 0,
                    $"occurrence {occurrence}, due {options.CutoffMs - dueMs} ms before the end, neither ran nor was "
                    + "recorded as skipped");
            }

            return;
        }

        if (hasBegun)
        {
            // An attempt begins when the record of its task is durable, and not only when that of its start is.
            if (!options.IsCalm && plan.StartsOf(occurrence).All(start => owners.ExplainsForgotten(start)))
                verdict.RanAndSkipped++;
            else
                Add("S3", "P8", 0, $"occurrence {occurrence} ran, and is recorded as skipped");
        }

        CheckSkip(occurrence, dueMs, skip);
    }

    private void CheckSkip(long occurrence, long dueMs, StoredTask skip)
    {
        var policy = plan.Terms!.Policy.Missed;
        bool isOneTime = plan.Terms.Schedule is ScheduleMessage.After or ScheduleMessage.At;
        bool wasLate = skip.FinishedMs >= dueMs && skip.FinishedMs - skip.DueMs > MisfireGraceMs;
        if (policy == MissedRuns.All || isOneTime || skip.Reason != SkipReason.Misfire)
            Add("S3", "P2", 0, $"occurrence {occurrence} was skipped, which {policy} does not allow");
        else if (!wasLate)
            Add("S3", "P2", 0, $"occurrence {occurrence} was skipped at {skip.FinishedMs}, and was due at {dueMs}");
    }

    private void Add(string invariant, string promise, long atUs, string text) =>
        verdict.Add(invariant, promise, atUs, plan.Id, text);
}
