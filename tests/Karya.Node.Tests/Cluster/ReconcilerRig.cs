using Karya.Node.Cluster;
using Xunit;

namespace Karya.Node.Tests.Cluster;

/// <summary>The table of leases, as a store keeps it.</summary>
internal sealed class LeaseTable
{
    private readonly LeaseRow[] _rows;

    public LeaseTable(int partitionCount)
    {
        _rows = new LeaseRow[partitionCount];
        for (int i = 0; i < partitionCount; i++)
            _rows[i] = new LeaseRow(i, 0, 0, "", 0, IsReleased: true);
    }

    public IReadOnlyList<LeaseRow> Rows => [.. _rows];

    public List<int> Renew(string owner)
    {
        var renewed = new List<int>();
        foreach (ref var row in _rows.AsSpan())
        {
            if (row.Owner != owner || row.IsReleased)
                continue;
            row = row with { RenewSeq = row.RenewSeq + 1 };
            renewed.Add(row.Partition);
        }

        return renewed;
    }

    public List<ClaimedPartition> Claim(string owner, IReadOnlyList<SeenLease> wanted)
    {
        var claimed = new List<ClaimedPartition>();
        foreach (var (partition, epoch, renewSeq) in wanted)
        {
            ref var row = ref _rows[partition];
            if (row.Epoch != epoch || !(row.IsReleased || row.RenewSeq == renewSeq || row.Owner == owner))
                continue;
            row = new LeaseRow(
                partition, epoch + 1, row.RenewSeq + 1, owner, ReconcilerRig.LeaseMs, IsReleased: false);
            claimed.Add(new ClaimedPartition(partition, epoch + 1));
        }

        return claimed;
    }

    public void Release(string owner, int partition, long epoch)
    {
        ref var row = ref _rows[partition];
        if (row.Owner == owner && row.Epoch == epoch)
            row = row with { IsReleased = true };
    }
}

/// <summary>
/// A reconciler, and what answers it: at once, but for the kinds that are held back. Its clock is set by the test.
/// </summary>
internal sealed class ReconcilerRig
{
    public const long LeaseMs = 1000;

    private readonly LeaseTable _table;
    private readonly MemberView _members;
    private readonly List<ClusterRequest> _requests = [];

    public ReconcilerRig(string name, LeaseTable table)
    {
        _table = table;
        Me = new NodeIdentity(name, "1");
        Owned = new OwnedPartitions(table.Rows.Count);
        _members = new MemberView(new Member(name, 1), "1", aliveMs: 600);
        Reconciler = new Reconciler(Me, new ClusterTimes(LeaseMs), Owned, Trust, _members);
    }

    public NodeIdentity Me { get; }

    public OwnedPartitions Owned { get; }

    public LeaseTrust Trust { get; } = new(LeaseMs);

    public Reconciler Reconciler { get; }

    public long NowMs { get; set; }

    /// <summary>All that it has ever asked for.</summary>
    public List<ClusterRequest> Asked { get; } = [];

    /// <summary>Held back, in the order in which they came.</summary>
    public List<ClusterRequest> Waiting { get; } = [];

    /// <summary>Which are held back.</summary>
    public Predicate<ClusterRequest> Holds { get; set; } = _ => false;

    public int[] Mine => [.. Enumerable.Range(0, Owned.PartitionCount).Where(one => Owned.EpochOf(one) > 0)];

    /// <summary>Everybody's heartbeats, with a counter that has gone on since the last time.</summary>
    public void Hear(long counter, params string[] names) => _members.Saw(
        NowMs, [.. names.Select(name => new Heartbeat(name, "1", counter, 1, CanOwn: true, IsDraining: false))]);

    /// <summary>Takes all steps that can be taken now.</summary>
    public void Run()
    {
        do
        {
            Reconciler.Run(NowMs, _requests);
            while (_requests.Count > 0)
            {
                var request = _requests[0];
                _requests.RemoveAt(0);
                Asked.Add(request);
                if (Holds(request))
                    Waiting.Add(request);
                else
                    Answer(request);
            }
        }
        while (Reconciler.NextMs <= NowMs);
    }

    public void Answer(in ClusterRequest request)
    {
        int partition = request.Partition;
        switch (request.Kind)
        {
            case ClusterRequestKind.Renew:
                Reconciler.Renewed(NowMs, _table.Renew(Me.Owner), _requests);
                break;
            case ClusterRequestKind.ReadLeases:
                Reconciler.SawLeases(NowMs, _table.Rows, _requests);
                break;
            case ClusterRequestKind.Claim:
                Reconciler.Claimed(NowMs, _table.Claim(Me.Owner, request.Wanted!), _requests);
                break;
            case ClusterRequestKind.Load:
                Reconciler.Opened(partition, request.Epoch);
                break;
            case ClusterRequestKind.Close:
                Reconciler.Closed(partition, request.Epoch, _requests);
                break;
            case ClusterRequestKind.Release:
                _table.Release(Me.Owner, partition, request.Epoch);
                Reconciler.Released(NowMs, partition);
                break;
        }
    }

    public void Fail(in ClusterRequest request)
    {
        switch (request.Kind)
        {
            case ClusterRequestKind.Renew:
                Reconciler.RenewFailed(NowMs);
                break;
            case ClusterRequestKind.ReadLeases:
                Reconciler.ReadFailed(NowMs);
                break;
            case ClusterRequestKind.Claim:
                Reconciler.ClaimFailed(NowMs);
                break;
            case ClusterRequestKind.Load:
                Reconciler.LoadFailed(NowMs, request.Partition, request.Epoch);
                break;
            case ClusterRequestKind.Release:
                Reconciler.ReleaseFailed(NowMs, request.Partition);
                break;
            default:
                Assert.Fail($"{request.Kind} cannot fail.");
                break;
        }
    }

    public int Count(ClusterRequestKind kind) => Asked.Count(request => request.Kind == kind);
}
