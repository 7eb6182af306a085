using Karya.Node.Execution.Egress;

namespace Karya.Node.Tests.Execution.Egress;

/// <summary>Rules of gates that tests need.</summary>
internal static class Rules
{
    /// <summary>Everything that is public, and this machine.</summary>
    public static EgressRules Local { get; } = new([], AllowsLoopback: true);
}
