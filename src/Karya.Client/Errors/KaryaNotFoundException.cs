using Karya.Protocol;

namespace Karya.Client;

/// <summary>There is no such plan, task or user.</summary>
public sealed class KaryaNotFoundException(ErrorCode code, string message, string? field = null, string? node = null)
    : KaryaException(code, message, field, node);
