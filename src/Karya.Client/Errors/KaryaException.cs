using Karya.Protocol;

namespace Karya.Client;

/// <summary>
/// A request was refused, or could not be served. Its subclasses are for the cases that programs tell apart; all others
/// are told by <see cref="Code"/>.
/// </summary>
public class KaryaException : Exception
{
    /// <param name="field">The part of the request that is meant; null when it is not one part.</param>
    /// <param name="node">The node that was asked; null when none was.</param>
    public KaryaException(
        ErrorCode code, string message, string? field = null, string? node = null, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        Field = field;
        Node = node;
    }

    /// <summary>
    /// Why. <see cref="ErrorCode.Unknown"/>: the request was sent, and may or may not have been carried out.
    /// </summary>
    public ErrorCode Code { get; }

    /// <summary>
    /// The part of the request that is meant, such as <c>schedule.period</c>; null when it is not one part.
    /// </summary>
    public string? Field { get; }

    /// <summary>
    /// The same request may succeed later, and sending it again does no harm: nothing was done, or doing it twice is
    /// the same as doing it once.
    /// </summary>
    public bool IsTransient { get; init; }

    /// <summary>The node that was asked, as <c>name (host:port)</c>; null when none was.</summary>
    public string? Node { get; }
}
