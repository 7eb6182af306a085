namespace Karya.Node.Cluster;

/// <summary>
/// Brings what this node owns to what it should own, one step at a time: compares, asks for the next step, and hears
/// how it ended. It decides; whoever drives it asks the store, the members and the shards.
/// </summary>
/// <remarks>
/// <code>
///            claim           loaded            closed               released
/// Foreign ──────────► Claiming ──► Loading ──► Open ──► Closing ──► Releasing ──► Foreign
///    ▲                                 │        │          │
///    └───────────── lost: another's in the store, or left out of a renewal ──┘
/// </code>
/// <para>
/// The lease of record is in the store, and only what it says counts. A lease is claimed when it was released, or when
/// this node has seen the same (epoch, renew_seq) for its whole length on its own monotonic clock; the store makes sure
/// that it still looks so. Who should have what is proposed by the members that are seen alive. When they cannot be
/// heard, nothing is moved, and what nobody owns is still claimed, by whoever comes first in its order of preference.
/// </para>
/// <para>One thread at a time.</para>
/// </remarks>
internal sealed class Reconciler
{
    /// <summary>Leases for which a node that did not take what was offered to it is offered nothing.</summary>
    private const int OfferPauseLives = 2;

    private readonly NodeIdentity _me;
    private readonly ClusterTimes _times;
    private readonly OwnedPartitions _owned;
    private readonly LeaseTrust _trust;
    private readonly MemberView _members;
    private readonly PartitionSlot[] _slots;
    private readonly List<SeenLease> _wantedLeases = [];
    private readonly Dictionary<string, long> _offerAgainMs = new(StringComparer.Ordinal);
    private string?[] _wanted = [];
    private IReadOnlyList<Member> _alive = []; // As they were known last.
    private bool _isKnown;
    private bool _haveOwnersChanged = true;
    private bool _isRenewing;
    private bool _isReading;
    private bool _hasSeenLeases;
    private long _renewDueMs;
    private long _readDueMs;

    /// <param name="me">This process.</param>
    /// <param name="times">The same on all nodes, but for the lease, which each row names for itself.</param>
    /// <param name="owned">What it owns; nobody else writes to it but who resolves an unknown commit.</param>
    /// <param name="trust">For how long that may be fired.</param>
    /// <param name="members">Who else is there.</param>
    public Reconciler(
        NodeIdentity me, ClusterTimes times, OwnedPartitions owned, LeaseTrust trust, MemberView members)
    {
        _me = me;
        _times = times;
        _owned = owned;
        _trust = trust;
        _members = members;
        _slots = new PartitionSlot[owned.PartitionCount];
    }

    /// <summary>It gives all that it has to others, one after the other, and takes no more.</summary>
    public bool IsDraining { get; set; }

    /// <summary>It gives up all that it has at once, to whoever takes it: its process is about to end.</summary>
    public bool IsStopping { get; set; }

    /// <summary>It shall have nothing.</summary>
    public bool IsLeaving => IsDraining || IsStopping;

    /// <summary>
    /// Ends of attempts wait here for whoever has a partition. When nobody takes it, since all nodes stop, this one
    /// does so for as long as it takes to record them: else the attempts would be made again.
    /// </summary>
    public Predicate<int> HasEndsOf { get; set; } = _ => false;

    /// <summary>A claim is under way: what it asks for may be this node's already.</summary>
    public bool IsClaiming { get; private set; }

    /// <summary>It may own partitions at all: its clock is right, its store answers.</summary>
    public bool CanOwn { get; set; } = true;

    /// <summary>
    /// It knows who else is there. Until then it must not tell the others that it can own anything: they would release
    /// partitions to a node that does not know that they are meant for it.
    /// </summary>
    public bool KnowsMembers => _isKnown;

    /// <summary>When <see cref="Run"/> has something to do that no answer tells of.</summary>
    public long NextMs { get; private set; }

    /// <summary>Who had which partition when the leases were read last; empty for nobody.</summary>
    public string OwnerOf(int partition) =>
        _slots[partition].Lease is { IsReleased: false, Owner: { } owner } ? owner : "";

