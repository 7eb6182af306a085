using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Network;

/// <summary>What goes wrong, in the words of the protocol. Pure.</summary>
internal static class PeerErrors
{
    private const long RetryAfterMs = 1000;

    public static ErrorMessage Of(ErrorCode code, string message, string? field = null, long? retryAfterMs = null) =>
        new(code, ErrorNames.Of(code), message, string.IsNullOrEmpty(field) ? null : field, retryAfterMs);

    public static ErrorMessage Of(WireFault fault) => Of(fault.Code, fault.Message, fault.Slot);

    /// <summary>Of what is no frame.</summary>
    public static ErrorMessage Of(FrameReadStatus status, int lengthMax) => status switch
    {
        FrameReadStatus.Empty => Of(ErrorCode.FrameEmpty, "A frame has the length 0."),
        FrameReadStatus.TooShort => Of(
            ErrorCode.FrameTooShort, $"A frame is shorter than its header of {FrameHeader.LengthMin} bytes."),
        FrameReadStatus.NotKarya => Of(
            ErrorCode.NotKaryaProtocol, "This port speaks Karya's protocol, not HTTP or TLS."),
        _ => Of(ErrorCode.FrameTooLarge, $"A frame is longer than {lengthMax} bytes."),
    };

    public static ErrorMessage Of(DeskException e)
    {
        if (e.Fault is { } fault)
            return Of(fault);
        var code = e.Error switch
        {
            DeskError.UserNotFound => ErrorCode.UserNotFound,
            DeskError.Overloaded => ErrorCode.Overloaded,
            DeskError.Unavailable => ErrorCode.Unavailable,
            DeskError.Unknown => ErrorCode.Unknown,
            DeskError.Conflict => ErrorCode.IdempotencyKeyReused,
            DeskError.WrongState => ErrorCode.WrongState,
            _ => ErrorCode.OutOfRange,
        };
        return Of(code, e.Message, retryAfterMs: (long?)e.RetryAfter?.TotalMilliseconds);
    }

    /// <summary>Of a reply that is no success.</summary>
    public static ErrorMessage Of(ReplyCode code) => code switch
    {
        ReplyCode.Overloaded => Overloaded(),
        ReplyCode.NotOwner => Of(
            ErrorCode.Unavailable, "The node is starting or stopping. Try again later.", retryAfterMs: RetryAfterMs),
        ReplyCode.WrongState => Of(ErrorCode.WrongState, "The plan's state does not allow it."),
        ReplyCode.NotFound => PlanNotFound(),
        _ => Unknown(),
    };

    public static ErrorMessage Overloaded() => Of(
        ErrorCode.Overloaded, "The node has more requests than it can record at present. Try again later.",
        retryAfterMs: RetryAfterMs);

    public static ErrorMessage NotOwner() => Of(
        ErrorCode.NotOwner, "Another node has the partition.", retryAfterMs: RetryAfterMs);

    public static ErrorMessage Unknown() => Of(
        ErrorCode.Unknown,
        "The store did not answer, and may or may not have the plan. Submit it again with the same idempotency key; "
        + "without one, look before you repeat it.");

    public static ErrorMessage PlanNotFound() => Of(ErrorCode.PlanNotFound, "There is no such plan.", "plan");

    public static ErrorMessage UserNotFound(UserId user) =>
        Of(ErrorCode.UserNotFound, $"User ({user}) not found", "plan.user");
}
