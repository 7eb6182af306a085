using Karya.Node.Plans;
using Karya.Node.Workers;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging;

namespace Karya.Node.Network;

/// <summary>What every connection needs of the node.</summary>
/// <param name="NowMs">Store time.</param>
/// <param name="Stats">The node's figures, but for the number of connections.</param>
/// <param name="Map">Who owns which partition.</param>
internal sealed record NodeParts(
    string Name, string Version, PlanDesk Desk, WorkerDesk Workers, Func<long> NowMs, Func<StatsReply> Stats,
    Func<PartitionMap> Map, ILogger Log)
{
    /// <summary>Tells who is there, and who owns what.</summary>
    public required ClusterDesk Cluster { get; init; }

    /// <summary>Tells which connectors there are, and tries out the one that is named.</summary>
    public required Func<string?, CancellationToken, Task<ConnectorsReply>> Connectors { get; init; }

    /// <summary>Why an action's tasks wait for their target, which is down; null when they do not.</summary>
    public required Func<PlanAction, string?> WhyParked { get; init; }

    /// <summary>Has what ran out of attempts.</summary>
    public required IDeadLetterDesk DeadLetters { get; init; }

    /// <summary>For questions of other nodes; null when there are none.</summary>
    public PeerDesk? Peers { get; init; }

    /// <summary>To workers of other nodes, and to nodes that have work for workers of this one; null as well.</summary>
    public WorkerRelay? Relay { get; init; }
}