    /// <summary>Takes the next steps.</summary>
    public void Run(long nowMs, List<ClusterRequest> requests)
    {
        if (!_isRenewing && nowMs >= _renewDueMs)
        {
            _isRenewing = true;
            _renewDueMs = nowMs + _times.PeriodMs;
            requests.Add(new ClusterRequest(ClusterRequestKind.Renew));
        }

        if (!_isReading && nowMs >= _readDueMs)
        {
            _isReading = true;
            _readDueMs = nowMs + _times.PeriodMs;
            requests.Add(new ClusterRequest(ClusterRequestKind.ReadLeases));
        }

        NextMs = Math.Min(_isRenewing ? long.MaxValue : _renewDueMs, _isReading ? long.MaxValue : _readDueMs);
        if (!_hasSeenLeases)
            return;
        Wish(nowMs);
        Claim(nowMs, requests);
        GiveUp(nowMs, requests);
        Retry(nowMs, requests);
    }

    /// <summary>Somebody has released something, or a member came or went: look soon.</summary>
    public void Wake(long nowMs) => _readDueMs = Math.Min(_readDueMs, nowMs);

    /// <param name="nowMs">When the answer came.</param>
    /// <param name="leases">All of them.</param>
    /// <param name="requests">Takes what follows at once.</param>
    public void SawLeases(long nowMs, IReadOnlyList<LeaseRow> leases, List<ClusterRequest> requests)
    {
        _isReading = false;
        _hasSeenLeases = true;
        foreach (var lease in leases)
        {
            ref var slot = ref _slots[lease.Partition];
            if (IsOlder(lease, slot.Lease))
                continue; // An answer that was overtaken by a newer one.
            if (lease != slot.Lease)
                slot.SinceMs = nowMs;
            if (lease.Owner != slot.Lease.Owner || lease.IsReleased != slot.Lease.IsReleased)
            {
                slot.OwnerName = lease.IsReleased ? null : NodeIdentity.NameOf(lease.Owner);
                if (!lease.IsReleased && lease.Owner != _me.Owner)
                    slot.OfferedTo = null;
                _haveOwnersChanged = true;
            }

            slot.Lease = lease;
            bool isAnothers = lease.Owner != _me.Owner && lease.Epoch > _owned.EpochOf(lease.Partition);
            if (isAnothers && slot.Hold is PartitionHold.Loading or PartitionHold.Open or PartitionHold.Closing)
                Lose(lease.Partition, requests);
        }
    }

    public void ReadFailed(long nowMs)
    {
        _isReading = false;
        _readDueMs = nowMs + _times.RetryMs;
    }

    /// <param name="sentMs">When the renewal was sent.</param>
    /// <param name="partitions">Those that were renewed.</param>
    /// <param name="requests">Takes what follows at once.</param>
    public void Renewed(long sentMs, IReadOnlyList<int> partitions, List<ClusterRequest> requests)
    {
        _isRenewing = false;
        foreach (int partition in partitions)
            _slots[partition].RenewedMs = sentMs;
        for (int partition = 0; partition < _slots.Length; partition++)
        {
            ref var slot = ref _slots[partition];
            bool isHeld = slot.Hold is PartitionHold.Loading or PartitionHold.Open or PartitionHold.Closing;
            if (isHeld && slot.ClaimedMs < sentMs && slot.RenewedMs != sentMs)
                Lose(partition, requests);
        }

        _trust.Renew(sentMs); // Last: whoever sees it extended sees what was lost.
    }

    public void RenewFailed(long nowMs)
    {
        _isRenewing = false;
        _renewDueMs = nowMs + _times.RetryMs;
    }

    /// <param name="nowMs">When the answer came.</param>
    /// <param name="claimed">Those that were claimed.</param>
    /// <param name="requests">Takes what follows at once.</param>
    public void Claimed(long nowMs, IReadOnlyList<ClaimedPartition> claimed, List<ClusterRequest> requests)
    {
        foreach (var (partition, epoch) in claimed)
        {
            ref var slot = ref _slots[partition];
            if (slot.Hold != PartitionHold.Claiming)
                continue;
            if (slot.OfferedTo is { } name)
                _offerAgainMs[name] = nowMs + OfferPauseLives * slot.Lease.LeaseMs; // It did not take it.
            slot.OfferedTo = null;
            _owned.Take(partition, epoch);
            slot.Hold = PartitionHold.Loading;
            slot.ClaimedMs = nowMs;
            slot.RetryMs = 0;
            requests.Add(new ClusterRequest(ClusterRequestKind.Load, partition, epoch));
        }

        EndClaim();
        if (!_trust.IsTrusted(nowMs))
            _renewDueMs = Math.Min(_renewDueMs, nowMs); // A claim says nothing of other partitions' leases.
        Wake(nowMs);
    }

    public void ClaimFailed(long nowMs)
    {
        EndClaim();
        Wake(nowMs); // It may have gone through: then the leases say so.
    }

