using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;

namespace Karya.Node.Plans;

/// <summary>Stored rows to answers. Pure.</summary>
internal static class PlanViews
{
    public static PlanView Of(StoredPlan stored, PlanMemo memo)
    {
        var body = PlanBodyCodec.Read(stored.Body);
        if (body.PeriodText.Length == 0)
        {
            string text = CronOf(memo)?.Split('\n')[0] ?? PeriodTexts.Of(memo.Spec.PeriodMs);
            body = body with { PeriodText = text };
        }

        return Of(stored, memo, body);
    }

    private static PlanView Of(StoredPlan stored, PlanMemo memo, PlanBody body) => new(
        stored.Id,
        stored.User,
        stored.Parent,
        stored.State,
        memo.Spec.Kind != ScheduleKind.Once,
        memo.Spec.EndMs == PlanSpec.NoEnd ? null : memo.Spec.EndMs,
        memo.Spec.AttemptsMax - 1,
        stored.CreatedMs,
        stored.UpdatedMs,
        body)
    {
        PeriodMs = memo.Spec.PeriodMs,
        Cron = CronOf(memo),
    };

    private static string? CronOf(PlanMemo memo) =>
        memo.Cron.IsEmpty ? null : Encoding.UTF8.GetString(memo.Cron.Span);

    public static TaskView Of(StoredTask row, int partition) => new(
        row.Key, partition, row.State, row.CreatedMs, row.DueMs, Instant(row.StartedMs), Instant(row.FinishedMs),
        row.Attempts, row.ResultBytes)
    {
        OccurrenceTo = row.OccurrenceTo,
    };

    /// <summary>The open occurrence with the highest number; null when none is open.</summary>
    public static TaskView? LatestOpen(StoredPlan stored, PlanMemo memo)
    {
        TaskView? latest = null;
        foreach (var open in memo.OpenTasks)
        {
            if (open.Hook == 0 && (latest is null || open.Occurrence > latest.Key.Occurrence))
                latest = Of(stored, open);
        }

        return latest;
    }

    /// <summary>The open tasks, newest first.</summary>
    public static List<TaskView> OpenTasks(StoredPlan stored, PlanMemo memo)
    {
        var open = memo.OpenTasks.Select(task => Of(stored, task)).ToList();
        open.Sort((a, b) => (b.Key.Occurrence, b.Key.Hook).CompareTo((a.Key.Occurrence, a.Key.Hook)));
        return open;
    }

    /// <summary>
    /// Adds the open tasks to the ended ones (a replayed dead letter takes the place of its row) and sorts by creation.
    /// </summary>
    public static void AddOpen(List<TaskView> tasks, StoredPlan stored, PlanMemo memo)
    {
        foreach (var open in memo.OpenTasks)
        {
            var view = Of(stored, open);
            tasks.RemoveAll(task => task.Key == view.Key);
            tasks.Add(view);
        }

        tasks.Sort((a, b) => OrderOf(a).CompareTo(OrderOf(b)));
    }

    /// <summary>
    /// What is left to say of the latest task of a plan whose history was removed: its last occurrence, cancelled or
    /// done.
    /// </summary>
    public static TaskView Removed(StoredPlan stored, PlanMemo memo) => new(
        new TaskKey(stored.Id, 1, 0),
        stored.Partition,
        stored.State == PlanState.Completed ? PlanTaskState.Success : PlanTaskState.Cancelled,
        stored.CreatedMs,
        stored.CreatedMs + memo.Spec.PeriodMs,
        null,
        null,
        0,
        null);

    private static TaskView Of(StoredPlan stored, OpenTask open) => new(
        new TaskKey(stored.Id, open.Occurrence, open.Hook), stored.Partition, open.State, open.CreatedMs, open.DueMs,
        Instant(open.StartedMs), Instant(open.FinishedMs), open.Attempts, null)
    {
        AttemptDueMs = open.AttemptDueMs,
    };

    private static (long, long, int) OrderOf(TaskView task) => (task.CreatedMs, task.Key.Occurrence, task.Key.Hook);

    private static long? Instant(long ms) => ms == 0 ? null : ms;
}
