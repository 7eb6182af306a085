using Karya.Engine;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>
/// S4, S13 and the other half of S15: what ran has a row, rows say what targets have seen and said, and nothing was
/// given up before its time.
/// </summary>
internal sealed class RowChecks(PlanCase plan, JudgeOptions options, Verdict verdict)
{
    private readonly FinalPlan _final = plan.Final!;

    public void Check()
    {
        foreach (var (occurrence, hook) in plan.LastAttempts.Keys)
        {
            bool isThere = plan.Rows.ContainsKey((occurrence, hook)) || plan.IsOpen(occurrence, hook)
                || (hook == 0 && plan.SkippedBy(occurrence) is not null);
            if (!isThere)
                Add("S4", "P2", $"occurrence {occurrence}, hook {hook} ran, and no row says so");
        }

        foreach (var task in _final.Tasks)
        {
            if (task.State is PlanTaskState.Success or PlanTaskState.Failure)
                CheckAttempts(task);
            if (task.State == PlanTaskState.Success)
                CheckSuccess(task);
            if (task.State == PlanTaskState.Failure)
                CheckFailure(task);
            if (task.State == PlanTaskState.Cancelled && !plan.MayBeCancelled)
                Add("S2", "P8", $"{Name(task)} and nobody cancelled its plan");
        }
    }

    private void CheckAttempts(StoredTask task)
    {
        for (int attempt = 1; attempt <= task.Attempts; attempt++)
        {
            if (Of(task, attempt).Starts.Count == 0)
                Add("S13", "P8", $"{Name(task)} counts attempt {attempt}, which nobody has seen");
        }

        int last = plan.LastAttempts.GetValueOrDefault((task.Key.Occurrence, task.Key.Hook));
        if (last > task.Attempts)
            Add("S13", "P8", $"{Name(task)} counts {task.Attempts} attempts, and there were {last}");
    }

    private void CheckSuccess(StoredTask task)
    {
        if (!plan.Knows(task.Key.Hook))
            return;
        bool wasSaid = plan.ActionOf(task.Key.Hook) is ChainAction
            ? plan.Started.Contains(task.Key)
            : Of(task, task.Attempts).Ends.Exists(end => end.IsSuccess);
        if (!wasSaid)
            Add("S13", "P8", $"{Name(task)} and attempt {task.Attempts} did not succeed");
    }

    /// <summary>An answer that came in time, to a node that still had the task, decides.</summary>
    private void CheckFailure(StoredTask task)
    {
        if (!plan.Knows(task.Key.Hook))
            return;
        var last = Of(task, task.Attempts);
        if (last.Starts.Count > 0 && last.Ends.Count == last.Starts.Count
            && last.Ends.TrueForAll(end => end.IsSuccess
                && end.AtUs - last.Starts[0].AtUs < options.TimeoutUsMin))
        {
            Add("S13", "P8", $"{Name(task)} and its target said that it succeeded");
        }

        bool isOver = last.Ends.Exists(end => end is { IsSuccess: false, IsRetryable: false });
        int attemptsMin = plan.AttemptsMinOf(task.Key.Hook);
        if (task.Attempts < attemptsMin && !isOver)
            Add("S15", "P2", $"{Name(task)} after {task.Attempts} of {attemptsMin} attempts, which another might help");
    }

    private AttemptCase Of(StoredTask task, int attempt) =>
        plan.AttemptOf(task.Key.Occurrence, task.Key.Hook, attempt);

    private static string Name(StoredTask task) =>
        $"occurrence {task.Key.Occurrence}, hook {task.Key.Hook} is {task.State}";

    private void Add(string invariant, string promise, string text) =>
        verdict.Add(invariant, promise, 0, plan.Id, text);
}
