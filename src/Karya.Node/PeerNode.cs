using Karya.Protocol.Messages;

namespace Karya.Node;

/// <summary>Another node of the cluster.</summary>
/// <param name="Name">That it keeps.</param>
/// <param name="Tcp">Where it is to be reached.</param>
internal sealed record PeerNode(string Name, NodeEndpoint Tcp);
