using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage;

/// <summary>What any store must do. Each store's own test class inherits it and says where its stores live.</summary>
public abstract class StoreSuite : StoreTest
{
    [Fact]
    public void Every_open_raises_the_epoch_of_every_partition()
    {
        Assert.Equal([0, 1, 2, 3], OpenMarks().Select(mark => mark.Partition));
        long[] before = [.. Marks.Select(mark => mark.Epoch)];
        Restart();
        Assert.Equal(before.Select(epoch => epoch + 1), Marks.Select(mark => mark.Epoch));
    }

    [Fact]
    public void A_new_store_has_projected_nothing() => Assert.All(OpenMarks(), mark => Assert.Equal(0, mark.Sequence));

    [Fact]
    public void The_journal_is_read_back_in_order_after_a_restart()
    {
        for (int row = 0; row < 300; row++)
            Assert.Equal(CommitResult.Committed, Store.Commit(BitConverter.GetBytes(row)));
        Restart();
        Assert.Equal(Enumerable.Range(0, 300), ReadJournal());
    }

    [Fact]
    public void A_journal_row_may_be_empty_or_a_megabyte()
    {
        byte[] large = new byte[1 << 20];
        new Random(1).NextBytes(large);
        Assert.Equal(CommitResult.Committed, Store.Commit([]));
        Assert.Equal(CommitResult.Committed, Store.Commit(large));

        var read = new List<byte[]>();
        Store.ReadJournal(body => read.Add(body.ToArray()));
        Assert.Equal([[], large], read);
    }

    [Fact]
    public void Pruning_the_journal_counts_from_the_open_and_takes_what_is_older()
    {
        for (int row = 0; row < 5; row++)
            Store.Commit(BitConverter.GetBytes(row));
        Restart();
        for (int row = 5; row < 155; row++)
            Store.Commit(BitConverter.GetBytes(row));

        Store.PruneJournal(0);
        Assert.Equal(Enumerable.Range(5, 150), ReadJournal());
        Store.PruneJournal(148);
        Assert.Equal([153, 154], ReadJournal());
        Store.PruneJournal(148);
        Assert.Equal([153, 154], ReadJournal());
    }

    [Fact]
    public void Rows_are_numbered_on_after_the_whole_journal_was_pruned()
    {
        Store.Commit(BitConverter.GetBytes(1));
        Store.PruneJournal(1);
        Store.Commit(BitConverter.GetBytes(2));
        Store.Commit(BitConverter.GetBytes(3));
        Store.PruneJournal(2);
        Assert.Equal([3], ReadJournal());
        Restart();
        Store.PruneJournal(0);
        Assert.Empty(ReadJournal());
    }

    [Fact]
    public void A_projected_plan_is_found_as_it_was_written()
    {
        Project(new ProjectionBatch().NewPlan(1, parent: 7, wakeMs: 9000, memo: "m", body: "b", updatedMs: 1500));

        var plan = Store.FindPlan(Plan(1));
        Assert.NotNull(plan);
        Assert.Equal((Plan(1), Ann, Plan(7), 1), (plan.Id, plan.User, plan.Parent, plan.Partition));
        Assert.Equal((PlanState.Created, 1000, 1500), (plan.State, plan.CreatedMs, plan.UpdatedMs));
        Assert.Equal(("m", "b"), (Encoding.UTF8.GetString(plan.Memo), Encoding.UTF8.GetString(plan.Body)));
    }

    [Fact]
    public void A_plan_may_have_no_parent_and_nothing_to_say()
    {
        Project(new ProjectionBatch().NewPlan(1, memo: "", body: ""));
        var plan = Store.FindPlan(Plan(1));
        Assert.NotNull(plan);
        Assert.Equal(PlanId.None, plan.Parent);
        Assert.Empty(plan.Memo);
        Assert.Empty(plan.Body);
    }

