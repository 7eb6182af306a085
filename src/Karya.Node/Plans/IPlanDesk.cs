using Karya.Engine;
using Karya.Protocol;

namespace Karya.Node.Plans;

/// <summary>
/// The counter at which requests are served, whatever protocol they came by: HTTP and TCP both talk to this. What it
/// acknowledged is durable, and visible to every later call.
/// </summary>
/// <remarks>
/// Thread-safe. Every method may throw <see cref="DeskException"/> and nothing else but cancellation.
/// </remarks>
public interface IPlanDesk
{
    /// <summary>Makes a user. Names need not be unique, nor non-empty.</summary>
    ValueTask<UserView> CreateUserAsync(string name, CancellationToken stopping);

    /// <summary>The oldest user of that exact name; null when there is none.</summary>
    ValueTask<UserView?> FindUserAsync(string name, CancellationToken stopping);

    /// <summary>
    /// Accepts a plan. <see cref="DeskError.UserNotFound"/> when the owner does not exist.
    /// </summary>
    ValueTask<PlanView> SubmitAsync(PlanDraft draft, CancellationToken stopping);

    /// <summary>
    /// Accepts a plan in the form of the wire (<see cref="Karya.Protocol.Messages.PlanMessage"/>), with an idempotency
    /// key or without. <see cref="DeskError.Conflict"/> when the key or the id belongs to another plan.
    /// </summary>
    /// <returns>Its id, and whether it was there already.</returns>
    ValueTask<(PlanId Plan, bool Existed)> SubmitAsync(
        ReadOnlyMemory<byte> plan, string? key, bool isAccepted, CancellationToken stopping);

    /// <summary>
    /// Makes the task that waits due at once. <see cref="DeskError.WrongState"/> when none waits. Null: no such plan.
    /// </summary>
    ValueTask<PlanView?> TriggerAsync(PlanId id, CancellationToken stopping);

    /// <summary>
    /// Changes what is not null. The task that is already waiting keeps its due instant. Null: no such plan.
    /// </summary>
    ValueTask<PlanView?> UpdateAsync(PlanId id, PlanChange change, CancellationToken stopping);

    /// <summary>
    /// Stops a plan, whatever its state, and all its descendants that have not ended. Null: no such plan.
    /// </summary>
    ValueTask<PlanView?> CancelAsync(PlanId id, CancellationToken stopping);

    /// <summary>
    /// The plan with its latest task (the one that waits, or else the last that ended). Null: no such plan.
    /// </summary>
    ValueTask<(PlanView Plan, TaskView Task)?> GetAsync(PlanId id, CancellationToken stopping);

    /// <summary>
    /// The plan with its tasks (oldest first) and error logs, the latest 10,000 of each. Null: no such plan.
    /// </summary>
    ValueTask<PlanSummary?> SummarizeAsync(PlanId id, CancellationToken stopping);

    /// <summary>A user's plans, newest first. An unknown user has none.</summary>
    ValueTask<PlanPage> ListAsync(UserId user, int skip, int take, CancellationToken stopping);
}

/// <summary>What an update changes; null keeps what is there.</summary>
public sealed record PlanChange(string? PeriodText, long? PeriodMs, int? RetriesMax, IReadOnlyList<PlanHook>? Hooks)
{
    /// <summary>It came over the wire, and may say what only the wire's form of a plan can.</summary>
    public bool IsWire { get; init; }
}

/// <summary>Why a request could not be served. Each has one HTTP status and, later, one protocol code.</summary>
public enum DeskError
{
    /// <summary>The owner of a new plan does not exist.</summary>
    UserNotFound,

    /// <summary>Something in the request is out of bounds; the message names it.</summary>
    Invalid,

    /// <summary>A queue is full, or the store is too slow: try again later.</summary>
    Overloaded,

    /// <summary>The node is starting or stopping.</summary>
    Unavailable,

    /// <summary>The store cannot say whether it has it. Look before you repeat it.</summary>
    Unknown,

    /// <summary>The id or key belongs to another plan already.</summary>
    Conflict,

    /// <summary>The plan's state does not allow it.</summary>
    WrongState,
}

/// <summary>A request that could not be served. The message is for the client's eyes.</summary>
public sealed class DeskException : Exception
{
    public DeskException(DeskError error, string message, TimeSpan? retryAfter = null) : base(message)
    {
        Error = error;
        RetryAfter = retryAfter;
    }

    /// <summary>Something in the request is wrong, as read off the wire.</summary>
    public DeskException(WireFault fault) : this(DeskError.Invalid, fault.Message)
    {
        Fault = fault;
    }

    public DeskException() : this(DeskError.Unavailable, "The request could not be served.")
    {
    }

    public DeskException(string message) : this(DeskError.Unavailable, message)
    {
    }

    public DeskException(string message, Exception innerException) : base(message, innerException)
    {
        Error = DeskError.Unavailable;
    }

    public DeskError Error { get; }

    public TimeSpan? RetryAfter { get; }

    /// <summary>
    /// What was asked for is done and durable: only the answer could not be put together. Then <see cref="Error"/> is
    /// <see cref="DeskError.Unknown"/>, which nobody takes for "nothing was done".
    /// </summary>
    public bool IsDone { get; init; }

    /// <summary>Which part of a request that came over the wire is meant; null for other requests.</summary>
    public WireFault? Fault { get; }
}
