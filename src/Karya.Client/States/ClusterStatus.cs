using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>Who is there, and who owns what, at one moment.</summary>
/// <param name="Nodes">Those that are there, or have said that they are.</param>
/// <param name="Partitions">All, by number; each names its owner by the place in <paramref name="Nodes"/>.</param>
public sealed record ClusterStatus(IReadOnlyList<NodeStatus> Nodes, IReadOnlyList<PartitionStatus> Partitions);
