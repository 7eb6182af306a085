using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Shards;

public sealed class ShardTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void An_inbox_refuses_by_bytes_as_well_as_by_number_until_it_is_emptied()
    {
        var inbox = new ShardInbox(capacity: 1_000_000, () => { });
        var large = new Command { Kind = CommandKind.Submit, PayloadBytes = 1024 * 1024 };
        for (int i = 0; i < Limits.InboxBytesMax / large.PayloadBytes; i++)
            Assert.True(inbox.TryPost(large));
        Assert.False(inbox.TryPost(large));
        Assert.True(inbox.TryPost(new Command { Kind = CommandKind.Cancel }));

        var (requests, outcomes, pages) = (new Rows<Command>(), new Rows<Command>(), new List<LoadedPage>());
        var (credits, limits) = (new Dictionary<uint, int>(), new Dictionary<uint, int>());
        List<PartitionChange> changes = [];
        inbox.Drain(ref requests, ref outcomes, ref pages, ref credits, ref limits, ref changes);
        Assert.True(inbox.TryPost(large));
    }

    [Fact]
    public void Nothing_starts_while_firing_is_held_and_all_else_goes_on()
    {
        _driver.Shard.HoldFiring(true);
        var answer = _driver.Submit(new PlanDraft(PlanDraft.Plan(77), ShardDriver.StartMs + 10));
        _driver.Advance(1000);
        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Empty(_driver.Started);
        Assert.Equal(1, _driver.Shard.Status.Ready);

        _driver.Shard.HoldFiring(false);
        _driver.Step();
        Assert.True(_driver.IsRunning(PlanDraft.Plan(77)));
    }

    [Fact]
    public void A_turn_takes_a_limited_number_of_commands_and_asks_for_the_next_at_once()
    {
        Answer[] answers =
            [.. Enumerable.Range(1, 1000).Select(i => _driver.Submit(new PlanDraft(PlanDraft.Plan(i), Now + 60_000)))];
        _driver.Step();
        Assert.Equal(_driver.NowMs, _driver.Shard.NextTurnMs);
        _driver.Step();
        Assert.Equal(Limits.CommandsPerTurnMax, answers.Count(a => a.Code == ReplyCode.Ok));

        _driver.Settle();
        Assert.All(answers, answer => Assert.Equal(ReplyCode.Ok, answer.Code));
    }

    [Fact]
    public void An_outcome_does_not_wait_behind_requests()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        var running = _driver.AwaitStart(_plan);
        for (int i = 2; i <= 1000; i++)
            _driver.Submit(new PlanDraft(PlanDraft.Plan(i), Now + 60_000));
        var answer = _driver.Succeed(running);
        _driver.Step();
        _driver.Step();
        Assert.Equal(ReplyCode.Ok, answer.Code);
    }

    [Fact]
    public void A_turn_hands_out_a_limited_number_of_attempts()
    {
        for (int i = 1; i <= 2000; i++)
            _driver.Submit(new PlanDraft(PlanDraft.Plan(i), Now + 1000));
        _driver.Advance(500);
        List<int> counts = [];
        _driver.TurnEnded = dispatches => counts.Add(dispatches.Length);
        _driver.Advance(500);

        Assert.Equal(Limits.DispatchesPerTurnMax, counts.Max());
        Assert.Equal(2000, counts.Sum());
    }

    [Fact]
    public void A_shard_sleeps_until_a_task_is_due_but_for_the_few_turns_in_which_the_wheel_sorts()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 500_000));
        _driver.Advance(200);
        int turns = 0;
        _driver.TurnEnded = _ => turns++;
        _driver.AdvanceTo(Now + 500_000);

        Assert.InRange(turns, 1, 20);
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void While_the_journal_lags_requests_are_refused_and_nothing_starts()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        _driver.Inbox.HoldIntake(true);
        Assert.False(_driver.Inbox.TryPost(new PlanDraft(PlanDraft.Plan(2), Now).ToCommand(Now, 0, null)));
        _driver.Advance(100);
        Assert.Empty(_driver.Started);

        _driver.Inbox.HoldIntake(false);
        _driver.Advance(1);
        Assert.Single(_driver.Started);
    }

    [Fact]
    public void A_closed_shard_starts_nothing_more_but_takes_the_outcome_of_what_runs()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10) { PeriodMs = 10, Attempts = 5 });
        var running = _driver.AwaitStart(_plan);
        _driver.Inbox.Close();
        var answer = _driver.Succeed(running);
        _driver.Advance(1000);

        Assert.Equal(ReplyCode.Ok, answer.Code);
        Assert.Single(_driver.Started);
        Assert.False(_driver.Inbox.TryPost(default));
    }

    [Fact]
    public void A_full_inbox_refuses_requests_and_takes_outcomes()
    {
        var inbox = new Engine.Shards.ShardInbox(capacity: 2, () => { });
        Assert.True(inbox.TryPost(default));
        Assert.True(inbox.TryPost(default));
        Assert.False(inbox.TryPost(default));
        inbox.PostOutcome(default);

        var requests = new Engine.Journal.Rows<Command>();
        var outcomes = new Engine.Journal.Rows<Command>();
        List<Engine.Shards.LoadedPage> pages = [];
        var (credits, limits) = (new Dictionary<uint, int>(), new Dictionary<uint, int>());
        List<PartitionChange> changes = [];
        inbox.Drain(ref requests, ref outcomes, ref pages, ref credits, ref limits, ref changes);
        Assert.Equal(2, requests.Count);
        Assert.Equal(1, outcomes.Count);
        Assert.True(inbox.TryPost(default));
    }

    [Fact]
    public void A_slow_target_holds_up_no_other_one()
    {
        using var driver = new ShardDriver(laneInFlightMax: 2);
        for (int i = 1; i <= 50; i++)
            driver.SubmitNow(new PlanDraft(PlanDraft.Plan(i), Now + 100) { Lane = 1 });
        driver.SubmitNow(new PlanDraft(PlanDraft.Plan(99), Now + 100) { Lane = 2 });
        driver.Advance(200);

        Assert.Equal([1u, 1u, 2u], driver.Running.Select(d => d.Lane).Order());
        Assert.Equal(48, driver.Shard.Status.Ready);
        driver.RunAndSucceed(driver.NowMs + 1000);
        Assert.Equal(51, driver.Started.Count);
    }

    [Fact]
    public void A_chunk_names_each_partition_once_also_when_opening_began_it()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(5), Now + 20));
        Assert.Equal(_driver.PartitionOf(_plan), _driver.PartitionOf(PlanDraft.Plan(5)));
        _driver.AwaitStart(_plan);
        _driver.CancelNow(_plan);
        _driver.Crash(downMs: 1000);

        var chunk = _driver.Shard.Turn(_driver.NowMs).Chunk!;
        Assert.Equal(1, chunk.Partitions.Length);
    }

    [Fact]
    public void A_journal_with_a_gap_is_refused()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10));
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(5), Now + 20));
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(9), Now + 20));
        _driver.Store.JournalRows.RemoveAt(1);

        Assert.Throws<Engine.Journal.RecordDamagedException>(() => _driver.ReplayJournal());
    }

    [Fact]
    public void Many_changes_are_projected_in_batches_until_the_tables_have_all()
    {
        using var driver = new ShardDriver(partitions: 64);
        for (int i = 1; i <= 20_000; i++)
            driver.Submit(new PlanDraft(PlanDraft.Plan(i), Now + 500_000));
        driver.Settle();
        driver.ProjectNow();

        Assert.Equal(20_000, driver.Store.Plans.Count);
        Assert.Equal(driver.Shard.Status.Position, driver.Shard.Status.ProjectedPosition);
    }
}
