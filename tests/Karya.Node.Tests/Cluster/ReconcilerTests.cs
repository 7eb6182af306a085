using Karya.Node.Cluster;
using Xunit;

namespace Karya.Node.Tests.Cluster;

public sealed class ReconcilerTests
{
    private const int PartitionCount = 12;
    private const long StepMs = 50;

    private readonly LeaseTable _table = new(PartitionCount);
    private readonly Dictionary<string, ReconcilerRig> _nodes = [];
    private long _nowMs;
    private long _beat;

    [Fact]
    public void A_node_alone_takes_everything_and_trusts_it_when_it_was_renewed()
    {
        var node = Add("a");
        node.Holds = request => request.Kind == ClusterRequestKind.Renew;
        Pass(200);
        Assert.Equal(PartitionCount, node.Mine.Length);
        Assert.False(node.Trust.IsTrusted(_nowMs)); // A claim alone is no reason to fire.

        node.Holds = _ => false;
        node.Answer(node.Waiting[0]);
        Pass(200);

        Assert.True(node.Trust.IsTrusted(_nowMs));
        Assert.Equal(PartitionCount, node.Count(ClusterRequestKind.Load));
    }

    [Fact]
    public void Nothing_is_claimed_before_the_leases_were_seen()
    {
        var node = Add("a");
        node.Holds = request => request.Kind == ClusterRequestKind.ReadLeases;

        Pass(3 * ReconcilerRig.LeaseMs);

        Assert.Equal(0, node.Count(ClusterRequestKind.Claim));
    }

    [Fact]
    public void A_node_that_comes_gets_its_part_one_partition_at_a_time()
    {
        var a = Add("a");
        Pass(1000);
        a.Holds = request => request.Kind == ClusterRequestKind.Close;
        var b = Add("b");
        Pass(3000);
        Assert.Single(a.Waiting); // The next one is not closed before this one has gone.
        Assert.Equal(PartitionCount, a.Mine.Length);

        a.Holds = _ => false;
        a.Answer(a.Waiting[0]);
        Pass(10_000);

        Assert.Equal(PartitionCount / 2, a.Mine.Length);
        Assert.Equal(PartitionCount / 2, b.Mine.Length);
        Assert.Equal(PartitionCount / 2, a.Count(ClusterRequestKind.Close));
        Assert.Equal(0, b.Count(ClusterRequestKind.Close));
    }

    [Fact]
    public void A_node_that_does_not_take_what_was_released_to_it_is_offered_nothing_for_two_leases()
    {
        var a = Add("a");
        Pass(1000);
        Add("b").Holds = _ => true; // It is alive, and cannot reach the store.

        Pass(4 * ReconcilerRig.LeaseMs);

        Assert.Equal(2, a.Count(ClusterRequestKind.Close)); // One, and one after the pause.
        Assert.Equal(PartitionCount, a.Mine.Length);
    }

    [Fact]
    public void What_a_dead_node_had_is_claimed_after_its_lease_and_not_before()
    {
        var a = Add("a");
        var b = Add("b");
        Pass(10_000);
        Assert.Equal(PartitionCount / 2, b.Mine.Length);
        int claims = a.Count(ClusterRequestKind.Claim);

        _nodes.Remove("b");
        Pass(ReconcilerRig.LeaseMs - (2 * StepMs));
        Assert.Equal(claims, a.Count(ClusterRequestKind.Claim));
        Assert.False(b.Trust.IsTrusted(_nowMs));

        Pass(2 * ReconcilerRig.LeaseMs);
        Assert.Equal(PartitionCount, a.Mine.Length);
    }

    [Fact]
    public void A_node_that_drains_gives_one_after_the_other_away_until_it_shall_have_its_part_again()
    {
        var a = Add("a");
        var b = Add("b");
        Pass(10_000);
        Assert.Equal(PartitionCount / 2, b.Mine.Length);

        b.Reconciler.IsDraining = true;
        for (int i = 0; i < 10_000 / StepMs; i++)
        {
            Pass(StepMs);
            Assert.InRange(a.Mine.Length + b.Mine.Length, PartitionCount - 2, PartitionCount);
        }

        Assert.Empty(b.Mine);
        b.Reconciler.IsDraining = false;
        Pass(10_000);
        Assert.Equal(PartitionCount / 2, b.Mine.Length);
    }

