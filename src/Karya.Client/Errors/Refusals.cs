using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client.Errors;

/// <summary>From error frames to exceptions.</summary>
internal static class Refusals
{
    private static readonly TimeSpan RetryAfterDefault = TimeSpan.FromSeconds(1);

    public static KaryaException ToException(ErrorMessage error, string? node)
    {
        string message = $"{error.Message} ({error.Name})";
        return error.Code switch
        {
            ErrorCode.UserNotFound or ErrorCode.PlanNotFound or ErrorCode.DeadLetterNotFound
                or ErrorCode.OperationNotFound =>
                new KaryaNotFoundException(error.Code, message, error.Field, node),
            ErrorCode.IdempotencyKeyReused or ErrorCode.PlanFinished or ErrorCode.WrongState =>
                new KaryaConflictException(error.Code, message, error.Field, node),
            ErrorCode.Overloaded or ErrorCode.Unavailable =>
                new KaryaOverloadedException(error.Code, message, RetryAfter(error), error.Field, node),
            _ => new KaryaException(error.Code, message, error.Field, node) { IsTransient = IsTransient(error.Code) },
        };
    }

    /// <summary>Refusals of a moment, by which nothing was done.</summary>
    private static bool IsTransient(ErrorCode code) => code is
        ErrorCode.GoingAway or ErrorCode.TooManyInFlight or ErrorCode.TooManyConnections or ErrorCode.HelloTimeout;

    private static TimeSpan RetryAfter(ErrorMessage error) =>
        error.RetryAfterMs is { } ms ? TimeSpan.FromMilliseconds(ms) : RetryAfterDefault;
}
