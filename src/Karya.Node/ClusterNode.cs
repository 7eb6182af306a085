using Karya.Protocol.Messages;

namespace Karya.Node;

/// <summary>Where a process of a cluster is to be reached, as it says itself.</summary>
/// <param name="Owner">As leases name it.</param>
/// <param name="Tcp">Of the wire protocol.</param>
/// <param name="Http">The root of its HTTP interface.</param>
/// <param name="Version">Of its karya.</param>
internal sealed record ClusterNode(string Owner, NodeEndpoint Tcp, string Http, string Version);
