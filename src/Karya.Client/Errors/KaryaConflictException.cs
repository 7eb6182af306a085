using Karya.Protocol;

namespace Karya.Client;

/// <summary>
/// What is there stands against the request: the idempotency key was used for another plan, or the plan has ended
/// already.
/// </summary>
public sealed class KaryaConflictException(ErrorCode code, string message, string? field = null, string? node = null)
    : KaryaException(code, message, field, node);