    public void Opened(int partition, long epoch)
    {
        if (_slots[partition].Hold == PartitionHold.Loading && _owned.Covers(partition, epoch))
            _slots[partition].Hold = PartitionHold.Open;
    }

    public void LoadFailed(long nowMs, int partition, long epoch)
    {
        if (_slots[partition].Hold == PartitionHold.Loading && _owned.Covers(partition, epoch))
            _slots[partition].RetryMs = nowMs + _times.RetryMs;
    }

    public void Closed(int partition, long epoch, List<ClusterRequest> requests)
    {
        ref var slot = ref _slots[partition];
        if (slot.Hold != PartitionHold.Closing || !_owned.Covers(partition, epoch))
            return;
        Release(partition, requests);
    }

    /// <summary>It is nobody's. Others are told, and this node looks who takes it.</summary>
    public void Released(long nowMs, int partition)
    {
        if (_slots[partition].Hold != PartitionHold.Releasing)
            return;
        _slots[partition].Hold = PartitionHold.Foreign;
        _slots[partition].SinceMs = nowMs;
        _slots[partition].RetryMs = nowMs + _times.GraceMs; // Not ours again before others had a chance.
        Wake(nowMs);
    }

    public void ReleaseFailed(long nowMs, int partition)
    {
        if (_slots[partition].Hold == PartitionHold.Releasing)
            _slots[partition].RetryMs = nowMs + _times.RetryMs;
    }

    /// <summary>An unknown commit was resolved, and this partition was found to be another's meanwhile.</summary>
    public void Lost(int partition, List<ClusterRequest> requests)
    {
        if (_slots[partition].Hold is PartitionHold.Loading or PartitionHold.Open or PartitionHold.Closing)
            Lose(partition, requests);
    }

    /// <summary>
    /// Who should have what, thought over when something has changed. Null for all while the members cannot be heard.
    /// </summary>
    private void Wish(long nowMs)
    {
        var alive = _members.Alive(nowMs, CanOwn && !IsLeaving);
        bool isKnown = alive is { Count: > 0 };
        if (isKnown && !_haveOwnersChanged && _isKnown && alive!.SequenceEqual(_alive))
            return;
        _isKnown = isKnown;
        if (!isKnown)
            return;
        _alive = alive!;
        _haveOwnersChanged = false;
        string?[] owners = new string?[_slots.Length];
        for (int partition = 0; partition < owners.Length; partition++)
            owners[partition] = _slots[partition].OwnerName;
        _wanted = Assignment.Assign(_alive, owners);
    }

    private static bool IsOlder(in LeaseRow lease, in LeaseRow known) =>
        lease.Epoch < known.Epoch || (lease.Epoch == known.Epoch && lease.RenewSeq < known.RenewSeq);

    private bool IsWantedHere(int partition) => _isKnown && _wanted[partition] == _me.Name;

    private bool MayOffer(int partition, long nowMs) =>
        _isKnown && _wanted[partition] is { } name && name != _me.Name
        && _offerAgainMs.GetValueOrDefault(name, long.MinValue) <= nowMs;

    private void Claim(long nowMs, List<ClusterRequest> requests)
    {
        if (IsClaiming || !CanOwn)
            return;
        _wantedLeases.Clear();
        for (int partition = 0; partition < _slots.Length; partition++)
        {
            ref var slot = ref _slots[partition];
            if (slot.Hold != PartitionHold.Foreign || (IsLeaving && !HasEndsOf(partition)))
                continue;
            long mayMs = MayClaimMs(partition, nowMs);
            if (mayMs > nowMs)
            {
                NextMs = Math.Min(NextMs, mayMs);
                continue;
            }

            slot.Hold = PartitionHold.Claiming;
            _wantedLeases.Add(new SeenLease(partition, slot.Lease.Epoch, slot.Lease.RenewSeq));
        }

        if (_wantedLeases.Count == 0)
            return;
        IsClaiming = true;
        requests.Add(new ClusterRequest(ClusterRequestKind.Claim, Wanted: [.. _wantedLeases]));
    }

