using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <summary>Carries out one kind of action.</summary>
public interface IConnector
{
    /// <summary>
    /// Makes one attempt. Ends within the action's time limit, or soon after <paramref name="stopping"/>. Never throws:
    /// whatever goes wrong is an outcome.
    /// </summary>
    ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping);
}

/// <summary>What a connector is told of the attempt: for headers, logs and child plans.</summary>
/// <param name="User">The owner of the plan.</param>
/// <param name="Number">From 1.</param>
/// <param name="DueMs">When the task was due: milliseconds since 1970 UTC.</param>
public readonly record struct Attempt(
    TaskKey Key, UserId User, int Partition, long Epoch, int Number, int NumberMax, long DueMs, long StartedMs);

/// <summary>How an attempt ended.</summary>
/// <param name="Error">Null for success; else what went wrong, as it will stand in the error log.</param>
/// <param name="Retryable">A further attempt could end otherwise.</param>
/// <param name="RetryAfterMs">The target asked for a pause of this length; 0 when it did not.</param>
public readonly record struct Outcome(string? Error, bool Retryable, int RetryAfterMs = 0)
{
    public static readonly Outcome Success = new(null, false);

    /// <summary>What a connector answers when its attempt was cut off by <c>stopping</c>.</summary>
    public static readonly Outcome NodeStopped =
        Failed(FailureClass.NodeStopped, "The node stopped before this attempt had ended.");

    public bool IsSuccess => Error is null;

    /// <summary>
    /// The target could not be reached, did not answer in time, or says that it cannot work now: other attempts would
    /// fare no better at present.
    /// </summary>
    public bool IsTargetDown { get; init; }

    /// <summary>What kind of failure it was.</summary>
    public FailureClass Failure { get; init; }

    public static Outcome Failed(FailureClass failure, string error) => new(error, true) { Failure = failure };

    public static Outcome Down(FailureClass failure, string error) =>
        new(error, true) { IsTargetDown = true, Failure = failure };

    public static Outcome FailedForGood(FailureClass failure, string error) =>
        new(error, false) { Failure = failure };
}
