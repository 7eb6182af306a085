using Karya.Engine.Journal;
using Karya.Engine.Tests.Driving;
using Karya.Engine.Tests.Journal;
using Xunit;

namespace Karya.Engine.Tests.Shards;

/// <summary>Attempts that run at one owner while the next one has their partition.</summary>
public sealed class HandedOverTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const long AwayMs = 10_000;

    private readonly ShardPair _pair = new(laneInFlightMax: 1);
    private readonly PlanId _plan = PlanDraft.Plan(1);
    private readonly int _partition;

    public HandedOverTests() => _partition = First.PartitionOf(_plan);

    private ShardDriver First => _pair.First;

    private ShardDriver Second => _pair.Second;

    public void Dispose() => _pair.Dispose();

    [Fact]
    public void The_next_owner_does_not_start_it_again_while_its_end_is_waited_for()
    {
        MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.Advance(AwayMs - 1);

        Assert.Empty(Second.Started);
    }

    [Fact]
    public void It_is_started_again_with_the_same_number_when_its_end_has_not_come()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Attempts = 3 });
        _pair.Advance(AwayMs);
        var again = Second.RunningOf(_plan);
        Assert.Equal(running.Attempt, again.Attempt);

        Second.Succeed(again);
        _pair.Settle();
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
    }

    [Fact]
    public void Its_success_counts_at_the_next_owner()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        var answer = First.Succeed(running, [1, 2, 3]);
        _pair.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
        Assert.Equal([1, 2, 3], _pair.Store.Results[running.Key]);

        _pair.Advance(2 * AwayMs);
        Assert.Empty(Second.Started);
    }

    /// <summary>The lease may have run out, and what is known here be old. Seed 1795817251174 of Swarm.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)] // And the page with its plan is on its way.
    public void Its_end_is_not_judged_by_a_next_owner_that_may_have_lost_the_partition(bool isPageUnderWay)
    {
        var (running, answer) = (Start(new PlanDraft(_plan, Now + 10)), new Answer());
        First.Close(_partition, awayMs: AwayMs);
        First.ProjectNow();
        Second.HoldsLoads = isPageUnderWay;
        _pair.Grant(Second, _partition);
        Second.Settle();
        First.PostOutcome(running, CommandKind.AttemptSucceeded, null, false, 0);
        First.Settle();
        var end = Assert.Single(First.Strays) with { ReplyTo = answer };
        First.Strays.Clear();
        First.Running.Clear();

        Second.Shard.HoldFiring(!isPageUnderWay);
        Second.Inbox.PostOutcome(end);
        Second.Step();
        Second.Shard.HoldFiring(true);
        Second.HoldsLoads = false;
        while (Second.HeldPageCount > 0)
            Second.DeliverPage();
        Second.Settle();
        Assert.Null(answer.Code);
        Assert.Equal(end.Key, Assert.Single(Second.Strays).Key);
        Second.Strays.Clear();

        Second.Shard.HoldFiring(false);
        Second.Inbox.PostOutcome(end);
        Second.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
    }

    [Fact]
    public void That_it_was_given_back_is_answered_at_the_next_owner()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        First.Running.Clear();
        var answer = First.PostOutcome(running, CommandKind.AttemptReleased, null, false, 0);
        _pair.Settle();

        Assert.Equal(ReplyCode.Ok, answer.Code);
    }

    [Fact]
    public void Its_failure_is_tried_again_at_the_next_owner_when_the_retry_is_due()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Attempts = 2, RetryDelayMs = 500 });
        First.Fail(running);
        _pair.Settle();
        long dueMs = Assert.Single(Second.OpenOf(_plan)).AttemptDueMs;
        _pair.AdvanceTo(dueMs - 1);
        Assert.Empty(Second.Started);

        _pair.AdvanceTo(dueMs);
        Assert.Equal(2, Second.RunningOf(_plan).Attempt);
    }

    [Fact]
    public void Its_last_failure_runs_the_hooks_at_the_next_owner()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Hooks = [PlanDraft.OnFailure()] });
        First.Fail(running, error: "Gone.");
        _pair.Advance(1);

        Assert.True(Second.IsRunning(_plan, hook: 1));
        Assert.Equal(PlanTaskState.Failure, Second.EndOf(_plan));
        Assert.Equal("Gone.", _pair.Store.Errors[(running.Key, 1)]);
    }

    [Fact]
    public void Its_end_counts_although_the_next_owner_has_not_read_the_plan_yet()
    {
        Second.HoldsLoads = true;
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        Assert.Equal(0, Second.Shard.Status.ResidentPlans);
        var answer = First.Succeed(running);
        _pair.Settle();
        Second.HoldsLoads = false;
        Second.Step();
        _pair.Advance(2 * AwayMs);

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Empty(Second.Started);
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
    }

    [Fact]
    public void An_end_that_waits_for_its_plan_goes_on_to_whoever_is_granted_the_partition_next()
    {
        Second.HoldsLoads = true;
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        var answer = First.Succeed(running, [7]);
        _pair.Settle();
        _pair.HoldsStrays = true;
        _pair.Move(_partition);
        Assert.Single(_pair.Strays);
        _pair.HoldsStrays = false;
        _pair.Settle();

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanTaskState.Success, First.EndOf(_plan));
        Assert.Equal([7], _pair.Store.Results[running.Key]);
    }

    [Fact]
    public void An_end_of_which_the_plan_could_not_be_read_comes_again()
    {
        Second.LoadFailures = 2; // The window, and then the plan.
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        var answer = First.Succeed(running);
        _pair.Settle();

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
    }

    [Fact]
    public void An_end_that_comes_while_the_task_waits_for_a_place_to_start_again_is_its_end()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        var other = OccupyTheLane();
        _pair.Advance(AwayMs);
        Assert.Equal(1, Second.Shard.Status.Ready);
        First.Succeed(running);
        _pair.Settle();
        Second.Succeed(other);
        _pair.Advance(2 * AwayMs);

        Assert.False(Second.IsRunning(_plan));
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
        Assert.Equal(0, Second.Shard.Status.InFlight);
    }

    [Fact]
    public void A_failure_that_comes_while_the_task_waits_for_a_place_is_not_tried_again_before_the_retry_is_due()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Attempts = 2, RetryDelayMs = 5000 });
        var other = OccupyTheLane();
        _pair.Advance(AwayMs);
        First.Fail(running);
        _pair.Settle();
        long dueMs = Assert.Single(Second.OpenOf(_plan)).AttemptDueMs;
        Second.Succeed(other);
        _pair.AdvanceTo(dueMs - 1);
        Assert.False(Second.IsRunning(_plan));

        _pair.AdvanceTo(dueMs);
        Assert.Equal(2, Second.RunningOf(_plan).Attempt);
        Assert.Equal(1, Second.Shard.Status.InFlight);
    }

    [Fact]
    public void A_retry_that_falls_due_while_its_task_still_waits_for_the_old_place_starts_once()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Attempts = 2, RetryDelayMs = 500 });
        var other = OccupyTheLane();
        _pair.Advance(AwayMs);
        First.Fail(running);
        _pair.Advance(5000); // The retry is due, and the task is in the queue already.
        Assert.Equal(1, Second.Shard.Status.Ready);
        Second.Succeed(other);
        _pair.Settle();
        Second.Succeed(Second.RunningOf(_plan));
        _pair.Advance(AwayMs);

        Assert.Equal(2, Second.Started.Count);
        Assert.Equal(0, Second.Shard.Status.Ready);
        Assert.Equal(0, Second.Shard.Status.InFlight);
        Assert.Equal(PlanTaskState.Success, Second.EndOf(_plan));
    }

    [Fact]
    public void A_late_end_ends_the_attempt_that_was_started_again_and_the_second_end_changes_nothing()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.Advance(AwayMs);
        var again = Second.RunningOf(_plan);
        var first = First.Succeed(running);
        _pair.Settle();
        var second = Second.Succeed(again);
        _pair.Settle();

        Assert.Equal((ReplyCode.Ok, ReplyCode.WrongState), (first.Code, second.Code));
        Assert.Equal(0, Second.Shard.Status.InFlight);
    }

    [Fact]
    public void An_attempt_that_two_owners_ended_does_not_hold_up_the_next_close()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.Advance(AwayMs);
        First.Succeed(running);
        _pair.Settle();
        Second.Succeed(Second.RunningOf(_plan));
        _pair.Settle();
        Second.Close(_partition, drainMs: 60_000);
        Second.Settle();

        Assert.True(Second.HasClosed(_partition));
    }

    [Fact]
    public void A_plan_that_is_cancelled_while_its_attempt_is_away_ends_with_that()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Attempts = 5, PeriodMs = 1000 });
        Second.CancelNow(_plan);
        First.Fail(running);
        _pair.Advance(2 * AwayMs);

        Assert.Empty(Second.Started);
        Assert.Equal(PlanTaskState.Cancelled, Second.EndOf(_plan));
        Assert.Equal(PlanState.Cancelled, Second.StateOf(_plan));
    }

    [Fact]
    public void A_plan_that_is_cancelled_while_its_attempt_is_away_and_never_heard_of_again_ends_all_the_same()
    {
        MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        Second.CancelNow(_plan);
        _pair.Advance(AwayMs - 1);
        Assert.Null(Second.EndOf(_plan));

        _pair.Advance(1);
        Assert.Empty(Second.Started);
        Assert.Equal(PlanTaskState.Cancelled, Second.EndOf(_plan));
        Assert.Equal(0, Second.Shard.Status.InFlight);
    }

    [Fact]
    public void A_cancel_does_not_tell_this_owners_workers_to_stop_what_runs_elsewhere()
    {
        First.SetCredits(1, 10);
        MoveWhileRunning(new PlanDraft(_plan, Now + 10) { IsPulled = true });
        Second.CancelNow(_plan);

        Assert.Empty(Second.Revoked);
    }

    [Fact]
    public void A_partition_that_is_handed_on_again_still_waits_for_the_same_instant()
    {
        MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        long untilMs = _pair.NowMs + AwayMs;
        _pair.Advance(AwayMs / 2);
        _pair.Move(_partition, awayMs: 10 * AwayMs);
        _pair.Move(_partition, awayMs: 10 * AwayMs);
        _pair.AdvanceTo(untilMs - 1);
        Assert.Empty(Second.Started);

        _pair.AdvanceTo(untilMs);
        Assert.Equal(1, Second.RunningOf(_plan).Attempt);
    }

    [Fact]
    public void An_attempt_that_is_still_running_where_its_partition_comes_back_to_ends_there()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.Move(_partition);
        var answer = First.Succeed(running);
        _pair.Settle();

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(PlanTaskState.Success, First.EndOf(_plan));
        Assert.Equal(0, First.Shard.Status.InFlight);
    }

    [Fact]
    public void An_attempt_that_is_given_back_where_its_partition_came_back_to_is_made_again_once()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.Move(_partition);
        First.Release(running);
        _pair.Advance(Limits.ReleaseDelayMs);
        First.Succeed(First.RunningOf(_plan));
        _pair.Advance(2 * AwayMs);

        Assert.Equal(2, First.Started.Count);
        Assert.Equal(0, First.Shard.Status.InFlight);
    }

    [Fact]
    public void An_attempt_that_is_given_back_while_it_waits_to_start_again_is_made_again_once()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.Move(_partition);
        var other = PlanDraft.Plan(2);
        First.SubmitNow(new PlanDraft(other, _pair.NowMs));
        _pair.Advance(AwayMs);
        Assert.Equal(2, First.Shard.Status.Ready); // Its own place is taken by the attempt that is away.
        First.Release(running);
        First.Step();
        foreach (var attempt in First.Running.ToArray())
            First.Succeed(attempt);
        First.RunAndSucceed(_pair.NowMs + AwayMs);

        Assert.Equal(2, First.Started.Count(d => d.Key == running.Key));
        Assert.Equal(0, First.Shard.Status.Ready);
        Assert.Equal(0, First.Shard.Status.InFlight);
    }

    [Fact]
    public void An_end_that_comes_to_the_old_owner_gives_the_place_back_and_is_passed_on_with_its_payload()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        Assert.Equal(1, First.Shard.Status.InFlight);
        _pair.HoldsStrays = true;
        First.Succeed(running, [4, 5, 6]);
        _pair.Settle();

        var stray = Assert.Single(_pair.Strays);
        Assert.Equal((CommandKind.AttemptSucceeded, running.Key, 1), (stray.Kind, stray.Key, stray.Attempt));
        Assert.Equal([4, 5, 6], stray.Payload.AsSpan(0, stray.PayloadBytes).ToArray());
        Assert.Equal(0, First.Shard.Status.InFlight);
    }

    [Fact]
    public void An_attempt_that_nobody_made_is_made_by_the_next_owner_at_once()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        First.Release(running);
        _pair.Settle();
        Assert.Equal(0, First.Shard.Status.InFlight);
        _pair.Advance(Limits.ReleaseDelayMs);

        Assert.Equal(running.Attempt, Second.RunningOf(_plan).Attempt);
    }

    [Fact]
    public void An_end_that_comes_back_with_the_partition_gives_its_place_back_only_once()
    {
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10));
        _pair.HoldsStrays = true;
        var answer = First.Succeed(running);
        _pair.Settle();
        _pair.Move(_partition);
        _pair.HoldsStrays = false;
        _pair.Settle(); // It is carried to where it came from.

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Equal(0, First.Shard.Status.InFlight);
        Assert.Equal(PlanTaskState.Success, First.EndOf(_plan));
    }

    [Fact]
    public void The_journal_says_the_same_of_it_as_memory()
    {
        Second.HoldsProjections = true;
        var running = MoveWhileRunning(new PlanDraft(_plan, Now + 10) { Attempts = 2 });
        First.Fail(running);
        _pair.Settle();
        Assert.Contains(
            RecordKind.HandedOver, _pair.Store.JournalRows.SelectMany(row => Records.Read(row)).Select(r => r.Kind));
        using var replica = Second.ReplayJournal();
        var live = new ByteWriter();
        var replayed = new ByteWriter();
        Second.Shard.WriteSnapshot(_partition, live);
        replica.WriteSnapshot(_partition, replayed);

        Assert.Equal(live.WrittenSpan.ToArray(), replayed.WrittenSpan.ToArray());
    }

    /// <summary>Moves the partition to the second one while the plan's first attempt runs at the first one.</summary>
    private Dispatch Start(PlanDraft draft)
    {
        First.SubmitNow(draft);
        var running = First.AwaitStart(draft.Id);
        _pair.AdvanceTo(First.NowMs);
        return running;
    }

    private Dispatch MoveWhileRunning(PlanDraft draft)
    {
        var running = Start(draft);
        _pair.Move(_partition, awayMs: AwayMs);
        return running;
    }

    /// <summary>Lets another plan of the same partition take the only place of the lane at the second one.</summary>
    private Dispatch OccupyTheLane()
    {
        var other = PlanDraft.Plan(3);
        Second.SubmitNow(new PlanDraft(other, _pair.NowMs));
        _pair.Advance(10);
        return Second.RunningOf(other);
    }
}
