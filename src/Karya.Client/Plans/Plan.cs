using Karya.Client.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>What to do, when, and how often to try. Immutable; the node has the last word on its limits.</summary>
public sealed record Plan
{
    /// <summary>Free text for people: at most 4,096 characters.</summary>
    public string Name { get; init; } = "";

    public required KaryaAction Action { get; init; }

    /// <summary>The default is at once.</summary>
    public Schedule Schedule { get; init; } = Schedule.Now;

    /// <summary>Attempts of a task after the first: 0 to 999.</summary>
    public int MaxRetries { get; init; } = 3;

    /// <summary>
    /// Before the second attempt; doubles with each further one. Null for the node's default. At most a day.
    /// </summary>
    public TimeSpan? RetryDelay { get; init; }

    /// <summary>Where doubling ends. Null for the node's default. At most a day.</summary>
    public TimeSpan? RetryDelayMax { get; init; }

    /// <summary>What becomes of occurrences that fell due while nobody could run them.</summary>
    public MissedRuns Missed { get; init; } = MissedRuns.Once;

    /// <summary>At most 32.</summary>
    public IReadOnlyList<Hook> Hooks { get; init; } = [];

    /// <summary>The owner; null for the user named by <see cref="KaryaClientOptions.UserName"/>.</summary>
    public Guid? User { get; init; }

    /// <summary>
    /// The same key of the same user with the same plan gives the plan that is there; with another one it is refused
    /// with a <see cref="KaryaConflictException"/>. At most 255 bytes of UTF-8. Makes submitting repeatable. Chained
    /// plans have none.
    /// </summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>
    /// Your own choice: a UUID of version 7, as <see cref="Guid.CreateVersion7()"/> makes them. Makes submitting
    /// repeatable. Null to have the node choose.
    /// </summary>
    public Guid? Id { get; init; }

    /// <summary>What the answer to submitting means. Chained plans have that of the outermost.</summary>
    public Durability Durability { get; init; } = Durability.Durable;

    internal bool IsRepeatable => Id is not null || IdempotencyKey is not null;

    internal PlanMessage ToMessage(UInt128 user)
    {
        ArgumentNullException.ThrowIfNull(Action);
        ArgumentNullException.ThrowIfNull(Schedule);
        ArgumentNullException.ThrowIfNull(Hooks);
        var owner = User is { } named ? Uuids.ToNumber(named) : user;
        return new PlanMessage(
            owner,
            Schedule.ToMessage(),
            new PolicyMessage(MaxRetries, Durations.ToMs(RetryDelay), Durations.ToMs(RetryDelayMax), Missed),
            new ContentMessage(Name, Action.ToMessage(owner), [.. Hooks.Select(hook => hook.ToMessage(owner))]),
            Id is { } id ? Uuids.ToNumber(id) : null);
    }

    internal static Plan From(PlanMessage message) => new()
    {
        Name = message.Content.Name,
        Action = KaryaAction.From(message.Content.Action),
        Schedule = Schedule.From(message.Schedule),
        MaxRetries = message.Policy.Retries,
        RetryDelay = message.Policy.DelayMs is { } delayMs ? Durations.FromMs(delayMs) : null,
        RetryDelayMax = message.Policy.DelayMsMax is { } delayMsMax ? Durations.FromMs(delayMsMax) : null,
        Missed = message.Policy.Missed,
        Hooks = [.. message.Content.Hooks.Select(Hook.From)],
        User = Uuids.ToGuid(message.User),
        Id = message.Id is { } id ? Uuids.ToGuid(id) : null,
    };
}
