using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Npgsql;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

public sealed class PostgresStoreTests : StoreSuite
{
    private readonly StoreSchema _schema = new();

    protected override IStore Create() => new PostgresStore(_schema.Settings, TimeProvider.System);

    protected override IStore Reopen() => Create();

    protected override void CleanUp() => _schema.Dispose();

    [Fact]
    public async Task A_second_node_is_refused_while_the_first_renews_and_told_who_it_is()
    {
        Assert.True(Store.RenewLease());
        using var second = Create();
        var opening = Task.Run(() => second.Open(4), TestContext.Current.CancellationToken);
        while (!opening.IsCompleted)
            Assert.True(Store.RenewLease());
        var exception = await Assert.ThrowsAsync<StoreException>(() => opening);
        Assert.Contains(
            $"{Environment.MachineName}/{Environment.ProcessId}/", exception.Message, StringComparison.Ordinal);
        Assert.Null(Store.Lost);
    }

    [Fact]
    public void A_node_that_renews_no_more_is_followed_after_its_own_lease_length_and_can_commit_nothing_then()
    {
        var shortLease = _schema.Settings with { Lease = TimeSpan.FromSeconds(1) };
        using var first = new PostgresStore(shortLease, TimeProvider.System);
        var marks = first.Open(4);
        Assert.Equal(CommitResult.Committed, first.Commit(0, [marks[1]], BitConverter.GetBytes(1)));

        // It waits for the length that the first one was promised, not for its own.
        using var second = new PostgresStore(_schema.Settings, TimeProvider.System);
        long started = TimeProvider.System.GetTimestamp();
        var later = second.Open(4);
        Assert.InRange(TimeProvider.System.GetElapsedTime(started).TotalSeconds, 1, 4.5);
        Assert.Equal(marks.Select(mark => mark.Epoch + 1), later.Select(mark => mark.Epoch));

        // Its sessions were ended, so that it has to ask what became of a commit.
        Assert.Equal(CommitResult.Unknown, first.Commit(0, [marks[1]], BitConverter.GetBytes(2)));
        Assert.Equal(CommitResult.Refused, first.Resolve(0));
        Assert.Contains("Another node", first.Lost, StringComparison.Ordinal);
        Assert.Equal(CommitResult.Refused, first.Commit(0, [marks[1]], BitConverter.GetBytes(2)));
        Assert.Equal(CommitResult.Refused, first.Project(new ProjectionBatch().NewPlan(1).Mark(1, marks[1].Epoch, 9)));
        Assert.False(first.RenewLease());
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM journal_0_0"));
        Assert.Equal(CommitResult.Committed, second.Commit(0, [later[1]], BitConverter.GetBytes(3)));
    }

