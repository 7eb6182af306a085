using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>An action that follows when a plan's task fails, or when the plan has ended.</summary>
public sealed record Hook
{
    private Hook(HookEvent trigger, KaryaAction action, int maxRetries)
    {
        Event = trigger;
        Action = action;
        MaxRetries = maxRetries;
    }

    public HookEvent Event { get; }

    public KaryaAction Action { get; }

    /// <summary>Attempts after the first.</summary>
    public int MaxRetries { get; }

    /// <summary>Once per task that failed for good.</summary>
    public static Hook OnFailure(KaryaAction action, int maxRetries = 3) =>
        new(HookEvent.Failure, action ?? throw new ArgumentNullException(nameof(action)), maxRetries);

    /// <summary>Once, when a plan that runs once or has an end has ended by itself.</summary>
    public static Hook OnCompletion(KaryaAction action, int maxRetries = 3) =>
        new(HookEvent.Completion, action ?? throw new ArgumentNullException(nameof(action)), maxRetries);

    internal HookMessage ToMessage(UInt128 user) => new(Event, MaxRetries, Action.ToMessage(user));

    internal static Hook From(HookMessage message) =>
        new(message.Event, KaryaAction.From(message.Action), message.Retries);
}
