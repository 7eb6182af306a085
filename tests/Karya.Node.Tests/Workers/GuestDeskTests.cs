using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Workers;

public sealed class GuestDeskTests : IDisposable
{
    private static readonly NodeEndpoint Host = new("host", 1);
    private static readonly NodeEndpoint Other = new("other", 2);

    private readonly DeskRig _rig = new();
    private ulong _id;

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Another_nodes_attempt_reaches_a_worker_and_its_end_its_host()
    {
        var worker = _rig.NewWorker(credits: 1);
        ulong id = Take(Host);

        Assert.Equal((id, "work"), (worker.Last.Id, worker.Last.Name));
        Assert.False(_rig.Finish(id)); // It is not this desk's.
        Assert.Equal(Host, _rig.Desk.Guests.HostOf(id));
        Assert.Equal(Host, _rig.Desk.Guests.End(id));
        Assert.Null(_rig.Desk.Guests.End(id));
    }

    [Fact]
    public void What_finds_no_place_waits_a_moment_and_goes_back_if_none_becomes_free()
    {
        var worker = _rig.NewWorker(credits: 1);
        ulong running = Take(Host);
        ulong next = Take(Host);
        ulong late = Take(Other);
        Assert.Empty(_rig.Desk.Guests.TakeOverdue());
        _rig.Desk.Guests.End(running);
        Assert.Equal(next, worker.Last.Id);

        _rig.Advance(120);
        var back = Assert.Single(_rig.Desk.Guests.TakeOverdue());
        Assert.Equal((late, Other), (back.Delivery.Id, back.Host));
        _rig.Desk.Guests.End(next);
        Assert.Equal(2, worker.Deliveries.Count);
    }

    [Fact]
    public void What_comes_when_the_last_worker_has_left_goes_back()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Desk.Leave(worker);
        ulong id = Take(Host);
        Assert.Null(_rig.Desk.Guests.HostOf(id));

