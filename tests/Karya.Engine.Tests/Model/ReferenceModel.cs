using Karya.Engine.Scheduling;
using Karya.Engine.Tests.Driving;

namespace Karya.Engine.Tests.Model;

/// <summary>
/// What partitions must do, said as plainly as possible: objects, lists, loops over everything. A task is looked at in
/// the first turn at or after its due instant, one that a turn made in the next millisecond at the earliest.
/// </summary>
internal sealed class ReferenceModel
{
    public Dictionary<PlanId, ModelPlan> Plans { get; } = [];

    public HashSet<(TaskKey Key, int Attempt)> Errors { get; } = [];

    public ReplyCode Submit(PlanDraft draft, long nowMs)
    {
        if (Plans.ContainsKey(draft.Id))
            return ReplyCode.AlreadyExists;
        if (draft.Parent != PlanId.None && Plans[draft.Parent].State == PlanState.Cancelled)
            return ReplyCode.WrongState;

        var plan = new ModelPlan { Draft = draft, IsOnce = draft is { PeriodMs: 0, Cron: null }, LastOccurrence = 1 };
        Plans.Add(draft.Id, plan);
        plan.Tasks.Add(new ModelTask
        {
            Occurrence = 1,
            OccurrenceTo = 1,
            DueMs = draft.DueMs,
            AttemptDueMs = draft.DueMs,
            LookMs = nowMs + 1,
            AttemptsMax = draft.Attempts,
        });
        return ReplyCode.Ok;
    }

    public ReplyCode Cancel(PlanId id)
    {
        if (!Plans.ContainsKey(id))
            return ReplyCode.NotFound;

        HashSet<PlanId> family = [id];
        while (Plans.Values.Any(p => family.Contains(p.Draft.Parent) && family.Add(p.Draft.Id)))
        {
        }

        foreach (var plan in family.Select(member => Plans[member]))
        {
            bool isEnded = PlanStates.IsEnded(plan.State) && plan.Open.All(t => PlanTaskStates.IsEnded(t.State));
            if (isEnded && plan.Draft.Id != id)
                continue;
            plan.State = PlanState.Cancelled;
            foreach (var task in plan.Open.Where(t => t.State == PlanTaskState.Created))
                task.State = PlanTaskState.Cancelled;
        }

        return ReplyCode.Ok;
    }

    public ReplyCode Update(PlanId id, PlanUpdate what, long periodMs, int attempts, HookSpec[]? hooks)
    {
        if (!Plans.TryGetValue(id, out var plan))
            return ReplyCode.NotFound;
        if (what.HasFlag(PlanUpdate.Period) && plan.Draft.Cron is not null)
            return ReplyCode.WrongState;
        if (what.HasFlag(PlanUpdate.Period))
            plan.Draft = plan.Draft with { PeriodMs = periodMs };
        if (what.HasFlag(PlanUpdate.Hooks))
            plan.Draft = plan.Draft with { Hooks = hooks! };
        if (!what.HasFlag(PlanUpdate.Attempts))
            return ReplyCode.Ok;

        plan.Draft = plan.Draft with { Attempts = attempts };
        foreach (var task in plan.Open.Where(t => t is { Hook: 0, Attempts: 0 }))
            task.AttemptsMax = attempts;
        return ReplyCode.Ok;
    }

    public ReplyCode Replay(TaskKey key, long nowMs)
    {
        var plan = Plans[key.Plan];
        var dead = plan.Find(key.Occurrence, key.Hook);
        if (plan.State == PlanState.Cancelled || dead.State != PlanTaskState.Failure)
            return ReplyCode.WrongState;

        dead.State = PlanTaskState.Created;
        dead.IsReplayed = true;
        dead.AttemptsMax =
            dead.Attempts + (key.Hook == 0 ? plan.Draft.Attempts : plan.Draft.Hooks[key.Hook - 1].AttemptsMax);
        dead.AttemptDueMs = nowMs;
        dead.LookMs = nowMs + 1;
        return ReplyCode.Ok;
    }

