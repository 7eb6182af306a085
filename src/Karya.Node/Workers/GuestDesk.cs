using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Workers;

/// <summary>The part of a <see cref="WorkerDesk"/> that its attempts and those of other nodes have in common.</summary>
/// <param name="Lock">Guards all of it.</param>
/// <param name="Written">Sessions that have something to send.</param>
/// <param name="PlacesChanged">A pool may deliver more, or has other credits.</param>
internal sealed record DeskCore(
    Lock Lock, Dictionary<uint, Pool> Pools, HashSet<IWorkerSession> Written, Action<Pool> PlacesChanged,
    Func<long> NowMs, long LeaseMs);

/// <summary>
/// Takes attempts of other nodes to this node's workers: whoever connects anywhere gets work from everywhere. It says
/// how many each node may send, and which worker has what; time limits, leases and outcomes are the hosts'.
/// </summary>
/// <remarks>Thread-safe. See <see cref="WorkerRelay"/> for the way between nodes.</remarks>
internal sealed class GuestDesk(DeskCore core)
{
    /// <summary>How long an attempt waits for a place before it goes back, perhaps to a node that has one.</summary>
    private const long WaitMsMax = 100;

    private readonly Dictionary<ulong, Guest> _guests = [];
    private bool _isClosed;

    /// <summary>
    /// No worker that is connected has an attempt of another node. One that is not tells of its end elsewhere.
    /// </summary>
    public bool IsDone => _guests.Values.All(guest => guest.Seat is { IsOpen: false });

    /// <summary>Divides places anew between this node and others, and says what each of those may have.</summary>
    public Dictionary<NodeEndpoint, Dictionary<string, int>> Divide(IReadOnlyCollection<PeerNode> hosts)
    {
        lock (core.Lock)
        {
            var places = new Dictionary<NodeEndpoint, Dictionary<string, int>>();
            foreach (var host in hosts)
                places[host.Tcp] = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var pool in core.Pools.Values.ToList())
            {
                pool.Divide(hosts);
                core.PlacesChanged(pool);
                foreach (var share in pool.Shares.Where(share => share is { Host: not null, Places: > 0 }))
                {
                    if (!_isClosed && places.TryGetValue(share.Host!, out var names))
                        names[pool.Name] = Math.Min(share.Places, ProtocolLimits.CreditsMax);
                }
            }

            return places;
        }
    }

    /// <summary>Takes an attempt from another node. It reaches its worker with the desk's next end of a turn.</summary>
    public void Take(NodeEndpoint host, Delivery delivery)
    {
        lock (core.Lock)
        {
            if (!core.Pools.TryGetValue(Lanes.OfTask(delivery.Name), out var pool))
            {
                pool = new Pool(delivery.Name, Lanes.OfTask(delivery.Name));
                core.Pools.Add(pool.Lane, pool); // For the moment until it goes back: its last worker has just left.
            }

            var guest = new Guest(delivery, host, core.NowMs()) { Share = pool.ShareOf(host) };
            if (!_guests.TryAdd(delivery.Id, guest))
                return;
            guest.Share.Take();
            pool.Guests.AddLast(guest);
            DeliverWaiting(pool);
        }
    }

    /// <summary>Delivers what waits for a place. Under the lock.</summary>
    public void DeliverWaiting(Pool pool)
    {
        while (!_isClosed && pool.Guests.First is { } first && pool.TakeSeat(isNode: false) is { } seat)
        {
            if (!seat.Session.Deliver(first.Value.Delivery))
            {
                seat.IsOpen = false; // Its connection is being closed; it will leave.
                continue;
            }

            pool.Guests.RemoveFirst();
            first.Value.Seat = seat;
            first.Value.ForgottenMs = core.NowMs() + 2 * core.LeaseMs;
            seat.Running++;
            pool.Running++;
            core.Written.Add(seat.Session);
        }
    }

    /// <summary>A worker ends an attempt: its place is free. Null: no worker here has it.</summary>
    public NodeEndpoint? End(ulong id)
    {
        lock (core.Lock)
        {
            if (!_guests.TryGetValue(id, out var guest) || guest.Seat is null)
                return null;
            Remove(guest);
            return guest.Host;
        }
    }

    /// <summary>Where an attempt is from that a worker speaks of. Null: no worker here has it.</summary>
    public NodeEndpoint? HostOf(ulong id)
    {
        lock (core.Lock)
        {
            if (!_guests.TryGetValue(id, out var guest) || guest.Seat is null)
                return null;
            guest.ForgottenMs = core.NowMs() + 2 * core.LeaseMs;
            return guest.Host;
        }
    }

    /// <summary>Its host has taken an attempt back.</summary>
    public void Revoke(NodeEndpoint host, Revoke revoke)
    {
        lock (core.Lock)
        {
            if (!_guests.TryGetValue(revoke.Id, out var guest) || guest.Host != host)
                return;
            guest.Seat?.Session.Revoke(revoke.Id, revoke.Reason);
            Remove(guest);
        }
    }

    /// <summary>Takes out what has waited too long for a place, and what its host must have taken back.</summary>
    /// <returns>What goes back.</returns>
    public IReadOnlyList<Guest> TakeOverdue()
    {
        lock (core.Lock)
        {
            long nowMs = core.NowMs();
            var overdue = _guests.Values.Where(guest => nowMs >= guest.ForgottenMs || (guest.Seat is null
                && (_isClosed || nowMs - guest.ArrivedMs >= WaitMsMax))).ToList();
            foreach (var guest in overdue)
                Remove(guest);
            return [.. overdue.Where(guest => guest.Seat is null)];
        }
    }

    /// <summary>See <see cref="WorkerDesk"/>. Under the lock.</summary>
    public void GiveUpPlaces(Seat seat, int count)
    {
        foreach (var guest in _guests.Values.Where(guest => guest.Seat == seat && guest.Share is not null).Take(count))
        {
            guest.Share!.GiveBack();
            guest.Share = null;
        }
    }

    /// <summary>Nothing more is taken. Under the lock.</summary>
    public void Close() => _isClosed = true;

    /// <summary>Forgets all. Under the lock.</summary>
    public void Clear() => _guests.Clear();

    private void Remove(Guest guest)
    {
        _guests.Remove(guest.Delivery.Id);
        guest.Share?.GiveBack();
        var pool = core.Pools[Lanes.OfTask(guest.Delivery.Name)];
        if (guest.Seat is { } seat)
        {
            seat.Running--;
            pool.Running--;
            if (seat.IsIdle)
                pool.Seats.Remove(seat);
        }
        else
        {
            pool.Guests.Remove(guest);
        }

        core.PlacesChanged(pool);
    }
}
