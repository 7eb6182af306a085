using Karya.Client.Plans;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>A task of a plan as the node has it.</summary>
/// <param name="Occurrence">From 1.</param>
/// <param name="Hook">0 for the occurrence itself, else the place of the hook plus 1.</param>
/// <param name="OccurrenceTo">Of a range that was skipped the last one; else the same as the first.</param>
/// <param name="StartedAt">Start of the last attempt; null when none was made yet.</param>
/// <param name="FinishedAt">End of the last attempt; null while none has ended.</param>
/// <param name="Attempts">Made so far.</param>
/// <param name="Progress">From 0 to 1, by the worker that has it; null when nothing is known.</param>
/// <param name="Note">What the worker says of its progress, or why the task waits.</param>
public sealed record TaskState(
    Guid Id, Guid PlanId, long Occurrence, int Hook, long OccurrenceTo, PlanTaskStatus Status, DateTimeOffset CreatedAt,
    DateTimeOffset DueAt, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt, int Attempts, double? Progress,
    string? Note)
{
    /// <summary>How long after it was due the last attempt started; 0 when none was made yet.</summary>
    public TimeSpan Lateness => StartedAt is { } start && start > DueAt ? start - DueAt : TimeSpan.Zero;

    public bool HasEnded => Status is
        PlanTaskStatus.Success or PlanTaskStatus.Failure or PlanTaskStatus.Cancelled or PlanTaskStatus.Skipped;

    internal static TaskState From(TaskSnapshot task, Guid plan) => new(
        task.Id,
        plan,
        task.Occurrence,
        task.Hook,
        task.OccurrenceTo,
        task.Status,
        Durations.InstantFromMs(task.CreatedMs),
        Durations.InstantFromMs(task.DueMs),
        Durations.InstantFromMs(task.StartedMs),
        Durations.InstantFromMs(task.FinishedMs),
        task.Attempts,
        task.Progress,
        task.Note);
}
