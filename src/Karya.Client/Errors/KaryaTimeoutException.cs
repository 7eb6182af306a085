using Karya.Protocol;

namespace Karya.Client;

/// <summary>
/// No answer came within the time allowed. The message says what was asked, what the connection looked like, whether it
/// may have been carried out, and how to go on safely.
/// </summary>
public sealed class KaryaTimeoutException(ErrorCode code, string message, string? node = null)
    : KaryaException(code, message, field: null, node);
