using Karya.Protocol;

namespace Karya.Client;

/// <summary>No node could be reached, or the connection ended. The request was not carried out, unless the code is
/// <see cref="ErrorCode.Unknown"/>.</summary>
public sealed class KaryaConnectionException(
    ErrorCode code, string message, string? node = null, Exception? innerException = null)
    : KaryaException(code, message, field: null, node, innerException);
