using Karya.Engine;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Workers;

public sealed class WorkerDeskTests : IDisposable
{
    private readonly DeskRig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void A_worker_never_has_more_than_its_credits_whichever_shards_the_tasks_are_of()
    {
        var worker = _rig.NewWorker(credits: 3);
        for (int i = 0; i < 12; i++)
            _rig.Submit();
        for (int done = 0; done < 12; done++)
        {
            Assert.Equal(Math.Min(12, done + 3), worker.Deliveries.Count);
            Assert.True(_rig.Finish(worker.Deliveries[done].Id));
        }

        Assert.Equal(12, worker.Deliveries.Select(delivery => delivery.Key).Distinct().Count());
        Assert.Equal((12, 12), (_rig.Started, _rig.Ended));
        Assert.All(_rig.Replies, reply => Assert.Equal(ReplyCode.Ok, reply.Code));
        Assert.Equal(new WorkerStats("work", 1, 3, 0), Assert.Single(_rig.Desk.Describe()));
    }

    [Fact]
    public void A_delivery_says_what_the_plan_says()
    {
        var worker = _rig.NewWorker(credits: 1);
        var plan = _rig.Submit(attempts: 3, timeoutMs: 7000);
        var delivery = Assert.Single(worker.Deliveries);
        Assert.Equal((new TaskKey(plan, 1, 0), 1, "work", 7000L), (
            delivery.Key, delivery.Attempt, delivery.Name, delivery.TimeoutMs));
        Assert.Equal([1, 2, 3], delivery.Arguments);
    }

    [Fact]
    public void Workers_take_turns()
    {
        FakeSession[] workers = [_rig.NewWorker(4), _rig.NewWorker(4), _rig.NewWorker(4)];
        for (int i = 0; i < 6; i++)
            _rig.Submit();
        Assert.All(workers, worker => Assert.Equal(2, worker.Deliveries.Count));
    }

    [Fact]
    public void A_worker_gets_only_what_it_has_subscribed_to()
    {
        var worker = _rig.NewWorker(4);
        var other = _rig.NewWorker(4, "other");
        _rig.Submit(name: "other");
        Assert.Empty(worker.Deliveries);
        Assert.Single(other.Deliveries);
    }

