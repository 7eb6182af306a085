using Karya.Node.Network;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node;

/// <summary>What a <see cref="ClusterDesk"/> has of a cluster.</summary>
/// <param name="Links">To other nodes; stay their owner's.</param>
internal sealed record ClusterDeskParts(ClusterLoop Loop, IClusterStore Store, PeerLinks Links);

/// <summary>
/// Tells who is there and who owns what: by the leases of record, and by asking each node about itself. Has nodes give
/// their partitions away. Thread-safe.
/// </summary>
/// <param name="own">Of this node, without its partitions.</param>
/// <param name="partitionCount">Of the node or its cluster.</param>
/// <param name="cluster">Null for a node that is alone.</param>
internal sealed class ClusterDesk(Func<NodeStatus> own, int partitionCount, ClusterDeskParts? cluster)
{
    /// <summary>Throws <see cref="DeskException"/> when the store does not answer.</summary>
    public async Task<ClusterStatusReply> DescribeAsync(bool ownOnly)
    {
        if (cluster is null)
        {
            var alone = own() with { Partitions = partitionCount };
            return ownOnly
                ? new ClusterStatusReply([alone], [])
                : new ClusterStatusReply(
                    [alone], [.. Enumerable.Repeat(new PartitionStatus(0, 0, false), partitionCount)]);
        }

        var me = OwnOf(cluster);
        return ownOnly ? new ClusterStatusReply([me], []) : await DescribeAsync(cluster, me);
    }

    /// <summary>
    /// Has a node give its partitions away, or take its part again. Throws <see cref="DeskException"/> when there is no
    /// such node, it does not answer, or this one is alone.
    /// </summary>
    /// <param name="name">Of the node.</param>
    /// <param name="isOn">False: it takes its part again.</param>
    /// <param name="byNode">Another node asks this one to do so itself: it must not be asked back.</param>
    public async Task DrainAsync(string name, bool isOn, bool byNode)
    {
        if (cluster is null)
        {
            throw new DeskException(
                DeskError.WrongState, "The node is alone: there is nobody to take its partitions. See cluster.redis.");
        }

        var (store, me) = (cluster.Store, cluster.Store.Identity);
        if (byNode && name != me.Name)
            throw new DeskException(DeskError.WrongState, $"This is node {me.Name} by now.");
        if (name == me.Name)
        {
            if (isOn && (await ReadAsync(store.ReadNodes)).All(node => node.Owner == me.Owner))
                throw new DeskException(DeskError.WrongState, "There is no other node to take its partitions.");
            cluster.Loop.SetDraining(isOn);
            return;
        }

        var nodes = await ReadAsync(store.ReadNodes);
        if (nodes.LastOrDefault(node => NodeIdentity.NameOf(node.Owner) == name) is not { } other)
        {
            string names = string.Join(
                ", ", nodes.Select(node => NodeIdentity.NameOf(node.Owner)).Distinct().Order(StringComparer.Ordinal));
            throw new DeskException(new WireFault(
                ErrorCode.OutOfRange, "drain.node",
                $"No node is named {Quoted.Shorten(name)}; there are {names}."));
        }

        var answer = await cluster.Links.AskAsync(other.Tcp, new DrainRequest(name, isOn));
        if (answer.End != PeerEnd.Answered || answer.Refusal is not null)
        {
            throw new DeskException(
                DeskError.Unavailable, answer.Refusal?.Message ?? $"Node {name} does not answer. Ask it itself.");
        }
    }

    private NodeStatus OwnOf(ClusterDeskParts parts) => own() with
    {
        Partitions = parts.Store.Owned.Count,
        Opening = Enumerable.Range(0, partitionCount).Count(
            partition => parts.Store.Owned.EpochOf(partition) > 0 && !parts.Loop.IsHere(partition)),
        State = parts.Loop.IsDraining ? NodeState.Draining : NodeState.Up,
    };

    private static async Task<ClusterStatusReply> DescribeAsync(ClusterDeskParts parts, NodeStatus me)
    {
        var leases = await ReadAsync(parts.Store.ReadLeases);
        var nodes = (await ReadAsync(parts.Store.ReadNodes))
            .OrderBy(node => node.Owner, StringComparer.Ordinal).ToList();
        string mine = parts.Store.Identity.Owner;
        var statuses = await Task.WhenAll(nodes.Select(
            node => node.Owner == mine ? Task.FromResult(me) : AskAsync(parts.Links, node)));
        var partitions = new PartitionStatus[leases.Count];
        int[] owned = new int[nodes.Count];
        foreach (var lease in leases)
        {
            int owner = nodes.FindIndex(node => node.Owner == lease.Owner);
            partitions[lease.Partition] = new PartitionStatus(owner < 0 ? null : owner, lease.Epoch, lease.IsReleased);
            if (owner >= 0 && !lease.IsReleased)
                owned[owner]++;
        }

        return new ClusterStatusReply([.. statuses.Select((one, i) => one with { Partitions = owned[i] })], partitions);
    }

    private static async Task<NodeStatus> AskAsync(PeerLinks links, ClusterNode node)
    {
        var answer = await links.AskAsync(node.Tcp, new ClusterStatusRequest(OwnOnly: true));
        if (answer.End == PeerEnd.Answered && answer.Refusal is null
            && answer.Read<ClusterStatusReply>().Nodes is [var status]
            && status.Incarnation == NodeIdentity.IncarnationOf(node.Owner)) // Not another process at its address.
        {
            return status;
        }

        return new NodeStatus(
            NodeIdentity.NameOf(node.Owner) ?? "", NodeIdentity.IncarnationOf(node.Owner), node.Tcp, node.Http,
            node.Version, NodeState.Silent, 0, 0, null, null, null, 0, 0, 0,
            "It does not answer the node that was asked.");
    }

    private static async Task<T> ReadAsync<T>(Func<T> read)
    {
        try
        {
            return await Task.Run(read);
        }
        catch (StoreException e)
        {
            throw new DeskException($"The store does not say who owns what: {e.Message}", e);
        }
    }
}