        _rig.Advance(120);
        Assert.Equal(id, Assert.Single(_rig.Desk.Guests.TakeOverdue()).Delivery.Id);
        Assert.Empty(_rig.Desk.Describe());
    }

    [Fact]
    public void Places_are_divided_equally_while_nobody_uses_them_and_follow_who_does()
    {
        _rig.NewWorker(credits: 90);
        Assert.Equal((30, 30), (Places(Host), Places(Other)));

        for (int round = 0; round < 4; round++)
        {
            for (int more = Places(Host) - (int)_id; more > 0; more--)
                Take(Host);
        }

        Assert.Equal(1, Places(Other));
        Assert.True(Places(Host) > 80);

        Take(Other); // It has used all it had.
        int before = Places(Other);
        Assert.True(before > 20, $"{before}");
    }

    [Fact]
    public void A_node_that_is_named_twice_is_one()
    {
        _rig.NewWorker(credits: 4);
        PeerNode[] hosts = [new("one", Host), new("two", Host)];

        Assert.Equal(2, Assert.Single(_rig.Desk.Guests.Divide(hosts)).Value["work"]);
    }

    [Fact]
    public void Attempts_of_this_node_leave_others_their_share()
    {
        var worker = _rig.NewWorker(credits: 2);
        Assert.Equal(1, Places(Host));
        _rig.Turn();
        _rig.Submit();
        _rig.Submit();
        _rig.Submit();
        Assert.Single(worker.Deliveries);

        ulong id = Take(Host);
        Assert.Equal(id, worker.Last.Id);
    }

    [Fact]
    public void Attempts_of_this_node_go_to_other_nodes_when_its_own_workers_have_no_place()
    {
        var (worker, node) = (_rig.NewWorker(credits: 1), new FakeSession());
        _rig.Desk.Subscribe(node, "work", 2, node: "other");
        _rig.Turn();
        for (int i = 0; i < 4; i++)
            _rig.Submit();

        Assert.Equal((1, 2), (worker.Deliveries.Count, node.Deliveries.Count));
        Assert.Equal(new WorkerStats("work", 1, 1, 1), Assert.Single(_rig.Desk.Describe()));
        Assert.True(_rig.Finish(node.Deliveries[0].Id));
        Assert.Equal(3, node.Deliveries.Count);
    }

    [Fact]
    public void Nodes_that_have_workers_of_their_own_get_what_is_left()
    {
        _rig.NewWorker(credits: 90);
        _rig.Desk.Subscribe(new FakeSession(), "work", 5, node: "other");
        Assert.Equal((30, 30), (Places(Host), Places(Other)));

        for (int i = 0; i < 30; i++)
            Take(Host);
        for (int i = 0; i < 30; i++)
            Take(Other);
        var places = Divide(); // Both have used all they had, and the host has nobody else.
        Assert.Equal((89, 1), (places[Host]["work"], places[Other]["work"]));
    }

    [Fact]
    public void What_its_host_takes_back_is_taken_from_its_worker_and_only_by_its_host()
    {
        var worker = _rig.NewWorker(credits: 1);
        ulong id = Take(Host);
        _rig.Desk.Guests.Revoke(Other, new Revoke(id, RevokeReason.Cancelled));
        Assert.Empty(worker.Revoked);

        _rig.Desk.Guests.Revoke(Host, new Revoke(id, RevokeReason.Cancelled));
        Assert.Equal((id, RevokeReason.Cancelled), Assert.Single(worker.Revoked));
        Take(Host);
        Assert.Equal(2, worker.Deliveries.Count);
    }

    [Fact]
    public void A_worker_that_lost_its_connection_may_tell_of_it_and_takes_no_place_from_others()
    {
        var first = _rig.NewWorker(credits: 1);
        ulong id = Take(Host);
        _rig.Desk.Leave(first);
        var second = _rig.NewWorker(credits: 1);
        Take(Host);

        Assert.Single(second.Deliveries);
        Assert.Equal(Host, _rig.Desk.Guests.End(id));
    }

    [Fact]
    public void A_worker_that_takes_less_than_it_has_takes_no_place_from_others()
    {
        var first = _rig.NewWorker(credits: 2);
        var second = _rig.NewWorker(credits: 2);
        for (int i = 0; i < 4; i++)
            _rig.Submit();
        Assert.Equal((2, 2), (first.Deliveries.Count, second.Deliveries.Count));
        _rig.Desk.Subscribe(first, "work", 0);
        foreach (var delivered in second.Deliveries.ToList())
            Assert.True(_rig.Finish(delivered.Id));
        for (int i = 0; i < 4; i++)
            _rig.Submit();

        Assert.Equal((2, 4), (first.Deliveries.Count, second.Deliveries.Count));
    }

    [Fact]
    public void What_its_host_has_taken_back_without_our_hearing_of_it_is_forgotten()
    {
        _rig.NewWorker(credits: 1);
        ulong id = Take(Host);
        _rig.Advance(2 * DeskRig.LeaseMs - 20);
        Assert.Equal(Host, _rig.Desk.Guests.HostOf(id)); // The worker speaks of it: the host has it still.
        _rig.Advance(2 * DeskRig.LeaseMs);

        Assert.Empty(_rig.Desk.Guests.TakeOverdue()); // Its worker may have it: it does not go back.
        Assert.Null(_rig.Desk.Guests.HostOf(id));
    }

    [Fact]
    public async Task A_stop_waits_for_what_runs_of_other_nodes_and_takes_nothing_more()
    {
        var worker = _rig.NewWorker(credits: 2);
        ulong running = Take(Host);
        var stopped = _rig.Desk.StopAsync(TimeSpan.FromSeconds(10));
        ulong late = Take(Host);
        Assert.Equal(late, Assert.Single(_rig.Desk.Guests.TakeOverdue()).Delivery.Id);
        Assert.Empty(_rig.Desk.Guests.Divide([new PeerNode("host", Host)])[Host]);
        Assert.False(stopped.IsCompleted);

        _rig.Desk.Guests.End(running);
        await stopped.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Single(worker.Deliveries);
    }

    [Fact]
    public async Task A_stop_does_not_wait_for_workers_that_have_gone_they_tell_of_other_nodes_attempts_there()
    {
        var worker = _rig.NewWorker(credits: 2);
        Take(Host);
        var stopped = _rig.Desk.StopAsync(TimeSpan.FromSeconds(10));
        Assert.False(stopped.IsCompleted);

        _rig.Desk.Leave(worker);
        await stopped.WaitAsync(TestContext.Current.CancellationToken);
    }

    private ulong Take(NodeEndpoint host)
    {
        var delivery = new Delivery(
            ++_id, Guid.CreateVersion7(), _id, 1, 0, "work", [1], 1, 1, 0, 0, 1);
        _rig.Desk.Guests.Take(host, delivery);
        return _id;
    }

    private int Places(NodeEndpoint host) => Divide()[host].GetValueOrDefault("work");

    private Dictionary<NodeEndpoint, Dictionary<string, int>> Divide() =>
        _rig.Desk.Guests.Divide([new PeerNode("host", Host), new PeerNode("other", Other)]);
}
