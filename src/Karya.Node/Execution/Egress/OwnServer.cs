namespace Karya.Node.Execution.Egress;

/// <summary>A server of this installation, which tasks have no business with.</summary>
/// <param name="Host">A name, or an address; <c>*</c> for all addresses of this machine.</param>
/// <param name="Name">As a message says it: <c>the node's own HTTP</c>.</param>
internal readonly record struct OwnServer(string Host, int Port, string Name);
