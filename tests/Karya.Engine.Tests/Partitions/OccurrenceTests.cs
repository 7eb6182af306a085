using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class OccurrenceTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_plan_starts_at_its_due_instant_and_not_before()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000));

        _driver.AdvanceTo(Now + 999);
        Assert.Empty(_driver.Started);

        _driver.AdvanceTo(Now + 1000);
        Assert.Equal(new TaskKey(_plan, 1, 0), Assert.Single(_driver.Started).Key);
    }

    [Fact]
    public void A_dispatch_carries_the_body_the_attempt_and_all_instants()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { Attempts = 3, Lane = 77, Body = [9, 8, 7] });
        _driver.Advance(10);

        var dispatch = Assert.Single(_driver.Running);
        Assert.Equal([9, 8, 7], dispatch.Body.AsSpan(0, dispatch.BodyBytes).ToArray());
        Assert.Equal((1, 3, 77u), (dispatch.Attempt, dispatch.AttemptsMax, dispatch.Lane));
        Assert.Equal((Now + 10, Now + 10, Now + 10), (dispatch.DueMs, dispatch.AttemptDueMs, dispatch.StartedMs));
    }

    [Fact]
    public void A_plan_due_in_the_past_starts_at_once_however_late()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now - 1_000_000));
        _driver.Advance(1);

        Assert.True(_driver.IsRunning(_plan));
    }

    [Fact]
    public void A_plan_goes_from_created_over_running_to_completed()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        Assert.Equal(PlanState.Created, _driver.StateOf(_plan));

        _driver.Advance(10);
        Assert.Equal(PlanState.Running, _driver.StateOf(_plan));

        _driver.Succeed(_driver.RunningOf(_plan));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void An_ended_task_is_a_row_of_history()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        _driver.Advance(10);
        _driver.Advance(5);
        _driver.Succeed(_driver.RunningOf(_plan));
        _driver.ProjectNow();

        var row = _driver.Store.Tasks[new TaskKey(_plan, 1, 0)];
        Assert.Equal(PlanTaskState.Success, row.State);
        Assert.Equal((Now, Now + 10, Now + 10, Now + 15), (row.CreatedMs, row.DueMs, row.StartedMs, row.FinishedMs));
        Assert.Equal((1, 1L), (row.Attempts, row.OccurrenceTo));
    }

    [Fact]
    public void The_next_occurrence_comes_into_being_when_the_one_before_starts()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100) { PeriodMs = 50 });
        Assert.Equal([1L], _driver.OpenOf(_plan).Select(t => t.Occurrence));

        _driver.Advance(100);

        Assert.Equal(
            [(1L, PlanTaskState.Processing, Now + 100), (2L, PlanTaskState.Created, Now + 150)],
            _driver.OpenOf(_plan).Select(t => (t.Occurrence, t.State, t.DueMs)));
    }

    [Fact]
    public void Occurrences_overlap_when_one_runs_longer_than_the_period()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { PeriodMs = 10 });
        _driver.Advance(30);

        Assert.Equal([1L, 2L, 3L], _driver.Running.Select(d => d.Key.Occurrence));
    }

    [Theory]
    [InlineData(-1, 2)]
    [InlineData(0, 3)]
    [InlineData(1, 3)]
    public void The_end_bounds_occurrences_to_the_millisecond(int offsetMs, int expected)
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100) { PeriodMs = 100, EndMs = Now + 300 + offsetMs });
        _driver.RunAndSucceed(Now + 2000);

        Assert.Equal(expected, _driver.Started.Count);
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_plan_whose_end_lies_before_its_first_occurrence_runs_once()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 100) { PeriodMs = 100, EndMs = Now + 50 });
        _driver.RunAndSucceed(Now + 1000);

        Assert.Single(_driver.Started);
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_bounded_plan_completes_only_when_every_occurrence_has_ended()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { PeriodMs = 10, EndMs = Now + 20 });
        _driver.Advance(20);
        _driver.Succeed(_driver.RunningOf(_plan, 2));
        Assert.Equal(PlanState.Running, _driver.StateOf(_plan));

        _driver.Succeed(_driver.RunningOf(_plan, 1));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void Ten_thousand_occurrences_of_random_lateness_do_not_drift()
    {
        var random = new Random(42);
        _driver.SubmitNow(new PlanDraft(_plan, Now + 500) { PeriodMs = 997 });
        for (int i = 0; i < 10_000; i++)
        {
            long dueMs = Now + 500 + i * 997L;
            _driver.Settle();
            _driver.Sleep(Math.Max(0, dueMs - _driver.NowMs) + random.Next(900));
            _driver.Settle();
            var attempt = _driver.RunningOf(_plan, i + 1);
            Assert.Equal(dueMs, attempt.DueMs);
            _driver.Succeed(attempt);
        }
    }

    [Fact]
    public void The_same_plan_id_is_accepted_once()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        var second = _driver.Submit(new PlanDraft(_plan, Now + 20));
        _driver.Settle();

        Assert.Equal(ReplyCode.AlreadyExists, second.Code);
        _driver.RunAndSucceed(Now + 100);
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void A_submit_is_answered_when_it_is_durable_and_not_before()
    {
        _driver.HoldsCommits = true;
        var answer = _driver.Submit(new PlanDraft(_plan, Now + 10));
        _driver.Advance(5);
        Assert.Null(answer.Code);

        _driver.CommitAll();
        _driver.Settle();
        Assert.Equal(ReplyCode.Ok, answer.Code);
    }

    [Fact]
    public void A_task_does_not_start_before_the_record_that_made_it_is_durable()
    {
        _driver.HoldsCommits = true;
        _driver.Submit(new PlanDraft(_plan, Now + 10));
        _driver.Advance(500);
        Assert.Empty(_driver.Started);

        _driver.CommitAll();
        _driver.Advance(2);
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void The_next_occurrence_waits_until_the_start_that_made_it_is_durable()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { PeriodMs = 10 });
        _driver.HoldsCommits = true;
        _driver.Advance(100);
        Assert.Equal([1L], _driver.Started.Select(d => d.Key.Occurrence));

        _driver.CommitAll();
        _driver.Advance(2);
        Assert.Equal([1L, 2L], _driver.Started.Select(d => d.Key.Occurrence));
    }

    [Fact]
    public void A_submit_is_refused_while_the_tables_lag_too_far_behind()
    {
        using var driver = new ShardDriver(projectionLagMax: 1) { HoldsProjections = true };
        driver.SubmitNow(new PlanDraft(PlanDraft.Plan(1), Now + 10_000));
        driver.SubmitNow(new PlanDraft(PlanDraft.Plan(2), Now + 10_000));
        driver.Step();
        var third = driver.Submit(new PlanDraft(PlanDraft.Plan(3), Now + 10_000));
        driver.Settle();
        Assert.Equal(ReplyCode.Overloaded, third.Code);

        driver.HoldsProjections = false;
        driver.Advance(200);
        driver.SubmitNow(new PlanDraft(PlanDraft.Plan(4), Now + 10_000));
    }

    [Fact]
    public void A_command_for_a_partition_of_another_node_is_refused()
    {
        using var shard = new Engine.Shards.Shard(
            new Engine.Shards.ShardOptions(0, 2, 10, 10, 1000, 50, 10),
            new Engine.Shards.ShardInbox(10, () => { }), Now);
        shard.Own(0, 1, 0);
        shard.Open(Now);
        var answer = new Answer();
        shard.Inbox.TryPost(new PlanDraft(_plan, Now).ToCommand(Now, partition: 1, answer));

        var reply = Assert.Single(shard.Turn(Now).Replies.Span.ToArray());
        Assert.Equal(ReplyCode.NotOwner, reply.Code);
    }
}
