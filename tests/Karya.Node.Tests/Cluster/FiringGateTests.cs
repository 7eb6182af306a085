using Karya.Node.Cluster;
using Xunit;

namespace Karya.Node.Tests.Cluster;

public sealed class FiringGateTests
{
    private readonly OwnedPartitions _owned = new(4);
    private readonly LeaseTrust _trust = new(1000);
    private readonly FiringGate _gate;

    public FiringGateTests()
    {
        _gate = new FiringGate(_owned, _trust);
        _owned.Take(2, epoch: 7);
        _trust.Renew(sent: 0);
    }

    [Fact]
    public void An_attempt_begins_while_its_partition_is_ours_and_the_lease_is_trusted() =>
        Assert.Equal(GateAnswer.Begin, _gate.Ask(2, 7, now: 899));

    [Fact]
    public void It_waits_when_the_lease_has_run_out_and_begins_when_it_is_renewed()
    {
        Assert.Equal(GateAnswer.Wait, _gate.Ask(2, 7, now: 900));
        _trust.Renew(sent: 950);
        Assert.Equal(GateAnswer.Begin, _gate.Ask(2, 7, now: 951));
    }

    [Fact]
    public void It_is_dropped_when_its_partition_is_lost_trusted_or_not()
    {
        _owned.Lose(2);
        Assert.Equal(GateAnswer.Drop, _gate.Ask(2, 7, now: 10));
        Assert.Equal(GateAnswer.Drop, _gate.Ask(2, 7, now: 2000));
    }

    [Fact]
    public void It_is_dropped_when_its_partition_was_lost_and_came_back()
    {
        _owned.Lose(2);
        _owned.Take(2, epoch: 9);
        Assert.Equal(GateAnswer.Drop, _gate.Ask(2, 7, now: 10));
        Assert.Equal(GateAnswer.Begin, _gate.Ask(2, 9, now: 10));
    }

    [Fact]
    public void It_begins_when_the_epoch_was_raised_by_its_own_node()
    {
        _owned.Raise(2, epoch: 8);
        Assert.Equal(GateAnswer.Begin, _gate.Ask(2, 7, now: 10));
        Assert.Equal(GateAnswer.Begin, _gate.Ask(2, 8, now: 10));
    }

    [Fact]
    public void Of_a_partition_that_was_never_ours_it_is_dropped() =>
        Assert.Equal(GateAnswer.Drop, _gate.Ask(1, 1, now: 10));
}
