using System.Buffers;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Engine.Tests.Driving;
using Karya.Engine.Tests.Journal;
using Xunit;

namespace Karya.Engine.Tests.Shards;

public sealed class OwnershipTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const long Horizon = 20_000;

    private readonly ShardPair _pair = new(horizonMs: Horizon);
    private readonly PlanId _plan = PlanDraft.Plan(1);
    private readonly int _partition;

    public OwnershipTests() => _partition = First.PartitionOf(_plan);

    private ShardDriver First => _pair.First;

    private ShardDriver Second => _pair.Second;

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void A_granted_partition_is_told_of_once_and_takes_requests()
    {
        _pair.Move(_partition);
        Assert.Equal(
            [new PartitionNotice(PartitionNoticeKind.Opened, _partition, _pair.Store.Epochs[_partition])],
            Second.Notices);

        Second.SubmitNow(new PlanDraft(_plan, Now + 100));
    }

    [Fact]
    public void A_granted_partition_fires_what_is_overdue()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 100));
        First.ProjectNow();
        First.Shard.HoldFiring(true);
        _pair.Advance(5000);
        _pair.Move(_partition);
        _pair.Advance(1);

        Assert.True(Second.IsRunning(_plan));
    }

    [Fact]
    public void A_granted_partition_fires_on_time_what_is_within_the_horizon()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + Horizon));
        First.ProjectNow();
        _pair.Move(_partition);
        _pair.AdvanceTo(Now + Horizon - 1);
        Assert.Empty(Second.Started);

        _pair.Advance(1);
        Assert.Equal(_pair.NowMs, Second.RunningOf(_plan).StartedMs);
    }

    [Fact]
    public void A_granted_partition_fires_on_time_what_lies_beyond_the_horizon_of_the_grant()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10 * Horizon));
        _pair.Move(_partition);
        Assert.Equal(0, Second.Shard.Status.ResidentPlans);

        _pair.AdvanceTo(Now + 10 * Horizon);
        Assert.Equal(_pair.NowMs, Second.RunningOf(_plan).StartedMs);
    }

    [Fact]
    public void A_granted_partition_fires_what_the_journal_has_beyond_the_tables()
    {
        First.HoldsProjections = true;
        First.SubmitNow(new PlanDraft(_plan, Now + 1000));
        Assert.Empty(_pair.Store.Plans);
        _pair.TakeAway(_partition);
        _pair.AdvanceTo(Now + 1000);

        Assert.Equal(_pair.NowMs, Second.RunningOf(_plan).StartedMs);
    }

    [Fact]
    public void A_granted_partition_has_the_plans_of_the_tables_that_the_journal_changed()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 1000) { Attempts = 1 });
        First.ProjectNow();
        First.HoldsProjections = true;
        First.Update(_plan, PlanUpdate.Attempts, attempts: 7);
        First.Settle();
        _pair.TakeAway(_partition);
        _pair.AdvanceTo(Now + 1000);

        Assert.Equal(7, Second.RunningOf(_plan).AttemptsMax);
    }

    [Fact]
    public void Other_partitions_fire_on_while_one_is_granted_away()
    {
        var other = PlanDraft.Plan(2);
        First.SubmitNow(new PlanDraft(other, Now + 10) { PeriodMs = 10 });
        _pair.Advance(5);
        _pair.Move(_partition);
        _pair.Advance(15);

        Assert.True(First.IsRunning(other));
        Assert.True(First.IsRunning(other, 2));
    }

    [Fact]
    public void A_request_before_the_grant_is_answered_as_not_owner()
    {
        var answer = Second.Submit(new PlanDraft(_plan, Now + 100));
        Second.Settle();

        Assert.Equal(ReplyCode.NotOwner, answer.Code);
    }

    [Fact]
    public void A_request_after_the_close_is_answered_as_not_owner()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 1000);
        First.Step();
        var answer = First.Cancel(_plan);
        First.Step();

        Assert.Equal(ReplyCode.NotOwner, answer.Code);
    }

    [Fact]
    public void Requests_that_may_be_passed_on_come_out_again_with_what_they_carry_and_are_not_answered()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10 * Horizon));
        First.ProjectNow();
        First.HoldsLoads = true;
        var waiting = new Answer();
        First.Inbox.TryPost(Cancel(waiting)); // The plan is not in memory.
        First.Step();
        First.Close(_partition, drainMs: 1000);
        First.Step();
        var closing = new Answer();
        First.Inbox.TryPost(Cancel(closing));
        First.Settle();
        var gone = new Answer();
        byte[] payload = ArrayPool<byte>.Shared.Rent(16);
        First.Inbox.TryPost(Cancel(gone) with { Payload = payload, PayloadBytes = 3 });
        First.Settle();

        Assert.Equal([waiting, closing, gone], First.Strays.Select(stray => stray.ReplyTo));
        Assert.Same(payload, First.Strays[2].Payload);
        Assert.All([waiting, closing, gone], answer => Assert.Null(answer.Code));
        First.Strays.Clear();

        Command Cancel(IReplyTarget target) => new()
        {
            Kind = CommandKind.Cancel,
            Partition = _partition,
            Key = new TaskKey(_plan, 0, 0),
            AtMs = Now,
            ReplyTo = target,
            MayPassOn = true,
        };
    }

    [Fact]
    public void A_request_that_waits_for_a_plan_when_its_partition_closes_is_answered_as_not_owner()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10 * Horizon));
        First.ProjectNow();
        First.HoldsLoads = true;
        var answer = First.Cancel(_plan);
        First.Settle();
        First.Close(_partition);
        First.Settle();
        Assert.True(First.HasClosed(_partition));
        Assert.Equal(ReplyCode.NotOwner, answer.Code);

        First.DeliverPage();
        First.Settle();
        Assert.Equal(0, First.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void What_was_acknowledged_before_the_close_is_in_the_tables_when_it_is_closed()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 100));
        First.Close(_partition);
        First.Settle();

        Assert.True(First.HasClosed(_partition));
        Assert.True(_pair.Store.Plans.ContainsKey(_plan));
        Assert.Equal(0, First.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_partition_is_not_closed_before_everything_of_it_is_projected()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 100));
        First.HoldsProjections = true;
        First.Close(_partition);
        First.Settle();
        First.Advance(10_000);
        Assert.False(First.HasClosed(_partition));

        First.WriteProjection();
        First.Settle();
        Assert.True(First.HasClosed(_partition));
    }

    [Fact]
    public void A_change_made_during_a_projection_is_projected_too_before_the_partition_is_closed()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10_000));
        First.HoldsProjections = true;
        First.ProjectNow();
        First.Update(_plan, PlanUpdate.Attempts, attempts: 3);
        First.Settle();
        First.Close(_partition);
        First.Settle();
        First.WriteProjection();
        First.Settle();
        Assert.False(First.HasClosed(_partition));

        First.WriteProjection();
        First.Settle();
        Assert.True(First.HasClosed(_partition));
        Assert.Equal(3, PlanMemo.Read(_pair.Store.Plans[_plan].Memo).Spec.AttemptsMax);
    }

    [Fact]
    public void A_partition_of_which_nothing_has_to_be_written_is_closed_at_once()
    {
        First.Close(_partition, drainMs: 10_000);
        First.Step();

        Assert.True(First.HasClosed(_partition));
    }

    [Fact]
    public void A_partition_that_is_closed_twice_is_told_of_once()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 1000);
        First.Close(_partition, drainMs: 1000);
        First.Advance(2000);

        Assert.Single(First.Notices, notice => notice.Kind == PartitionNoticeKind.Closed);
    }

    [Fact]
    public void A_second_close_that_comes_late_does_not_take_away_what_was_granted_in_between()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 1000, awayMs: 5000);
        First.Close(_partition, drainMs: 2000, awayMs: 5000);
        First.AdvanceTo(Now + 1500);
        Assert.True(First.HasClosed(_partition));
        First.Grant(_partition);
        First.AdvanceTo(Now + 3000);

        Assert.True(First.Shard.Owns(_partition));
        Assert.Equal(1, First.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void Nothing_starts_in_a_partition_that_is_closing()
    {
        var other = PlanDraft.Plan(3);
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.SubmitNow(new PlanDraft(other, Now + 500));
        Assert.Equal(_partition, First.PartitionOf(other));
        First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 1000);
        First.Advance(900);
        Assert.Single(First.Started);

        First.Advance(1000);
        Assert.True(First.HasClosed(_partition));
        Assert.Equal(0, First.Shard.Status.Scheduled);
        Assert.Equal(0, First.Shard.Status.Ready);
    }

    [Fact]
    public void What_waited_for_a_place_while_its_partition_closed_starts_at_the_next_owner()
    {
        using var pair = new ShardPair(laneInFlightMax: 1);
        var waiting = PlanDraft.Plan(3);
        pair.First.SubmitNow(new PlanDraft(_plan, Now + 10));
        pair.First.SubmitNow(new PlanDraft(waiting, Now + 20));
        pair.Advance(100);
        Assert.Equal(1, pair.First.Shard.Status.Ready);
        var running = pair.First.RunningOf(_plan);
        pair.First.Close(_partition, drainMs: 1000);
        pair.First.Settle();
        pair.First.Succeed(running);
        pair.Settle();
        Assert.True(pair.First.HasClosed(_partition));
        Assert.Equal(0, pair.First.Shard.Status.Ready);

        pair.Grant(pair.Second, _partition);
        pair.Advance(1);
        Assert.True(pair.Second.IsRunning(waiting));
    }

    [Fact]
    public void Running_attempts_may_end_until_the_drain_instant()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 1000);
        First.Advance(999);
        Assert.False(First.HasClosed(_partition));
        var answer = First.Succeed(running);
        First.Settle();

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.True(First.HasClosed(_partition));
        Assert.Equal(PlanTaskState.Success, _pair.Store.Tasks[running.Key].State);
        Assert.DoesNotContain(RecordKind.HandedOver, JournalKinds());
    }

    [Fact]
    public void What_still_runs_at_the_drain_instant_is_handed_over_and_not_before()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        long closedMs = First.NowMs;
        First.Close(_partition, drainMs: 1000, awayMs: 7000);
        First.Advance(999);
        Assert.DoesNotContain(RecordKind.HandedOver, JournalKinds());

        First.Advance(1);
        var record = Assert.Single(JournalRecords(), r => r.Kind == RecordKind.HandedOver);
        Assert.Equal((new TaskKey(_plan, 1, 0), 1, closedMs + 7000), (record.Key, record.Attempt, record.DueMs));
        Assert.True(First.HasClosed(_partition));
    }

    [Fact]
    public void An_end_that_comes_after_the_hand_over_and_before_the_partition_is_closed_counts_here()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = First.AwaitStart(_plan);
        First.HoldsProjections = true;
        First.Close(_partition);
        First.Settle();
        Assert.Contains(RecordKind.HandedOver, JournalKinds());
        var answer = First.Succeed(running);
        First.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
        First.HoldsProjections = false;
        First.ProjectNow();

        Assert.True(First.HasClosed(_partition));
        Assert.Empty(First.Strays);
        Assert.Equal(PlanState.Completed, _pair.Store.Plans[_plan].State);
    }

    [Fact]
    public void An_attempt_that_was_given_back_keeps_nothing_open()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 10_000);
        First.Step();
        First.Release(running);
        First.Settle();

        Assert.True(First.HasClosed(_partition));
    }

    [Fact]
    public void Other_partitions_take_requests_and_fire_while_one_closes()
    {
        var other = PlanDraft.Plan(2);
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 10_000);
        First.SubmitNow(new PlanDraft(other, First.NowMs + 10));
        First.Advance(10);

        Assert.True(First.IsRunning(other));
    }

    private IEnumerable<RecordCopy> JournalRecords() =>
        _pair.Store.JournalRows.SelectMany(row => Records.Read(row)).Where(r => r.Partition == _partition);

    private IEnumerable<RecordKind> JournalKinds() => JournalRecords().Select(r => r.Kind);
}
