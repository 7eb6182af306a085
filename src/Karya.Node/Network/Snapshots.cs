using System.Globalization;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol.Messages;
using WorkerAction = Karya.Node.Plans.WorkerAction;

namespace Karya.Node.Network;

/// <summary>Views of the desk as they are on the wire. Pure, but for what runs just now.</summary>
internal static class Snapshots
{
    public static PlanSnapshot Of(PlanView plan) => new(
        plan.Id.Value,
        plan.User.Value,
        plan.Parent == PlanId.None ? null : plan.Parent.Value,
        (PlanStatus)((int)plan.State + 1),
        ScheduleOf(plan),
        plan.RetriesMax,
        plan.CreatedMs,
        plan.UpdatedMs,
        WireActions.ToMessage(plan.Body));

    /// <summary>A task that is no later than this is about to start.</summary>
    private const long SoonMs = 100;

    /// <param name="plan">The one that the task belongs to.</param>
    /// <param name="node">Knows how far a worker has come, and whether there is one.</param>
    public static TaskSnapshot Of(TaskView task, PlanView plan, NodeParts node)
    {
        var progress = task.State == PlanTaskState.Processing ? node.Workers.ProgressOf(task.Key) : null;
        return new TaskSnapshot(
            task.Key.ToTaskId(),
            task.Key.Occurrence,
            task.Key.Hook,
            task.OccurrenceTo,
            task.Partition,
            (PlanTaskStatus)((int)task.State + 1),
            task.CreatedMs,
            task.DueMs,
            task.StartedMs,
            task.FinishedMs,
            task.Attempts,
            progress?.Fraction,
            progress?.Note ?? WaitOf(task, plan, node));
    }

    public static ErrorSnapshot Of(ErrorView error) => new(
        error.Key.Occurrence, error.Key.Hook, error.Attempt, error.AtMs, error.Text,
        FailureNames.Of(error.Failure));

    public static UserSnapshot Of(UserView user) => new(user.Id.Value, user.Name, user.CreatedMs);

    public static PlanState? StateOf(PlanStatus status) =>
        status == PlanStatus.None ? null : (PlanState)((int)status - 1);

    private static ScheduleMessage ScheduleOf(PlanView plan)
    {
        if (plan.Cron?.Split('\n') is [var expression, var zone])
            return new ScheduleMessage.Cron(expression, zone, plan.EndAtMs);
        return plan.Recurring
            ? new ScheduleMessage.Every(plan.PeriodMs, null, plan.EndAtMs)
            : new ScheduleMessage.At(plan.CreatedMs + plan.PeriodMs);
    }

    /// <summary>A task that is due and that nobody can carry out, as far as this node knows, says so.</summary>
    private static string? WaitOf(TaskView task, PlanView plan, NodeParts node)
    {
        bool waits = task.State is PlanTaskState.Created or PlanTaskState.Processing && task.DueMs <= node.NowMs()
            && !node.Workers.Holds(task.Key);
        if (!waits)
            return null;
        var action = task.Key.Hook == 0
            ? plan.Body.Action
            : plan.Body.Hooks.ElementAtOrDefault(task.Key.Hook - 1)?.Action;
        return action switch
        {
            WorkerAction worker => node.Workers.IsServed(worker.Name)
                ? null
                : $"Waits for a worker: none serves \"{worker.Name}\" at present.",
            null => null,
            _ => task.State == PlanTaskState.Created ? WaitOf(task, action, node) : null,
        };
    }

    private static string? WaitOf(TaskView task, PlanAction action, NodeParts node)
    {
        if (node.WhyParked(action) is { } parked)
            return parked;
        long lateMs = node.NowMs() - task.AttemptDueMs;
        if (lateMs < 0)
        {
            var at = DateTimeOffset.FromUnixTimeMilliseconds(task.AttemptDueMs);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"Waits for attempt {task.Attempts + 1}, at {at:yyyy-MM-dd'T'HH:mm:ss.fff'Z'}.");
        }

        if (lateMs < SoonMs)
            return null;
        return node.Stats().NotReady is { } trouble
            ? $"Waits for the node: {trouble}"
            : $"Waits for a place: others are under way to {TargetNames.Of(action)}, or to all targets together "
                + "(executor.perTarget, executor.targetRate, executor.concurrency).";
    }
}