    [Fact]
    public void A_lease_that_ends_costs_an_attempt_and_the_next_one_follows()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit(attempts: 2);
        ulong first = worker.Last.Id;
        _rig.Advance(DeskRig.LeaseMs + 100);
        Assert.Equal([(first, RevokeReason.LeaseEnded)], worker.Revoked);
        Assert.False(_rig.Finish(first));
        _rig.Advance(200);
        Assert.Equal([1, 2], worker.Deliveries.Select(delivery => delivery.Attempt));
        Assert.NotEqual(first, worker.Last.Id);
        Assert.True(_rig.Finish(worker.Last.Id));
    }

    [Fact]
    public void A_lease_that_is_extended_goes_on()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit();
        for (int i = 0; i < 5; i++)
        {
            _rig.Advance(DeskRig.LeaseMs - 100);
            Assert.True(_rig.Desk.Extend(worker.Last.Id));
        }

        Assert.Empty(worker.Revoked);
        Assert.True(_rig.Finish(worker.Last.Id));
    }

    [Fact]
    public void A_time_limit_ends_an_attempt_however_often_its_lease_is_extended()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit(attempts: 2, timeoutMs: 500);
        ulong first = worker.Last.Id;
        _rig.Advance(400);
        Assert.True(_rig.Desk.Extend(first));
        Assert.Empty(worker.Revoked);
        _rig.Advance(200);
        Assert.Equal([(first, RevokeReason.TimedOut)], worker.Revoked);
        _rig.Advance(300);
        Assert.Equal(2, worker.Last.Attempt);
    }

    [Fact]
    public void A_cancelled_task_that_waits_for_a_place_is_never_delivered_and_blocks_none()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit();
        var waiting = _rig.Submit(); // Of the other shard, which may use the credit, too: it waits at the desk.
        _rig.Cancel(waiting);
        Assert.Empty(worker.Revoked);
        Assert.True(_rig.Finish(worker.Last.Id));
        Assert.Single(worker.Deliveries);
        for (int i = 0; i < 4; i++)
        {
            _rig.Submit();
            Assert.True(_rig.Finish(worker.Last.Id));
        }

        Assert.Equal(5, worker.Deliveries.Count);
    }

    [Fact]
    public void A_cancelled_task_that_runs_is_taken_from_its_worker_whose_place_is_free_at_once()
    {
        var worker = _rig.NewWorker(credits: 1);
        var plan = _rig.Submit(attempts: 5);
        ulong id = worker.Last.Id;
        _rig.Cancel(plan);
        Assert.Equal([(id, RevokeReason.Cancelled)], worker.Revoked);
        Assert.False(_rig.Finish(id));
        Assert.False(_rig.Desk.Extend(id));
        _rig.Submit();
        Assert.Equal(2, worker.Deliveries.Count);
        Assert.NotEqual(plan, worker.Last.Key.Plan);
    }

    [Fact]
    public void What_is_released_is_delivered_again_and_costs_no_attempt()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit(attempts: 1);
        var other = new FakeSession();
        _rig.Desk.Subscribe(other, "work", 1);
        _rig.Desk.Subscribe(worker, "work", 0);
        Assert.True(_rig.Finish(worker.Last.Id, DeliveryOutcome.Released));
        _rig.Advance(2 * Limits.ReleaseDelayMs);
        Assert.Equal(1, Assert.Single(other.Deliveries).Attempt);
        Assert.Empty(_rig.Replies); // The desk does not promise one.
        Assert.True(_rig.Finish(other.Last.Id));
    }

    [Fact]
    public void A_worker_that_lost_its_connection_may_come_back_and_tell()
    {
        var lost = _rig.NewWorker(credits: 1);
        _rig.Submit();
        _rig.Desk.Leave(lost);
        var again = _rig.NewWorker(credits: 1);
        Assert.Empty(again.Deliveries);
        Assert.True(_rig.Desk.Extend(lost.Last.Id));
        Assert.True(_rig.Finish(lost.Last.Id, result: [4, 2]));
        Assert.Equal(ReplyCode.Ok, Assert.Single(_rig.Replies).Code);
        Assert.Empty(again.Deliveries);
    }

    [Fact]
    public void What_cannot_be_sent_any_more_goes_to_another_worker_or_waits_and_costs_no_attempt()
    {
        var closed = _rig.NewWorker(credits: 5);
        var other = _rig.NewWorker(credits: 1);
        closed.IsClosed = true;
        _rig.Submit();
        _rig.Submit();
        Assert.Single(other.Deliveries);
        _rig.Desk.Leave(closed);
        _rig.Advance(DeskRig.LeaseMs / 2);
        Assert.True(_rig.Finish(other.Last.Id));
        Assert.Equal([1, 1], other.Deliveries.Select(delivery => delivery.Attempt));
        Assert.True(_rig.Finish(other.Last.Id));
        Assert.Equal((2, 2), (_rig.Started, _rig.Ended));
    }

    [Fact]
    public void What_nobody_holds_changes_nothing()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit();
        foreach (ulong id in new[] { 0UL, worker.Last.Id - 1, worker.Last.Id + 1, ulong.MaxValue })
        {
            Assert.False(_rig.Finish(id));
            Assert.False(_rig.Desk.Extend(id));
            Assert.False(_rig.Desk.SetProgress(new ProgressRequest(id, 0.5, null)));
        }

        Assert.Empty(_rig.Replies);
        Assert.True(_rig.Finish(worker.Last.Id));
        Assert.False(_rig.Finish(worker.Last.Id));
    }

    [Fact]
    public void Progress_is_known_while_the_task_runs()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit();
        Assert.Null(_rig.Desk.ProgressOf(worker.Last.Key));
        Assert.True(_rig.Desk.SetProgress(new ProgressRequest(worker.Last.Id, 0.5, "half")));
        Assert.Equal((0.5, "half"), _rig.Desk.ProgressOf(worker.Last.Key));
        Assert.True(_rig.Finish(worker.Last.Id));
        Assert.Null(_rig.Desk.ProgressOf(worker.Last.Key));
    }

    [Fact]
    public void When_the_last_worker_leaves_what_waits_goes_back_and_comes_again_with_the_next_one()
    {
        var first = _rig.NewWorker(credits: 1);
        for (int i = 0; i < 6; i++)
            _rig.Submit();
        Assert.Single(first.Deliveries);
        _rig.Desk.Leave(first);
        _rig.Advance(2 * Limits.ReleaseDelayMs);
        Assert.False(_rig.Desk.IsServed("work"));
        Assert.Equal(5, _rig.WaitingForWorker);
        var second = _rig.NewWorker(credits: 10);
        _rig.Advance(100);
        Assert.Equal(5, second.Deliveries.Count);
        Assert.All(second.Deliveries, delivery => Assert.Equal(1, delivery.Attempt));
        Assert.True(_rig.Desk.IsServed("work"));
    }

    [Fact]
    public void A_task_that_comes_after_the_last_worker_has_left_goes_back_and_leaves_no_trace()
    {
        var first = _rig.NewWorker(credits: 2);
        _rig.KeepsDispatches = true;
        _rig.Submit();
        _rig.Desk.Leave(first);
        _rig.Release();
        Assert.Empty(_rig.Desk.Describe());
        var second = _rig.NewWorker(credits: 2);
        _rig.Advance(2 * Limits.ReleaseDelayMs);
        Assert.Equal(1, Assert.Single(second.Deliveries).Attempt);
        Assert.Equal(new WorkerStats("work", 1, 2, 1), Assert.Single(_rig.Desk.Describe()));
    }

    [Fact]
    public void What_a_worker_has_counts_against_credits_that_it_takes_back_and_gives_again()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit();
        _rig.Submit();
        _rig.Desk.Subscribe(worker, "work", 0);
        _rig.Turn();
        _rig.Desk.Subscribe(worker, "work", 1);
        _rig.Advance(100);
        Assert.Single(worker.Deliveries);
        Assert.True(_rig.Finish(worker.Last.Id));
        Assert.Equal(2, worker.Deliveries.Count);
    }

    [Fact]
    public void Fewer_credits_than_run_let_nothing_start_until_enough_have_ended()
    {
        var worker = _rig.NewWorker(credits: 3);
        for (int i = 0; i < 6; i++)
            _rig.Submit();
        _rig.Desk.Subscribe(worker, "work", 1);
        _rig.Turn();
        for (int i = 0; i < 2; i++)
        {
            Assert.True(_rig.Finish(worker.Deliveries[i].Id));
            Assert.Equal(3, worker.Deliveries.Count);
        }

        Assert.True(_rig.Finish(worker.Deliveries[2].Id));
        Assert.Equal(4, worker.Deliveries.Count);
    }

    [Fact]
    public void Nothing_starts_while_the_nodes_right_to_start_is_in_doubt()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Gate = GateAnswer.Wait;
        _rig.Submit();
        _rig.Advance(500);
        Assert.Empty(worker.Deliveries);
        _rig.Gate = GateAnswer.Begin;
        _rig.Advance(200);
        Assert.Single(worker.Deliveries);
    }

    [Fact]
    public void What_is_another_nodes_by_now_is_given_back_and_costs_no_attempt()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Gate = GateAnswer.Drop;
        _rig.Submit();
        _rig.Advance(500);
        Assert.Empty(worker.Deliveries);
        _rig.Gate = GateAnswer.Begin;
        _rig.Advance(2000);
        Assert.Equal(1, Assert.Single(worker.Deliveries).Attempt);
    }

    [Fact]
    public void A_failure_is_tried_again_and_a_permanent_one_is_not()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit(attempts: 5);
        Assert.True(_rig.Finish(worker.Last.Id, DeliveryOutcome.Failure, error: "not yet"));
        _rig.Advance(200);
        Assert.Equal(2, worker.Last.Attempt);
        Assert.True(_rig.Finish(worker.Last.Id, DeliveryOutcome.Permanent));
        _rig.Advance(5000);
        Assert.Equal(2, worker.Deliveries.Count);
    }

    [Fact]
    public void A_failure_may_ask_for_a_pause()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit(attempts: 2);
        Assert.True(_rig.Finish(worker.Last.Id, DeliveryOutcome.Failure, retryAfterMs: 3000));
        _rig.Advance(2900);
        Assert.Single(worker.Deliveries);
        _rig.Advance(200);
        Assert.Equal(2, worker.Last.Attempt);
    }

    [Fact]
    public void A_damaged_body_fails_its_task_and_gives_the_place_back()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.DamagesBodies = true;
        for (int i = 0; i < 4; i++)
            _rig.Submit(attempts: 5);
        _rig.Advance(1000);
        Assert.Empty(worker.Deliveries);
        _rig.DamagesBodies = false;
        for (int i = 0; i < 4; i++)
        {
            _rig.Submit();
            Assert.True(_rig.Finish(worker.Last.Id));
        }
    }

    [Fact]
    public async Task A_stop_waits_for_what_runs_and_delivers_nothing_more()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit();
        _rig.Submit();
        var stopped = _rig.Desk.StopAsync(TimeSpan.FromSeconds(10));
        Assert.False(stopped.IsCompleted);
        Assert.True(_rig.Finish(worker.Last.Id));
        _rig.Submit();
        await stopped.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Single(worker.Deliveries);
    }

    [Fact]
    public async Task A_stop_does_not_wait_longer_than_it_may()
    {
        var worker = _rig.NewWorker(credits: 1);
        _rig.Submit(timeoutMs: 0);
        var stopped = _rig.Desk.StopAsync(TimeSpan.FromMilliseconds(500));
        _rig.Clock.Advance(TimeSpan.FromMilliseconds(501));
        await stopped.WaitAsync(TestContext.Current.CancellationToken);
        Assert.False(_rig.Finish(worker.Last.Id));
    }

    [Fact]
    public async Task A_stop_of_an_idle_desk_is_done_at_once() =>
        await _rig.Desk.StopAsync(TimeSpan.FromSeconds(10)).WaitAsync(TestContext.Current.CancellationToken);
}