    [Fact]
    public void A_later_state_without_a_body_keeps_the_stored_one()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 2000, body: "first"));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, updatedMs: 2500));

        var plan = Store.FindPlan(Plan(1))!;
        Assert.Equal((PlanState.Completed, 2500), (plan.State, plan.UpdatedMs));
        Assert.Equal("later first", Encoding.UTF8.GetString([.. plan.Memo, .. " "u8, .. plan.Body]));
        Assert.Empty(Due(0, long.MaxValue));
    }

    [Fact]
    public void A_later_state_with_a_body_replaces_it()
    {
        Project(new ProjectionBatch().NewPlan(1, body: "first"));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Running, updatedMs: 2500, body: "second"));
        Assert.Equal("second", Encoding.UTF8.GetString(Store.FindPlan(Plan(1))!.Body));
    }

    [Fact]
    public void Projecting_twice_changes_nothing()
    {
        _ = Store;
        var batch = new ProjectionBatch().NewPlan(1).NewPlan(2, Bob).EndedTask(Key(1)).Error(Key(1), 1, "no")
            .Mark(1, Marks[1].Epoch, 17);
        Assert.Equal(CommitResult.Committed, Store.Project(batch));
        Assert.Equal(CommitResult.Committed, Store.Project(batch));

        Assert.Equal((1, 1), (Store.CountPlans(Ann), Store.CountPlans(Bob)));
        Assert.Single(Store.ListPlans(Ann, 0, 10));
        Assert.Single(Store.ListTasks(Plan(1), 10));
        Assert.Single(Store.ListErrors(Plan(1), 10));
    }

    [Fact]
    public void The_mark_moves_with_its_batch_and_survives_a_restart()
    {
        _ = Store;
        Project(new ProjectionBatch().NewPlan(1).Mark(2, Marks[2].Epoch, 17));
        Restart();
        Assert.Equal([0, 0, 17, 0], Marks.Select(mark => mark.Sequence));
    }

    [Fact]
    public void A_mark_of_a_stale_epoch_is_refused_and_nothing_is_written()
    {
        Restart();
        var batch = new ProjectionBatch().NewPlan(1).EndedTask(Key(1)).Error(Key(1), 1, "no")
            .Mark(0, Marks[0].Epoch, 5).Mark(1, Marks[1].Epoch - 1, 5);
        Assert.Equal(CommitResult.Refused, Store.Project(batch));
        Assert.NotEqual("", Store.LastError);

        Assert.Null(Store.FindPlan(Plan(1)));
        Assert.Equal(0, Store.CountPlans(Ann));
        Assert.Empty(Store.ListTasks(Plan(1), 10));
        Assert.Empty(Store.ListErrors(Plan(1), 10));
        Restart();
        Assert.All(Marks, mark => Assert.Equal(0, mark.Sequence));
    }

    [Fact]
    public void The_error_is_gone_when_the_next_batch_is_written()
    {
        _ = Store;
        Store.Project(new ProjectionBatch().Mark(0, Marks[0].Epoch + 1, 5));
        Assert.NotEqual("", Store.LastError);
        Project(new ProjectionBatch().NewPlan(1));
        Assert.Equal("", Store.LastError);
    }

    [Fact]
    public void Due_plans_are_those_from_the_first_instant_up_to_but_not_at_the_last()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 999).NewPlan(2, wakeMs: 1000).NewPlan(3, wakeMs: 1999)
            .NewPlan(4, wakeMs: 2000).NewPlan(5, wakeMs: PlanSpec.NoEnd));
        Assert.Equal([Plan(2), Plan(3)], Due(1000, 2000).Order());
        Assert.Equal([Plan(1), Plan(2), Plan(3), Plan(4)], Due(long.MinValue, long.MaxValue).Order());
        Assert.Empty(Due(1000, 1000));
    }

    [Fact]
    public void A_plan_that_was_due_is_found_at_its_new_instant()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 1000));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Running, updatedMs: 1000, wakeMs: 5000));
        Assert.Empty(Due(0, 5000));
        Assert.Equal([Plan(1)], Due(5000, 5001));
    }

    [Fact]
    public void A_loaded_plan_brings_its_memo_and_body()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 1000, memo: "m", body: "b"));
        var loaded = new List<string>();
        StoredPlanReader reader = (id, memo, body) =>
            loaded.Add($"{id} {Encoding.UTF8.GetString(memo)} {Encoding.UTF8.GetString(body)}");
        Store.LoadDue(0, 2000, reader);
        Store.LoadPlan(Plan(1), withDescendants: false, reader);
        Store.LoadPlan(Plan(1), withDescendants: true, reader);
        Assert.Equal(Enumerable.Repeat($"{Plan(1)} m b", 3), loaded);
    }

    [Fact]
    public void Descendants_that_go_on_are_loaded_even_below_one_that_has_ended()
    {
        Project(new ProjectionBatch()
            .NewPlan(1, state: PlanState.Completed)
            .NewPlan(2, parent: 1, state: PlanState.Completed)
            .NewPlan(3, parent: 2, state: PlanState.Running)
            .NewPlan(4, parent: 1, state: PlanState.Cancelled)
            .NewPlan(5, parent: 3)
            .NewPlan(6)
            .NewPlan(7, parent: 6));
        Assert.Equal([Plan(1), Plan(3), Plan(5)], Load(Plan(1), withDescendants: true));
        Assert.Equal([Plan(1)], Load(Plan(1), withDescendants: false));
        Assert.Equal([Plan(6), Plan(7)], Load(Plan(6), withDescendants: true));
    }

    [Fact]
    public void An_ended_descendant_whose_hooks_are_open_is_loaded()
    {
        Project(new ProjectionBatch()
            .NewPlan(1, state: PlanState.Completed)
            .NewPlan(2, parent: 1, state: PlanState.Completed, wakeMs: 5000));
        Assert.Equal([Plan(1), Plan(2)], Load(Plan(1), withDescendants: true));
    }

    [Fact]
    public void Plans_are_listed_newest_first_and_by_pages()
    {
        Project(new ProjectionBatch().NewPlan(2).NewPlan(5).NewPlan(1).NewPlan(9, Bob).NewPlan(4));
        Assert.Equal([Plan(5), Plan(4), Plan(2), Plan(1)], Store.ListPlans(Ann, 0, 10).Select(plan => plan.Id));
        Assert.Equal([Plan(4), Plan(2)], Store.ListPlans(Ann, 1, 2).Select(plan => plan.Id));
        Assert.Empty(Store.ListPlans(Ann, 4, 10));
        Assert.Empty(Store.ListPlans(Ann, 0, 0));
        Assert.Equal((4, 1), (Store.CountPlans(Ann), Store.CountPlans(Bob)));
    }

    [Fact]
    public void Counters_add_up_over_batches()
    {
        Project(new ProjectionBatch().NewPlan(1).NewPlan(2));
        Project(new ProjectionBatch().NewPlan(3).LaterPlan(1, PlanState.Running, 2000));
        Assert.Equal(3, Store.CountPlans(Ann));
    }

    [Fact]
    public void A_task_is_found_as_it_was_written()
    {
        var batch = new ProjectionBatch();
        ref var row = ref batch.Tasks.Add();
        row = new TaskRow
        {
            Key = Key(1, 3),
            State = PlanTaskState.Skipped,
            Reason = SkipReason.Misfire,
            OccurrenceTo = 900,
            CreatedMs = 1,
            DueMs = 2,
            StartedMs = 3,
            FinishedMs = long.MaxValue,
            Attempts = 1000,
        };
        Project(batch);
        var stored = new StoredTask(
            Key(1, 3), PlanTaskState.Skipped, SkipReason.Misfire, 900, CreatedMs: 1, DueMs: 2, StartedMs: 3,
            FinishedMs: long.MaxValue, Attempts: 1000, ResultBytes: null);
        Assert.Equal(stored, Store.FindTask(Key(1, 3)));
        Assert.Equal(stored, Assert.Single(Store.ListTasks(Plan(1), 10)));
    }

    [Fact]
    public void Tasks_are_listed_in_order_and_the_last_ones_only()
    {
        Project(new ProjectionBatch().EndedTask(Key(1, 2)).EndedTask(Key(1, 1, 2)).EndedTask(Key(1, 1))
            .EndedTask(Key(1, 1, 1)).EndedTask(Key(1, 10)).EndedTask(Key(2, 1)));
        Assert.Equal(
            [Key(1, 1), Key(1, 1, 1), Key(1, 1, 2), Key(1, 2), Key(1, 10)],
            Store.ListTasks(Plan(1), 10).Select(task => task.Key));
        Assert.Equal([Key(1, 2), Key(1, 10)], Store.ListTasks(Plan(1), 2).Select(task => task.Key));
    }

    [Fact]
    public void Errors_are_listed_in_order_and_the_last_ones_only()
    {
        Project(new ProjectionBatch().Error(Key(1, 2), 1, "c").Error(Key(1), 2, "b").Error(Key(1), 1, "ä")
            .Error(Key(1, 2), 2, "").Error(Key(2), 1, "x"));
        Assert.Equal(["ä", "b", "c", ""], Store.ListErrors(Plan(1), 10).Select(error => error.Text));
        Assert.Equal(
            [new StoredError(Key(1, 2), 1, 4500, "c"), new StoredError(Key(1, 2), 2, 4500, "")],
            Store.ListErrors(Plan(1), 2));
    }

    [Fact]
    public void Dead_letters_come_by_pages_in_descending_order()
    {
        Project(new ProjectionBatch()
            .EndedTask(Key(1), PlanTaskState.Failure).EndedTask(Key(1, 2), PlanTaskState.Failure)
            .EndedTask(Key(1, 2, 1), PlanTaskState.Failure).EndedTask(Key(2), PlanTaskState.Success)
            .EndedTask(Key(3), PlanTaskState.Failure).EndedTask(Key(4), PlanTaskState.Cancelled));

        var first = Store.ListDead(below: null, take: 2);
        Assert.Equal([Key(3), Key(1, 2, 1)], first.Select(task => task.Key));
        var second = Store.ListDead(first[^1].Key, take: 2);
        Assert.Equal([Key(1, 2), Key(1)], second.Select(task => task.Key));
        Assert.Empty(Store.ListDead(second[^1].Key, take: 2));
    }

    [Fact]
    public void A_replayed_dead_letter_is_neither_dead_nor_ended_until_it_ends_again()
    {
        Project(new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Failure));
        Project(new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Created, finishedMs: 0));
        Assert.Empty(Store.ListDead(below: null, take: 10));
        Assert.Null(Store.FindTask(Key(1)));
        Assert.Empty(Store.ListTasks(Plan(1), 10));

        Project(new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Success, finishedMs: 9000));
        Assert.Equal(9000, Store.FindTask(Key(1))?.FinishedMs);
        Assert.Empty(Store.ListDead(below: null, take: 10));
    }

    [Fact]
    public void The_oldest_user_of_an_exact_name_is_found()
    {
        Store.AddUser(new UserView(new UserId(3), "eve", 2000));
        Store.AddUser(new UserView(new UserId(2), "eve", 1000));
        Store.AddUser(new UserView(new UserId(1), "Eve", 500));
        Store.AddUser(new UserView(new UserId(4), "", 500));
        Restart();
        Assert.Equal(new UserView(new UserId(2), "eve", 1000), Store.FindUser("eve"));
        Assert.Equal(new UserId(4), Store.FindUser("")?.Id);
    }

    [Fact]
    public void Unknown_things_are_null_or_empty()
    {
        Assert.Null(Store.FindUser("nobody"));
        Assert.False(Store.UserExists(new UserId(99)));
        Assert.True(Store.UserExists(Ann));
        Assert.Null(Store.FindPlan(Plan(1)));
        Assert.Null(Store.FindTask(Key(1)));
        Assert.Null(Store.FindResult(Key(1)));
        Assert.Equal(0, Store.CountPlans(new UserId(99)));
        Assert.Empty(Store.ListPlans(new UserId(99), 0, 10));
        Assert.Empty(Store.ListTasks(Plan(1), 10));
        Assert.Empty(Store.ListErrors(Plan(1), 10));
        Assert.Empty(Store.ListDead(null, 10));
        Assert.Empty(Load(Plan(1), withDescendants: true));
        Assert.Empty(Load(Plan(1), withDescendants: false));
        Assert.Equal(0, Store.PruneHistory(long.MaxValue, 10));
        Store.Ping();
    }

    [Fact]
    public void Ended_plans_go_with_their_history_when_they_ended_before_the_cutoff()
    {
        Project(new ProjectionBatch()
            .NewPlan(1, state: PlanState.Completed, updatedMs: 4999).EndedTask(Key(1), PlanTaskState.Failure, 4999)
            .Error(Key(1), 1, "no")
            .NewPlan(2, state: PlanState.Completed, updatedMs: 5000).EndedTask(Key(2), finishedMs: 4000)
            .NewPlan(3, state: PlanState.Running, updatedMs: 1000, wakeMs: 9000)
            .NewPlan(4, state: PlanState.Cancelled, updatedMs: 1000));

        Assert.Equal(4, PruneAll(cutoffMs: 5000));
        Assert.Equal([Plan(3), Plan(2)], Store.ListPlans(Ann, 0, 10).Select(plan => plan.Id));
        Assert.Equal(2, Store.CountPlans(Ann));
        Assert.Empty(Store.ListTasks(Plan(1), 10));
        Assert.Empty(Store.ListErrors(Plan(1), 10));
        Assert.Empty(Store.ListDead(null, 10));
        Assert.Single(Store.ListTasks(Plan(2), 10));
    }

    [Fact]
    public void Old_tasks_of_a_plan_that_goes_on_go_and_it_stays()
    {
        var batch = new ProjectionBatch().NewPlan(1, state: PlanState.Running, updatedMs: 1000, wakeMs: 9000);
        for (int occurrence = 1; occurrence <= 6; occurrence++)
        {
            batch.EndedTask(Key(1, occurrence), finishedMs: occurrence * 1000)
                .Error(Key(1, occurrence), 1, "no", occurrence * 1000);
        }

        Project(batch.EndedTask(Key(1, 3, 1), PlanTaskState.Created, finishedMs: 0));
        Assert.Equal(8, PruneAll(cutoffMs: 5000));
        Assert.NotNull(Store.FindPlan(Plan(1)));
        Assert.Equal([Key(1, 5), Key(1, 6)], Store.ListTasks(Plan(1), 10).Select(task => task.Key));
        Assert.Equal([Key(1, 5), Key(1, 6)], Store.ListErrors(Plan(1), 10).Select(error => error.Key));
        Assert.Equal(1, Store.CountPlans(Ann));
    }

    [Fact]
    public void An_ended_plan_stays_while_something_that_it_started_goes_on()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed)
            .NewPlan(2, parent: 1, state: PlanState.Completed)
            .NewPlan(3, parent: 2, wakeMs: 9000));
        Assert.Equal(0, PruneAll(cutoffMs: 5000));
        Project(new ProjectionBatch().LaterPlan(3, PlanState.Cancelled, updatedMs: 2000));
        Assert.Equal(3, PruneAll(cutoffMs: 5000));
        Assert.Equal(0, Store.CountPlans(Ann));
    }

    [Fact]
    public void Pruning_takes_about_as_many_rows_as_it_is_told()
    {
        var batch = new ProjectionBatch();
        for (ulong number = 1; number <= 200; number++)
            batch.NewPlan(number, state: PlanState.Completed).EndedTask(Key(number));
        for (int occurrence = 2; occurrence <= 101; occurrence++)
            batch.EndedTask(Key(7, occurrence));
        Project(batch);

        var counts = new List<int>();
        while (Store.PruneHistory(cutoffMs: 9000, rowsMax: 20) is var count and > 0)
            counts.Add(count);
        Assert.Equal(500, counts.Sum());
        Assert.All(counts, count => Assert.InRange(count, 1, 22));
        Assert.Equal(0, Store.CountPlans(Ann));
    }

    [Fact]
    public async Task Readers_see_whole_batches_while_others_are_written()
    {
        _ = Store;
        var writing = Task.Run(() =>
        {
            for (ulong number = 1; number <= 100; number++)
            {
                Store.Commit(new byte[1000]);
                Project(new ProjectionBatch().NewPlan(2 * number).NewPlan(2 * number + 1));
            }
        }, TestContext.Current.CancellationToken);
        while (!writing.IsCompleted)
            Assert.Equal(0, Store.ListPlans(Ann, 0, 1000).Count % 2);
        await writing;
        Assert.Equal(200, Store.CountPlans(Ann));
    }

    [Fact]
    public async Task Commits_and_projections_take_turns()
    {
        _ = Store;
        var committing = Task.Run(() =>
        {
            for (int row = 0; row < 100; row++)
                Assert.Equal(CommitResult.Committed, Store.Commit(BitConverter.GetBytes(row)));
        }, TestContext.Current.CancellationToken);
        for (ulong number = 1; number <= 100; number++)
            Project(new ProjectionBatch().NewPlan(number));
        await committing;
        Assert.Equal(100, Store.CountPlans(Ann));
        Assert.Equal(Enumerable.Range(0, 100), ReadJournal());
    }

    protected List<int> ReadJournal()
    {
        var rows = new List<int>();
        Store.ReadJournal(body => rows.Add(BitConverter.ToInt32(body)));
        return rows;
    }

    private IReadOnlyList<ProjectedMark> OpenMarks()
    {
        _ = Store;
        return Marks;
    }

    private List<PlanId> Due(long fromMs, long toMs)
    {
        var ids = new List<PlanId>();
        Store.LoadDue(fromMs, toMs, (id, _, _) => ids.Add(id));
        return ids;
    }

    private List<PlanId> Load(PlanId id, bool withDescendants)
    {
        var ids = new List<PlanId>();
        Store.LoadPlan(id, withDescendants, (loaded, _, _) => ids.Add(loaded));
        ids.Sort();
        return ids;
    }
}
