using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Node.Workers;

/// <summary>
/// All workers that serve one task name, and the nodes that have some more. Guarded by the desk's lock.
/// </summary>
internal sealed class Pool(string name, uint lane)
{
    private readonly List<Share> _shares = [new Share(null)];
    private int _next;
    private int _ownPlaces;
    private int _nodesPlaces;

    public string Name { get; } = name;

    public uint Lane { get; } = lane;

    public List<Seat> Seats { get; } = [];

    /// <summary>
    /// Attempts that the engine handed out and for which there is no place. Each shard may use all credits, so there
    /// are at most shards - 1 times as many.
    /// </summary>
    public Queue<Dispatch> Backlog { get; } = new();

    /// <summary>Attempts of other nodes for which there is no place.</summary>
    public LinkedList<Guest> Guests { get; } = [];

    /// <summary>Of the places of this node's workers, those that its own attempts may take.</summary>
    public Share Own => _shares[0];

    /// <summary>The places of this node's workers.</summary>
    public int OwnPlaces => _ownPlaces;

    /// <summary>How many attempts of this node's partitions may run at once.</summary>
    public int Credits { get; private set; }

    /// <summary>Attempts that are with a worker or another node.</summary>
    public int Running { get; set; }

    /// <summary>Nobody serves the name, and nothing of it is under way.</summary>
    public bool IsOver => Running == 0 && Credits == 0 && Guests.Count == 0;

    /// <summary>What each node may have, this one included.</summary>
    public IReadOnlyList<Share> Shares => _shares;

    /// <summary>Counts places again.</summary>
    public void CountPlaces()
    {
        int before = _ownPlaces;
        _ownPlaces = CountPlaces(areNodes: false);
        _nodesPlaces = CountPlaces(areNodes: true);
        if (_ownPlaces != before)
            Share.Divide(_ownPlaces, _shares);
    }

    /// <summary>Divides the places of this node's workers between it and other nodes.</summary>
    public void Divide(IReadOnlyCollection<PeerNode> hosts)
    {
        _shares.RemoveAll(
            share => share.Host is { } host && share.Taken == 0 && hosts.All(other => other.Tcp != host));
        foreach (var host in hosts)
            ShareOf(host.Tcp).IsServed = Seats.Exists(seat => seat.Node == host.Name && seat.Credits > 0);
        Share.Divide(_ownPlaces, _shares);
    }

    public Share ShareOf(NodeEndpoint host)
    {
        if (_shares.Find(share => share.Host == host) is { } known)
            return known;
        var share = new Share(host);
        _shares.Add(share);
        return share;
    }

    /// <summary>True when the sum has changed.</summary>
    public bool SumCredits()
    {
        int before = Credits;
        Credits = (int)Math.Min(int.MaxValue, (long)Own.Places + _nodesPlaces);
        return Credits != before;
    }

    /// <summary>
    /// For an attempt of this node: its own workers come first, as far as its share goes. Null: there is no place.
    /// </summary>
    public Seat? TakeSeat() =>
        (Own.HasPlace ? TakeSeat(isNode: false) : null) ?? (_nodesPlaces > 0 ? TakeSeat(isNode: true) : null);

    /// <summary>Workers take turns. Null: none has a place.</summary>
    public Seat? TakeSeat(bool isNode)
    {
        for (int looked = 0; looked < Seats.Count; looked++)
        {
            var seat = Seats[_next % Seats.Count];
            _next = (_next + 1) % Seats.Count;
            if (seat.IsNode == isNode && seat.HasPlace)
                return seat;
        }

        return null;
    }

    private int CountPlaces(bool areNodes) => (int)Math.Min(
        int.MaxValue, Seats.Where(seat => seat.IsNode == areNodes).Sum(seat => (long)seat.Credits));
}
