using Karya.Client.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>A plan as the node has it.</summary>
/// <param name="ParentId">The plan that started it; null when a user did.</param>
public sealed record PlanState(
    Guid Id, Guid UserId, Guid? ParentId, string Name, PlanStatus Status, Schedule Schedule, KaryaAction Action,
    IReadOnlyList<Hook> Hooks, int MaxRetries, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt)
{
    /// <summary>Completed or cancelled: no task will follow.</summary>
    public bool HasEnded => Status is PlanStatus.Completed or PlanStatus.Cancelled;

    internal static PlanState From(PlanSnapshot plan) => new(
        Uuids.ToGuid(plan.Id),
        Uuids.ToGuid(plan.User),
        plan.Parent is { } parent ? Uuids.ToGuid(parent) : null,
        plan.Content.Name,
        plan.Status,
        Schedule.From(plan.Schedule),
        KaryaAction.From(plan.Content.Action),
        [.. plan.Content.Hooks.Select(Hook.From)],
        plan.Retries,
        Durations.InstantFromMs(plan.CreatedMs),
        Durations.InstantFromMs(plan.UpdatedMs));
}
