using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Engine.Tests.Driving;
using Karya.Engine.Tests.Journal;
using Xunit;

namespace Karya.Engine.Tests.Shards;

/// <summary>A shard learns that somebody else has one of its partitions.</summary>
public sealed class RevokeTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const long Horizon = 20_000;

    private readonly ShardPair _pair = new(horizonMs: Horizon);
    private readonly PlanId _plan = PlanDraft.Plan(1);
    private readonly PlanId _other = PlanDraft.Plan(2);
    private readonly int _partition;

    public RevokeTests()
    {
        _partition = First.PartitionOf(_plan);
        Assert.NotEqual(_partition, First.PartitionOf(_other));
    }

    private ShardDriver First => _pair.First;

    private ShardDriver Second => _pair.Second;

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void Replies_that_wait_for_the_journal_are_unknown_and_those_of_other_partitions_are_kept()
    {
        First.HoldsCommits = true;
        var lost = First.Submit(new PlanDraft(_plan, Now + 100));
        var kept = First.Submit(new PlanDraft(_other, Now + 100));
        First.Settle();
        First.Revoke(_partition);
        First.Settle();
        Assert.Equal((ReplyCode.Unknown, null), (lost.Code, kept.Code));

        First.CommitAll();
        First.Settle();
        Assert.Equal(ReplyCode.Ok, kept.Code);
    }

    [Fact]
    public void A_flush_is_answered_although_what_it_waited_for_is_lost()
    {
        First.HoldsCommits = true;
        First.Submit(new PlanDraft(_plan, Now + 100));
        First.Settle();
        var flushed = new Answer();
        First.Inbox.PostOutcome(new Command { Kind = CommandKind.Flush, ReplyTo = flushed });
        First.Settle();
        _pair.TakeAway(_partition);
        First.CommitAll();
        First.Settle();

        Assert.Equal(ReplyCode.Ok, flushed.Code);
        Assert.Empty(RecordsOf(_partition));
    }

    [Fact]
    public void It_is_not_told_of_as_closed_although_it_was_closing()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        First.Close(_partition, drainMs: 1000);
        First.Step();
        First.Revoke(_partition);
        First.Advance(2000);

        Assert.DoesNotContain(First.Notices, notice => notice.Kind == PartitionNoticeKind.Closed);
        Assert.DoesNotContain(RecordKind.HandedOver, RecordsOf(_partition).Select(r => r.Kind));
    }

    [Fact]
    public void A_partition_that_is_not_here_is_no_trouble()
    {
        Second.Revoke(_partition);
        Second.Close(_partition);
        Second.Settle();

        Assert.Empty(Second.Notices);
    }

    [Fact]
    public void The_end_of_an_attempt_gives_its_place_back_and_goes_to_the_new_owner()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = First.AwaitStart(_plan);
        _pair.HoldsStrays = true;
        _pair.TakeAway(_partition);
        Assert.Equal(1, First.Shard.Status.InFlight);
        First.Succeed(running, [9]);
        _pair.Settle();

        var stray = Assert.Single(_pair.Strays);
        Assert.Equal((byte)9, stray.Payload![0]);
        Assert.Equal(0, First.Shard.Status.InFlight);
    }

    [Fact]
    public void An_attempt_that_nobody_made_gives_its_place_back_and_changes_nothing_at_the_next_owner()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = First.AwaitStart(_plan);
        _pair.AdvanceTo(First.NowMs);
        _pair.TakeAway(_partition);
        _pair.Advance(1);
        int started = Second.Started.Count;
        First.Release(running);
        _pair.Advance(2 * Limits.ReleaseDelayMs);

        Assert.Equal(0, First.Shard.Status.InFlight);
        Assert.Equal(started, Second.Started.Count);
    }

    [Fact]
    public void What_ran_at_an_owner_that_lost_it_is_started_again_at_once()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = First.AwaitStart(_plan);
        _pair.AdvanceTo(First.NowMs);
        _pair.TakeAway(_partition);
        _pair.Advance(1);

        Assert.Equal(running.Attempt, Second.RunningOf(_plan).Attempt);
    }

    [Fact]
    public void A_projection_under_way_changes_nothing_when_it_ends_after_that()
    {
        First.HoldsProjections = true;
        First.SubmitNow(new PlanDraft(_plan, Now + 100));
        First.SubmitNow(new PlanDraft(_other, Now + 100));
        First.ProjectNow();
        Assert.True(First.HoldsProjection);
        _pair.TakeAway(_partition);
        First.WriteProjection();
        First.Settle();

        Assert.False(_pair.Store.Plans.TryGetValue(_plan, out var row) && row.State != PlanState.Created);
        Assert.True(_pair.Store.Plans.ContainsKey(_other));
        Assert.Equal(1, First.Shard.Status.ResidentPlans);
        Assert.Equal(First.Shard.Status.Position, First.Shard.Status.ProjectedPosition);
    }

    [Fact]
    public void A_projection_under_way_takes_nothing_out_of_memory_that_came_back_in_between()
    {
        First.HoldsProjections = Second.HoldsProjections = true;
        First.SubmitNow(new PlanDraft(_plan, Now + 5 * Horizon));
        First.ProjectNow();
        _pair.TakeAway(_partition);
        Second.SubmitNow(new PlanDraft(PlanDraft.Plan(3), Now + 100));
        _pair.TakeAway(_partition);
        Assert.Equal(2, First.Shard.Status.ResidentPlans);
        First.WriteProjection(); // Of the first time.
        First.Settle();
        Assert.Equal(2, First.Shard.Status.ResidentPlans);

        _pair.Advance(100);
        Assert.True(First.IsRunning(PlanDraft.Plan(3)));
    }

    [Fact]
    public void A_partition_that_came_back_is_closed_only_when_its_own_changes_are_projected()
    {
        First.HoldsProjections = Second.HoldsProjections = true;
        First.SubmitNow(new PlanDraft(_plan, Now + 100));
        First.ProjectNow();
        _pair.TakeAway(_partition);
        _pair.TakeAway(_partition);
        First.Close(_partition);
        First.Settle();
        First.WriteProjection(); // Of the first time.
        First.Settle();
        Assert.False(First.HasClosed(_partition));

        First.WriteProjection();
        First.Settle();
        Assert.True(First.HasClosed(_partition));
        Assert.True(_pair.Store.Plans.ContainsKey(_plan));
    }

    [Fact]
    public void A_page_of_the_horizon_that_comes_late_changes_nothing()
    {
        _pair.TakeAway(_partition);
        Second.SubmitNow(new PlanDraft(_plan, Now + 100));
        Second.ProjectNow();
        First.HoldsLoads = true;
        _pair.TakeAway(_partition);
        Assert.Equal(1, First.HeldPageCount);
        _pair.TakeAway(_partition);
        First.DeliverPage();
        First.Advance(200);

        Assert.Empty(First.Started);
        Assert.Equal(0, First.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_page_of_the_horizon_does_not_bring_back_what_was_so_before_the_partition_went_and_returned()
    {
        _pair.TakeAway(_partition);
        Second.SubmitNow(new PlanDraft(_plan, Now + 100));
        Second.ProjectNow();
        First.HoldsLoads = true;
        _pair.TakeAway(_partition);
        _pair.TakeAway(_partition);
        Second.CancelNow(_plan);
        Second.ProjectNow();
        _pair.TakeAway(_partition);
        Assert.Equal(2, First.HeldPageCount);
        First.DeliverPage();
        First.DeliverPage();
        _pair.Advance(200);

        Assert.Empty(First.Started);
    }

    [Fact]
    public void A_late_failure_of_the_horizon_is_not_taken_for_that_of_the_next_grant()
    {
        Second.HoldsLoads = true;
        Second.LoadFailures = 1;
        _pair.TakeAway(_partition);
        _pair.TakeAway(_partition);
        First.SubmitNow(new PlanDraft(_plan, Now + 100));
        _pair.TakeAway(_partition);
        Second.DeliverPage();
        Second.DeliverPage();
        Second.Advance(5000);

        Assert.Equal(0, Second.HeldPageCount);
        Assert.True(Second.IsRunning(_plan));
    }

    [Fact]
    public void A_window_of_a_granted_partition_that_could_not_be_read_is_asked_for_again()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 3000));
        First.ProjectNow();
        Second.LoadFailures = 2;
        _pair.Move(_partition);
        _pair.AdvanceTo(Now + 3000);

        Assert.True(Second.IsRunning(_plan));
    }

    [Fact]
    public void A_command_that_waits_for_its_plan_is_not_done_and_the_page_that_comes_late_changes_nothing()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 5 * Horizon));
        First.ProjectNow();
        First.HoldsLoads = true;
        var answer = First.Cancel(_plan);
        First.Settle();
        _pair.TakeAway(_partition);
        Assert.Equal(ReplyCode.NotOwner, answer.Code);

        First.DeliverPage();
        First.Settle();
        Assert.Equal(0, First.Shard.Status.ResidentPlans);
        Assert.Equal(PlanState.Created, Second.StateOf(_plan));
    }

    [Fact]
    public void A_command_does_not_take_the_page_that_was_asked_for_before_the_partition_went_and_returned()
    {
        First.SubmitNow(new PlanDraft(_plan, Now + 5 * Horizon));
        First.ProjectNow();
        First.HoldsLoads = true;
        First.Update(_plan, PlanUpdate.Attempts, attempts: 2);
        First.Settle();
        _pair.TakeAway(_partition);
        Second.Update(_plan, PlanUpdate.Attempts, attempts: 3);
        Second.Settle();
        Second.ProjectNow();
        _pair.TakeAway(_partition);
        var answer = First.Update(_plan, PlanUpdate.Period, periodMs: 1000);
        First.Settle();
        First.DeliverPage(); // Of the first time: the plan as it was.
        First.Settle();
        Assert.Null(answer.Code);

        First.HoldsLoads = false;
        First.DeliverPage();
        First.Step();
        First.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(3, First.MemoOf(_plan).Spec.AttemptsMax);
    }

    [Fact]
    public void Tasks_that_wait_for_a_place_go_and_give_none_away()
    {
        using var pair = new ShardPair(laneInFlightMax: 1);
        for (int i = 0; i < 5; i++)
            pair.First.SubmitNow(new PlanDraft(PlanDraft.Plan(1 + 2 * i), Now + 10));
        pair.Advance(100);
        Assert.Equal(4, pair.First.Shard.Status.Ready);
        var running = pair.First.Running[0];
        pair.First.Revoke(_partition);
        pair.First.Settle();
        pair.HoldsStrays = true;
        pair.First.Succeed(running);
        pair.First.Settle();

        Assert.Single(pair.First.Started);
        Assert.Equal(0, pair.First.Shard.Status.Ready);
        Assert.Equal(0, pair.First.Shard.Status.InFlight);
        Assert.Equal(0, pair.First.Shard.Tables.Tasks.Count);
    }

    [Fact]
    public void A_partition_that_is_lost_and_granted_again_in_one_turn_leaves_no_record_of_the_time_between()
    {
        First.HoldsProjections = true;
        First.SubmitNow(new PlanDraft(_plan, Now + 10));
        First.AwaitStart(_plan);
        First.CancelNow(_plan);
        _pair.AdvanceTo(First.NowMs);
        First.Revoke(_partition);
        Second.Grant(_partition); // Ends the attempt of the cancelled plan, by a record.
        Second.Revoke(_partition);
        Second.Grant(_partition); // Ends it once more: of the first time, nothing is stored.
        Second.Settle();
        Second.SubmitNow(new PlanDraft(PlanDraft.Plan(3), Now + 10_000));

        long[] sequences = [.. RecordsOf(_partition).Select(r => r.Sequence)];
        Assert.Equal(Enumerable.Range(1, sequences.Length).Select(n => (long)n), sequences);
        Assert.Equal(PlanTaskState.Cancelled, Second.EndOf(_plan));
    }

    private IEnumerable<RecordCopy> RecordsOf(int partition) =>
        _pair.Store.JournalRows.SelectMany(row => Records.Read(row)).Where(r => r.Partition == partition);
}