    [Fact]
    public void A_stopped_node_is_followed_at_once()
    {
        _ = Store;
        long started = TimeProvider.System.GetTimestamp();
        Restart();
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(4));
    }

    [Fact]
    public void Another_partition_count_is_refused_with_both_numbers()
    {
        Store.Dispose();
        using var other = Create();
        var exception = Assert.Throws<StoreException>(() => other.Open(8));
        Assert.Contains("4 partitions", exception.Message, StringComparison.Ordinal);
        Assert.Contains("set to 8", exception.Message, StringComparison.Ordinal);
        Restart();
    }

    [Fact]
    public void A_role_that_may_not_change_tables_is_enough_once_an_administrator_has_applied_the_script()
    {
        string role = _schema.Name + "_node";
        _schema.Change($"CREATE ROLE {role} LOGIN PASSWORD 'x'; " + PostgresSchema.Sql(_schema.Name, role));
        var login = new NpgsqlConnectionStringBuilder(_schema.ConnectionString) { Username = role, Password = "x" };
        try
        {
            using var store = new PostgresStore(
                _schema.Settings with { ConnectionString = login.ConnectionString }, TimeProvider.System);
            var marks = store.Open(4);
            store.AddUser(new UserView(Ann, "ann", 1000));
            Assert.Equal(CommitResult.Committed, store.Commit(0, [marks[1]], BitConverter.GetBytes(1)));
            var batch = new ProjectionBatch().NewPlan(1, wakeMs: 9000).NewPlan(2, state: PlanState.Completed)
                .EndedTask(Key(2), PlanTaskState.Failure).Error(Key(2), 1, "no").Mark(1, marks[1].Epoch, 5);
            Assert.Equal(CommitResult.Committed, store.Project(batch));
            Assert.Equal(2, store.ListPlans(Ann, 0, 10).Count);
            store.PruneJournal(0, 1);
            Assert.Equal(3, store.PruneHistory(cutoffMs: 9000, rowsMax: 100));
            Assert.True(store.RenewLease());
        }
        finally
        {
            _schema.Change($"DROP OWNED BY {role}; DROP ROLE {role}");
        }
    }

    [Fact]
    public void A_commit_under_an_epoch_that_is_over_is_refused()
    {
        _ = Store;
        Restart();
        ProjectedMark old = Marks[2] with { Epoch = Marks[2].Epoch - 1 };
        Assert.Equal(CommitResult.Refused, Store.Commit(0, [Marks[1], old], BitConverter.GetBytes(1)));
        Assert.Empty(ReadJournal());
        Assert.Null(Store.Lost);
    }

    [Fact]
    public void The_journal_goes_on_in_the_other_segment_and_what_is_in_the_tables_is_truncated()
    {
        byte[] megabytes = new byte[8 << 20];
        for (int row = 1; row <= 9; row++)
            Assert.Equal(CommitResult.Committed, Store.Commit(megabytes));
        Assert.Equal((8, 1), SegmentRows());

        Store.PruneJournal(7);
        Assert.Equal((8, 1), SegmentRows()); // One of them is needed still.
        Store.PruneJournal(8);
        Assert.Equal((0, 1), SegmentRows());
        for (int row = 10; row <= 17; row++)
            Store.Commit(megabytes);
        Assert.Equal((1, 8), SegmentRows());
        Restart();
        int count = 0;
        Store.ReadJournal(_ => count++);
        Assert.Equal(9, count);
    }

    [Fact]
    public void Rows_of_several_streams_come_back_in_the_order_of_their_owners()
    {
        var three = _schema.Settings with { StreamCount = 3 };
        using (var store = new PostgresStore(three, TimeProvider.System))
        {
            var marks = store.Open(4);
            Assert.Equal(CommitResult.Committed, store.Commit(2, [marks[2]], BitConverter.GetBytes(1)));
            Assert.Equal(CommitResult.Committed, store.Commit(0, [marks[0]], BitConverter.GetBytes(2)));
        }

        // Fewer streams: partition 2 goes on in another one.
        Assert.Equal([2, 1], ReadJournal());
        Assert.Equal(CommitResult.Committed, Store.Commit(0, [Marks[2]], BitConverter.GetBytes(3)));
        Assert.Equal([2, 1, 3], ReadJournal());
        Store.PruneJournal(0);
        Assert.Equal([3], ReadJournal());
        Assert.Equal(0, _schema.Read("SELECT count(*) FROM journal_2_0"));
    }

    [Fact]
    public void A_plan_that_ends_moves_to_the_history_with_its_task_inside()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 2000, body: "first"));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, 3000).EndedTask(Key(1)));
        Assert.Equal(0, _schema.Read("SELECT count(*) FROM plans"));
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM plan_history WHERE tasks IS NOT NULL"));
        Assert.Equal(0, _schema.Read("SELECT count(*) FROM task_history"));
        Assert.Equal(Key(1), Assert.Single(Store.ListTasks(Plan(1), 10)).Key);
        Assert.Equal(1, Store.CountPlans(Ann));
    }

    [Fact]
    public void A_plan_that_ended_may_change_in_the_history()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed).EndedTask(Key(1)));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Cancelled, 4000, body: "new"));
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM plan_history"));
        var plan = Store.FindPlan(Plan(1))!;
        Assert.Equal((PlanState.Cancelled, 4000), (plan.State, plan.UpdatedMs));
        Assert.Single(Store.ListTasks(Plan(1), 10));
    }

    [Fact]
    public void A_replayed_dead_letter_brings_its_plan_back_until_it_ends_again()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed)
            .EndedTask(Key(1), PlanTaskState.Failure).EndedTask(Key(1, 1, 1)));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, 4000, wakeMs: 4000)
            .EndedTask(Key(1), PlanTaskState.Created, finishedMs: 0));
        Assert.Equal(0, _schema.Read("SELECT count(*) FROM plan_history"));
        Assert.Empty(Store.ListDead(null, 10));

        var again = new ProjectionBatch().LaterPlan(1, PlanState.Completed, 5000).EndedTask(Key(1));
        again.Tasks.Span[0].IsReplayed = true;
        Project(again);
        Assert.Equal(0, _schema.Read("SELECT count(*) FROM plans"));
        Assert.Equal([Key(1), Key(1, 1, 1)], Store.ListTasks(Plan(1), 10).Select(task => task.Key));
    }

    [Fact]
    public void A_dead_letter_that_was_replayed_and_ended_between_two_batches_has_one_row()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed)
            .EndedTask(Key(1), PlanTaskState.Failure));
        var again = new ProjectionBatch().LaterPlan(1, PlanState.Completed, 5000).EndedTask(Key(1), finishedMs: 6000);
        again.Tasks.Span[0].IsReplayed = true;
        Project(again);
        Assert.Equal(6000, Assert.Single(Store.ListTasks(Plan(1), 10)).FinishedMs);
        Assert.Empty(Store.ListDead(null, 10));
    }

    [Fact]
    public void A_plan_that_is_said_to_be_new_and_is_not_stops_the_tables_for_one_try_only()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 2000, body: "first"));
        var again = new ProjectionBatch().NewPlan(1, wakeMs: 3000, body: "second").NewPlan(2);
        Assert.Equal(CommitResult.Refused, Store.Project(again));
        Project(again);
        Assert.Equal("second", System.Text.Encoding.UTF8.GetString(Store.FindPlan(Plan(1))!.Body));
        Assert.Equal(2, Store.CountPlans(Ann));
        Project(new ProjectionBatch().NewPlan(3));
    }

    [Fact]
    public void The_same_batch_under_moved_marks_is_not_written_again_even_by_another_connection()
    {
        _ = Store;
        var batch = new ProjectionBatch().NewPlan(1).EndedTask(Key(1)).Mark(1, Marks[1].Epoch, 5);
        Project(batch);
        Restart();
        var same = new ProjectionBatch().NewPlan(1).EndedTask(Key(1)).Mark(1, Marks[1].Epoch, 5);
        Project(same);
        Assert.Single(Store.ListTasks(Plan(1), 10));
        Assert.Equal(1, Store.CountPlans(Ann));
    }

    private (long First, long Second) SegmentRows() => (
        _schema.Read("SELECT count(*) FROM journal_0_0"), _schema.Read("SELECT count(*) FROM journal_0_1"));

    [Fact]
    public void Store_time_is_the_databases_and_not_ahead_of_it()
    {
        _ = Store;
        for (int time = 0; time < 20; time++)
        {
            Assert.True(Store.RenewLease());
            long storeUs = Store.Clock.GetUtcNow().Ticks / TimeSpan.TicksPerMicrosecond
                - DateTimeOffset.UnixEpoch.Ticks / TimeSpan.TicksPerMicrosecond;
            long databaseUs = _schema.Read("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
            Assert.InRange(databaseUs - storeUs, 0, 5_000_000);
        }
    }
}