    [Fact]
    public void The_only_node_keeps_everything_when_it_drains()
    {
        var a = Add("a");
        Pass(1000);
        a.Reconciler.IsDraining = true;
        Pass(10_000);

        Assert.Equal(PartitionCount, a.Mine.Length);
    }

    [Fact]
    public void A_node_that_stops_gives_up_everything_at_once_and_takes_nothing()
    {
        var a = Add("a");
        var b = Add("b");
        Pass(10_000);

        b.Reconciler.IsStopping = true;
        Pass(3000);

        Assert.Empty(b.Mine);
        Assert.Equal(PartitionCount, a.Mine.Length);
    }

    /// <summary>Seed 1795830692225 of Tiny: else attempts whose ends nobody takes are made again.</summary>
    [Fact]
    public void When_all_nodes_stop_one_takes_a_partition_back_until_the_ends_that_wait_for_it_are_recorded()
    {
        var a = Add("a");
        var b = Add("b");
        Pass(10_000);
        bool waits = true;
        b.Reconciler.HasEndsOf = partition => waits && partition == 3;
        a.Reconciler.IsStopping = true;
        Pass(50);
        b.Reconciler.IsStopping = true;

        Pass(3000);
        Assert.Empty(a.Mine);
        Assert.Equal([3], b.Mine);

        waits = false;
        Pass(1000);
        Assert.Empty(b.Mine);
        Assert.All(_table.Rows, row => Assert.True(row.IsReleased));
    }

    [Fact]
    public void What_a_node_that_stays_takes_is_not_taken_by_one_that_stops()
    {
        var a = Add("a");
        var b = Add("b");
        Pass(10_000);
        b.Reconciler.HasEndsOf = _ => true;
        b.Owned.Lose(b.Mine[0]); // Nobody has it, so far as the nodes know.
        b.Reconciler.IsStopping = true;
        int claims = b.Count(ClusterRequestKind.Claim);

        Pass(5000);

        Assert.Equal(claims, b.Count(ClusterRequestKind.Claim));
    }

    [Fact]
    public void What_a_renewal_leaves_out_is_dropped_before_the_lease_is_trusted_any_longer()
    {
        var a = Add("a");
        Pass(1000);
        var lost = _table.Rows[3];
        Assert.Single(_table.Claim("x/1", [new SeenLease(3, lost.Epoch, lost.RenewSeq)]));

        Pass(ReconcilerRig.LeaseMs / 5 + StepMs);

        Assert.Equal(3, Assert.Single(a.Asked, request => request.Kind == ClusterRequestKind.Drop).Partition);
        Assert.Equal(PartitionCount - 1, a.Mine.Length);
    }

    [Fact]
    public void A_renewal_that_fails_is_tried_again_while_the_lease_lasts()
    {
        var a = Add("a");
        Pass(1000);
        a.Holds = request => request.Kind == ClusterRequestKind.Renew;
        Pass(200);
        a.Holds = _ => false;
        a.Fail(a.Waiting[0]);

        Pass(500);

        Assert.True(a.Trust.IsTrusted(_nowMs + 500));
    }

    [Fact]
    public void A_claim_whose_answer_was_lost_is_made_again_under_the_next_epoch()
    {
        var a = Add("a");
        a.Holds = request => request.Kind == ClusterRequestKind.Claim;
        Pass(200);
        _table.Claim(a.Me.Owner, a.Waiting[0].Wanted!); // It is done, and nobody hears of it.
        a.Holds = _ => false;
        a.Fail(a.Waiting[0]);

        Pass(1000);

        Assert.Equal(PartitionCount, a.Mine.Length);
        Assert.All(a.Mine, partition => Assert.Equal(2, a.Owned.EpochOf(partition)));
    }

