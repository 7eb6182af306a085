using Karya.Protocol;

namespace Karya.Client;

/// <summary>
/// The node takes no work at present, and nothing was done. The client does not try again by itself: all of them doing
/// so is what keeps a node overloaded.
/// </summary>
public sealed class KaryaOverloadedException : KaryaException
{
    public KaryaOverloadedException(
        ErrorCode code, string message, TimeSpan retryAfter, string? field = null, string? node = null)
        : base(code, message, field, node)
    {
        RetryAfter = retryAfter;
        IsTransient = true;
    }

    /// <summary>When another try may help; a second when the node does not say.</summary>
    public TimeSpan RetryAfter { get; }
}