    /// <summary>From when on this node may take a partition that is not its own.</summary>
    private long MayClaimMs(int partition, long nowMs)
    {
        ref var slot = ref _slots[partition];
        if (slot.Lease.Owner == _me.Owner && !slot.Lease.IsReleased)
            return slot.RetryMs; // An answer to a claim was lost: claimed again, its memory is read anew.
        long freeMs = slot.Lease.IsReleased ? slot.SinceMs : slot.SinceMs + slot.Lease.LeaseMs;
        if (IsLeaving)
            freeMs += 2 * _times.GraceMs; // Whoever stays comes first.
        else if (freeMs <= nowMs && !IsWantedHere(partition)) // Else it is early enough to look at the order then.
            freeMs += (1 + Assignment.RankOf(_me.Name, _alive, partition)) * _times.GraceMs;
        return Math.Max(freeMs, slot.RetryMs);
    }

    /// <summary>
    /// One at a time, the next when somebody has taken the last: so that little waits at any moment, also when the node
    /// that it is meant for does not take it. All at once when this node is to stop.
    /// </summary>
    private void GiveUp(long nowMs, List<ClusterRequest> requests)
    {
        if (!IsStopping && (!_isKnown || IsMoving()))
            return;
        for (int partition = 0; partition < _slots.Length; partition++)
        {
            ref var slot = ref _slots[partition];
            if (slot.Hold != PartitionHold.Open || !(IsStopping || MayOffer(partition, nowMs)))
                continue;
            if (HasEndsOf(partition))
                continue; // They are recorded before it goes.
            slot.OfferedTo = IsStopping ? null : _wanted[partition];
            slot.Hold = PartitionHold.Closing;
            requests.Add(new ClusterRequest(ClusterRequestKind.Close, partition, _owned.EpochOf(partition)));
            if (!IsStopping)
                return;
        }
    }

    private bool IsMoving()
    {
        foreach (ref var slot in _slots.AsSpan())
        {
            if (slot.Hold is PartitionHold.Closing or PartitionHold.Releasing || slot.OfferedTo is not null)
                return true;
        }

        return false;
    }

    /// <summary>What failed, once more.</summary>
    private void Retry(long nowMs, List<ClusterRequest> requests)
    {
        for (int partition = 0; partition < _slots.Length; partition++)
        {
            ref var slot = ref _slots[partition];
            if (slot.RetryMs == 0 || slot.Hold is not (PartitionHold.Loading or PartitionHold.Releasing))
                continue;
            if (slot.RetryMs > nowMs)
            {
                NextMs = Math.Min(NextMs, slot.RetryMs);
                continue;
            }

            slot.RetryMs = 0;
            requests.Add(slot.Hold == PartitionHold.Loading
                ? new ClusterRequest(ClusterRequestKind.Load, partition, _owned.EpochOf(partition))
                : new ClusterRequest(ClusterRequestKind.Release, partition, slot.ReleasedEpoch));
        }
    }

    private void Release(int partition, List<ClusterRequest> requests)
    {
        ref var slot = ref _slots[partition];
        slot.Hold = PartitionHold.Releasing;
        slot.RetryMs = 0;
        slot.ReleasedEpoch = _owned.EpochOf(partition);
        _owned.Lose(partition);
        requests.Add(new ClusterRequest(ClusterRequestKind.Release, partition, slot.ReleasedEpoch));
    }

    private void Lose(int partition, List<ClusterRequest> requests)
    {
        _owned.Lose(partition);
        _slots[partition].Hold = PartitionHold.Foreign;
        _slots[partition].OfferedTo = null;
        _slots[partition].RetryMs = 0;
        requests.Add(new ClusterRequest(ClusterRequestKind.Drop, partition));
    }

    private void EndClaim()
    {
        IsClaiming = false;
        foreach (var wanted in _wantedLeases)
        {
            ref var slot = ref _slots[wanted.Partition];
            if (slot.Hold == PartitionHold.Claiming)
                slot.Hold = PartitionHold.Foreign;
        }
    }

    /// <summary>Where this node stands with a partition.</summary>
    private enum PartitionHold : byte
    {
        Foreign,
        Claiming,
        Loading,
        Open,
        Closing,
        Releasing,
    }

    private struct PartitionSlot
    {
        public PartitionHold Hold;

        /// <summary>As it was read last, and since when it looks so.</summary>
        public LeaseRow Lease;
        public long SinceMs;

        /// <summary>The name of its owner; null for nobody.</summary>
        public string? OwnerName;

        /// <summary>For whom this node released it; null when it did not, or somebody has taken it.</summary>
        public string? OfferedTo;

        /// <summary>When the claim was answered; when the last renewal that named it was sent.</summary>
        public long ClaimedMs;
        public long RenewedMs;

        /// <summary>No step before this; 0 when none is to be repeated.</summary>
        public long RetryMs;
        public long ReleasedEpoch;
    }
}
