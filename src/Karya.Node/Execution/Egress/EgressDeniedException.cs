namespace Karya.Node.Execution.Egress;

/// <summary>A target may not be called from here. The message says which, why, and what would allow it.</summary>
internal sealed class EgressDeniedException(string message) : Exception(message);