    public ReplyCode End(Dispatch attempt, bool isSuccess, bool isRetryable, int retryAfterMs, long nowMs)
    {
        var plan = Plans[attempt.Key.Plan];
        var task = plan.Find(attempt.Key.Occurrence, attempt.Key.Hook);
        if (task.State != PlanTaskState.Processing || task.Attempts != attempt.Attempt)
            return ReplyCode.WrongState;

        if (!isSuccess)
            Errors.Add((attempt.Key, attempt.Attempt));
        if (!isSuccess && isRetryable && task.Attempts < task.AttemptsMax && plan.State != PlanState.Cancelled)
        {
            long delayMs = RetryPolicy.DelayMs(
                attempt.Key, attempt.Attempt, plan.Draft.RetryDelayMs, plan.Draft.RetryDelayMsMax);
            task.State = PlanTaskState.Created;
            task.AttemptDueMs = nowMs + Math.Max(delayMs, retryAfterMs);
            task.LookMs = nowMs + 1;
            return ReplyCode.Ok;
        }

        bool isCancelled = plan.State == PlanState.Cancelled;
        task.State = isSuccess ? PlanTaskState.Success
            : isCancelled ? PlanTaskState.Cancelled : PlanTaskState.Failure;
        if (task.Hook != 0 || task.IsReplayed)
            return ReplyCode.Ok;
        if (task.State == PlanTaskState.Failure)
            AddHooks(plan, HookTrigger.OnFailure, task.Occurrence, nowMs);
        Complete(plan, nowMs);
        return ReplyCode.Ok;
    }

    /// <summary>What starts in a turn at this instant.</summary>
    public List<(TaskKey Key, int Attempt, long DueMs)> Turn(long nowMs)
    {
        List<(TaskKey, int, long)> starts = [];
        foreach (var plan in Plans.Values)
        {
            foreach (var task in plan.Tasks.Where(t => t.IsDue(nowMs)).ToArray())
            {
                if (TrySkip(plan, task, nowMs))
                    continue;
                Start(plan, task, nowMs);
                starts.Add((new TaskKey(plan.Draft.Id, task.Occurrence, task.Hook), task.Attempts, task.DueMs));
            }
        }

        return starts;
    }

    /// <summary>Another owner takes over: it looks at everything afresh, and starts again what was running.</summary>
    public void Crash()
    {
        foreach (var plan in Plans.Values)
        {
            foreach (var task in plan.Open)
            {
                task.LookMs = 0;
                if (task.State != PlanTaskState.Processing)
                    continue;
                task.IsInterrupted = plan.State != PlanState.Cancelled;
                if (task.IsInterrupted)
                    continue;
                task.State = PlanTaskState.Cancelled;
                Errors.Add((new TaskKey(plan.Draft.Id, task.Occurrence, task.Hook), task.Attempts));
            }
        }
    }

    private static bool TrySkip(ModelPlan plan, ModelTask task, long nowMs)
    {
        bool canSkip = task is { Hook: 0, Attempts: 0, IsReplayed: false } && !plan.IsOnce
            && plan.Draft.Misfire != MisfirePolicy.All && nowMs - task.DueMs > Limits.MisfireGraceMs;
        if (!canSkip)
            return false;

        List<long> due = [task.DueMs];
        while (plan.NextDueMs(due[^1]) <= Math.Min(nowMs, plan.Draft.EndMs))
            due.Add(plan.NextDueMs(due[^1]));
        bool runsLast = plan.Draft.Misfire == MisfirePolicy.Once || nowMs - due[^1] <= Limits.MisfireGraceMs;
        int skipped = runsLast ? due.Count - 1 : due.Count;
        if (skipped == 0)
            return false;

        task.State = PlanTaskState.Skipped;
        task.OccurrenceTo = task.Occurrence + skipped - 1;
        plan.LastOccurrence = task.OccurrenceTo;
        long nextDueMs = runsLast ? due[^1] : plan.NextDueMs(due[^1]);
        if (nextDueMs <= plan.Draft.EndMs)
            AddOccurrence(plan, nextDueMs, nowMs);
        else
            Complete(plan, nowMs);
        return true;
    }

