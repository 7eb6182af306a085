using System.Globalization;
using Karya.Node.Plans;
using Karya.Protocol;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http;

/// <summary>What a refusal of the desk looks like over HTTP, in both APIs.</summary>
internal static class DeskAnswers
{
    private const int RetryAfterSecondsDefault = 1;

    public static Task RefuseAsync(HttpContext context, bool ours, DeskException refusal)
    {
        if (ours && refusal.Fault is { } fault)
        {
            bool isMissing = fault.Code is ErrorCode.DeadLetterNotFound or ErrorCode.OperationNotFound;
            return Answer.ProblemAsync(
                context,
                new Problem(
                    isMissing ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest,
                    ErrorNames.Of(fault.Code), fault.Message, fault.Slot.Length == 0 ? null : fault.Slot));
        }

        (int status, string code) = refusal.Error switch
        {
            DeskError.Conflict => (StatusCodes.Status409Conflict, ErrorNames.Of(ErrorCode.IdempotencyKeyReused)),
            DeskError.WrongState => (StatusCodes.Status409Conflict, ErrorNames.Of(ErrorCode.WrongState)),
            DeskError.UserNotFound => (StatusCodes.Status404NotFound, "USER_NOT_FOUND"),
            DeskError.Invalid => (StatusCodes.Status400BadRequest, "INVALID"),
            DeskError.Overloaded => (StatusCodes.Status503ServiceUnavailable, "OVERLOADED"),
            DeskError.Unknown => (StatusCodes.Status503ServiceUnavailable, "OUTCOME_UNKNOWN"),
            _ => (StatusCodes.Status503ServiceUnavailable, "UNAVAILABLE"),
        };

        // After an unknown outcome a blind retry may do it twice, so no time to retry is named.
        if (refusal.Error is DeskError.Overloaded or DeskError.Unavailable)
        {
            double seconds = Math.Ceiling(refusal.RetryAfter?.TotalSeconds ?? RetryAfterSecondsDefault);
            context.Response.Headers.RetryAfter =
                Math.Max(seconds, RetryAfterSecondsDefault).ToString(CultureInfo.InvariantCulture);
        }

        string text = refusal is { Error: DeskError.Unknown, IsDone: false }
            ? $"The store cannot say whether it has this request: it may have been stored. Look before you repeat it. "
                + refusal.Message
            : refusal.Message;
        return Answer.RefuseAsync(context, ours, status, code, text);
    }
}