    [Fact]
    public void A_load_that_fails_is_tried_again_after_a_pause()
    {
        var a = Add("a");
        a.Holds = request => request is { Kind: ClusterRequestKind.Load, Partition: 5 };
        Pass(200);
        a.Fail(a.Waiting[0]);
        Pass(100);
        Assert.Single(a.Waiting);
        Pass(200);
        Assert.Equal(2, a.Waiting.Count);
    }

    [Fact]
    public void A_release_that_fails_is_tried_again_and_the_partition_is_not_fired_meanwhile()
    {
        var a = Add("a");
        Pass(1000);
        a.Holds = request => request.Kind == ClusterRequestKind.Release;
        a.Reconciler.IsStopping = true;
        Pass(100);
        Assert.Equal(PartitionCount, a.Waiting.Count);
        Assert.Empty(a.Mine);
        a.Holds = _ => false;
        foreach (var request in a.Waiting)
            a.Fail(request);

        Pass(500);

        Assert.All(_table.Rows, row => Assert.True(row.IsReleased));
    }

    [Fact]
    public void Members_that_cannot_be_heard_move_nothing_and_what_is_free_is_claimed_all_the_same()
    {
        var a = Add("a");
        var b = Add("b");
        Pass(10_000);
        _isHeard = false;
        Pass(2000);
        int closes = a.Count(ClusterRequestKind.Close) + b.Count(ClusterRequestKind.Close);

        _nodes.Remove("b");
        Pass(5000);

        Assert.Equal(PartitionCount, a.Mine.Length);
        Assert.Equal(closes, a.Count(ClusterRequestKind.Close) + b.Count(ClusterRequestKind.Close));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Whatever_fails_no_partition_is_trusted_by_two_and_in_the_end_each_has_an_owner(int seed)
    {
        var chance = new Random(seed);
        foreach (string name in (string[])["a", "b", "c"])
            Add(name).Holds = _ => chance.Next(8) == 0;
        for (int step = 0; step < 2000; step++)
        {
            Pass(StepMs);
            foreach (var node in _nodes.Values.Where(node => node.Waiting.Count > 0 && chance.Next(6) == 0))
            {
                var request = node.Waiting[0];
                node.Waiting.RemoveAt(0);
                bool mayFail = request.Kind is not (ClusterRequestKind.Close or ClusterRequestKind.Drop);
                if (mayFail && chance.Next(2) == 0)
                    node.Fail(request);
                else
                    node.Answer(request);
            }

            AssertOneOwner();
        }

        foreach (var node in _nodes.Values)
        {
            node.Holds = _ => false;
            foreach (var request in node.Waiting)
                node.Answer(request);
            node.Waiting.Clear();
        }

        Pass(20_000);
        Assert.All(_nodes.Values, node => Assert.Equal(PartitionCount / 3, node.Mine.Length));
        AssertOneOwner();
    }

    private bool _isHeard = true;

    private ReconcilerRig Add(string name)
    {
        var node = new ReconcilerRig(name, _table) { NowMs = _nowMs };
        _nodes.Add(name, node);
        return node;
    }

    /// <summary>Time passes; everybody who is there is heard by the others, and takes its steps.</summary>
    private void Pass(long ms)
    {
        for (long untilMs = _nowMs + ms; _nowMs < untilMs; _nowMs += StepMs)
        {
            _beat++;
            foreach (var node in _nodes.Values)
            {
                node.NowMs = _nowMs;
                if (_isHeard)
                    node.Hear(_beat, [.. _nodes.Keys]);
                node.Run();
            }
        }
    }

    private void AssertOneOwner()
    {
        for (int partition = 0; partition < PartitionCount; partition++)
        {
            int owners = _nodes.Values.Count(
                node => node.Owned.EpochOf(partition) > 0 && node.Trust.IsTrusted(_nowMs));
            Assert.True(owners <= 1, $"{owners} nodes fire partition {partition} at {_nowMs}.");
        }
    }
}