    private static void Start(ModelPlan plan, ModelTask task, long nowMs)
    {
        bool isFirst = task is { Attempts: 0, Hook: 0, IsReplayed: false };
        if (!task.IsInterrupted)
            task.Attempts++;
        task.IsInterrupted = false;
        task.State = PlanTaskState.Processing;
        if (!isFirst)
            return;
        if (plan.State == PlanState.Created)
            plan.State = PlanState.Running;
        if (!plan.IsOnce && plan.NextDueMs(task.DueMs) <= plan.Draft.EndMs)
            AddOccurrence(plan, plan.NextDueMs(task.DueMs), nowMs);
    }

    private static void AddOccurrence(ModelPlan plan, long dueMs, long nowMs)
    {
        plan.LastOccurrence++;
        plan.Tasks.Add(new ModelTask
        {
            Occurrence = plan.LastOccurrence,
            OccurrenceTo = plan.LastOccurrence,
            DueMs = dueMs,
            AttemptDueMs = dueMs,
            LookMs = nowMs + 1,
            AttemptsMax = plan.Draft.Attempts,
        });
    }

    private static void AddHooks(ModelPlan plan, HookTrigger trigger, long occurrence, long nowMs)
    {
        for (int i = 0; i < plan.Draft.Hooks.Length; i++)
        {
            if (plan.Draft.Hooks[i].Trigger != trigger)
                continue;
            plan.Tasks.Add(new ModelTask
            {
                Occurrence = occurrence,
                OccurrenceTo = occurrence,
                Hook = i + 1,
                DueMs = nowMs,
                AttemptDueMs = nowMs,
                LookMs = nowMs + 1,
                AttemptsMax = plan.Draft.Hooks[i].AttemptsMax,
            });
        }
    }

    private static void Complete(ModelPlan plan, long nowMs)
    {
        if (PlanStates.IsEnded(plan.State) || plan.Open.Any(t => t is { Hook: 0, IsReplayed: false }))
            return;
        plan.State = PlanState.Completed;
        AddHooks(plan, HookTrigger.OnCompletion, plan.LastOccurrence, nowMs);
    }
}

internal sealed class ModelPlan
{
    public required PlanDraft Draft { get; set; }

    public bool IsOnce { get; init; }

    public PlanState State { get; set; }

    public long LastOccurrence { get; set; }

    public List<ModelTask> Tasks { get; } = [];

    public IEnumerable<ModelTask> Open => Tasks.Where(t => !PlanTaskStates.IsEnded(t.State));

    public long NextDueMs(long dueMs)
    {
        if (Draft.Cron is null)
            return dueMs + Draft.PeriodMs;
        CronSchedule.TryParse(Draft.Cron, Draft.Zone, out var schedule, out _);
        return schedule!.NextMs(dueMs)!.Value;
    }

    public ModelTask Find(long occurrence, int hook) => Tasks.Single(t => t.Occurrence == occurrence && t.Hook == hook);
}

internal sealed class ModelTask
{
    public long Occurrence { get; init; }

    public long OccurrenceTo { get; set; }

    public int Hook { get; init; }

    public PlanTaskState State { get; set; }

    public long DueMs { get; init; }

    public long AttemptDueMs { get; set; }

    /// <summary>It is not looked at before this instant, although it is due.</summary>
    public long LookMs { get; set; }

    public int Attempts { get; set; }

    public int AttemptsMax { get; set; }

    public bool IsReplayed { get; set; }

    public bool IsInterrupted { get; set; }

    public bool IsDue(long nowMs) =>
        IsInterrupted || (State == PlanTaskState.Created && AttemptDueMs <= nowMs && LookMs <= nowMs);
}
