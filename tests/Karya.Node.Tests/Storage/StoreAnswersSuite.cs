using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage;

/// <summary>
/// What any store must do about the results of tasks, and about lists that go on below a key. Each store's own test
/// class inherits it.
/// </summary>
public abstract class StoreAnswersSuite : StoreTest
{
    [Fact]
    public void A_result_is_kept_and_lists_say_how_long_it_is()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed).EndedTaskWithResult(Key(1), "four"u8));
        Assert.Equal("four", Result(Key(1)));
        Assert.Equal(4, Store.FindTask(Key(1))?.ResultBytes);
        Assert.Equal(4, Assert.Single(Store.ListTasks(Plan(1), 10)).ResultBytes);
        Restart();
        Assert.Equal("four", Result(Key(1)));
    }

    [Fact]
    public void An_empty_result_is_not_the_same_as_none()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 9000)
            .EndedTaskWithResult(Key(1), []).EndedTask(Key(1, 2)));
        Assert.Equal("", Result(Key(1)));
        Assert.Null(Result(Key(1, 2)));
        Assert.Equal([0, null], Store.ListTasks(Plan(1), 10).Select(task => task.ResultBytes));
    }

    [Fact]
    public void A_result_may_be_as_long_as_it_is_allowed_to_be()
    {
        byte[] result = new byte[Limits.ResultBytesMax];
        new Random(1).NextBytes(result);
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 9000).EndedTaskWithResult(Key(1), result)
            .EndedTaskWithResult(Key(1, 2), [1]).EndedTask(Key(1, 3)));
        Assert.Equal(result, Store.FindResult(Key(1)));
        Assert.Equal([result.Length, 1, null], Store.ListTasks(Plan(1), 10).Select(task => task.ResultBytes));
    }

    [Fact]
    public void Tasks_of_one_plan_with_and_without_a_result_are_all_listed()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed)
            .EndedTask(Key(1)).EndedTaskWithResult(Key(1, 2), "two"u8).EndedTask(Key(1, 2, 1))
            .NewPlan(2, state: PlanState.Completed).EndedTask(Key(2)));
        Assert.Equal([Key(1), Key(1, 2), Key(1, 2, 1)], Store.ListTasks(Plan(1), 10).Select(task => task.Key));
        Assert.Equal("two", Result(Key(1, 2)));
        Assert.Null(Result(Key(1)));
        Assert.Null(Result(Key(2)));
        Assert.NotNull(Store.FindTask(Key(2)));
    }

    [Fact]
    public void A_replayed_task_has_the_result_of_its_last_end()
    {
        Project(new ProjectionBatch().NewPlan(1, state: PlanState.Completed)
            .EndedTask(Key(1), PlanTaskState.Failure).Error(Key(1), 1, "no"));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, 5000)
            .EndedTaskWithResult(Key(1), "first"u8, isReplayed: true));
        Assert.Equal("first", Result(Key(1)));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, 6000)
            .EndedTaskWithResult(Key(1), "second"u8, isReplayed: true));
        Assert.Equal("second", Result(Key(1)));

        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, 7000, wakeMs: 7000)
            .EndedTask(Key(1), PlanTaskState.Created, finishedMs: 0));
        Assert.Null(Result(Key(1)));
        var failed = new ProjectionBatch().LaterPlan(1, PlanState.Completed, 8000)
            .EndedTask(Key(1), PlanTaskState.Failure);
        failed.Tasks.Span[0].IsReplayed = true;
        Project(failed);
        Assert.Null(Result(Key(1)));
        Assert.Null(Assert.Single(Store.ListDead(null, 10)).ResultBytes);
    }

    [Fact]
    public void Projecting_a_result_twice_changes_nothing()
    {
        _ = Store;
        var batch = new ProjectionBatch().NewPlan(1, wakeMs: 9000).EndedTaskWithResult(Key(1), "one"u8)
            .EndedTaskWithResult(Key(1, 2), "two"u8).Mark(1, Marks[1].Epoch, 17);
        Project(batch);
        Project(batch);
        Assert.Equal(2, Store.ListTasks(Plan(1), 10).Count);
        Assert.Equal(("one", "two"), (Result(Key(1)), Result(Key(1, 2))));
    }

    [Fact]
    public void Results_go_with_their_tasks()
    {
        Project(new ProjectionBatch()
            .NewPlan(1, state: PlanState.Completed, updatedMs: 4999).EndedTaskWithResult(Key(1), "one"u8)
            .NewPlan(2, state: PlanState.Running, updatedMs: 1000, wakeMs: 9000)
            .EndedTaskWithResult(Key(2, 2), "old"u8).EndedTaskWithResult(Key(2, 3), "new"u8));
        Project(Ended(Key(2, 4), 9000));

        Assert.Equal(4, PruneAll(cutoffMs: 5001));
        Assert.Null(Result(Key(1)));
        Assert.Null(Result(Key(2, 2)));
        Assert.Equal("late", Result(Key(2, 4)));
    }

    [Fact]
    public void Plans_come_by_pages_each_exactly_once_while_others_are_added_and_end()
    {
        var batch = new ProjectionBatch();
        for (ulong number = 10; number <= 40; number += 2)
            batch.NewPlan(number, wakeMs: 9000).NewPlan(number + 1, Bob);
        Project(batch);

        var listed = new List<PlanId>();
        while (Store.ListPlansBelow(Ann, listed.Count == 0 ? null : listed[^1], 3) is { Count: > 0 } page)
        {
            listed.AddRange(page.Select(plan => plan.Id));
            ulong last = (ulong)page[^1].Id.Value;
            Project(new ProjectionBatch().NewPlan(100 + last).LaterPlan(last, PlanState.Completed, 3000)
                .LaterPlan(10, PlanState.Running, 3000, wakeMs: 9000));
        }

        Assert.Equal(Enumerable.Range(5, 16).Reverse().Select(half => Plan(2 * (ulong)half)), listed);
    }

    [Fact]
    public void A_plan_below_is_not_there_itself_and_need_not_exist()
    {
        Project(new ProjectionBatch().NewPlan(2, body: "b").NewPlan(4).NewPlan(6, state: PlanState.Completed));
        Assert.Equal([Plan(6), Plan(4)], Store.ListPlansBelow(Ann, null, 2).Select(plan => plan.Id));
        Assert.Equal([Plan(4), Plan(2)], Store.ListPlansBelow(Ann, Plan(6), 9).Select(plan => plan.Id));
        Assert.Equal([Plan(4), Plan(2)], Store.ListPlansBelow(Ann, Plan(5), 9).Select(plan => plan.Id));
        Assert.Equal("b", Encoding.UTF8.GetString(Assert.Single(Store.ListPlansBelow(Ann, Plan(3), 9)).Body));
        Assert.Empty(Store.ListPlansBelow(Ann, Plan(2), 9));
        Assert.Empty(Store.ListPlansBelow(Ann, null, 0));
        Assert.Empty(Store.ListPlansBelow(new UserId(99), null, 9));
    }

    [Fact]
    public void Tasks_come_by_pages_each_exactly_once_while_others_end()
    {
        var batch = new ProjectionBatch().NewPlan(1, wakeMs: 9000);
        for (int occurrence = 1; occurrence <= 6; occurrence++)
            batch.EndedTask(Key(1, occurrence)).EndedTask(Key(1, occurrence, 2)).EndedTask(Key(1, occurrence, 1));
        Project(batch.EndedTask(Key(2)));

        var listed = new List<TaskKey>();
        (long, int)? below = null;
        while (Store.ListTasksBelow(Plan(1), below, 4) is { Count: > 0 } page)
        {
            listed.AddRange(page.Select(task => task.Key));
            below = (listed[^1].Occurrence, listed[^1].Hook);
            Project(new ProjectionBatch().EndedTask(Key(1, 6 + listed.Count)));
        }

        Assert.Equal(
            Enumerable.Range(0, 18).Reverse().Select(number => Key(1, 1 + number / 3, number % 3)),
            listed);
    }

    [Fact]
    public void Tasks_of_a_plan_that_ends_meanwhile_come_exactly_once()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 9000)
            .EndedTask(Key(1)).EndedTask(Key(1, 2)).EndedTask(Key(1, 3)));
        Assert.Equal([Key(1, 3)], Store.ListTasksBelow(Plan(1), null, 1).Select(task => task.Key));
        Project(new ProjectionBatch().LaterPlan(1, PlanState.Completed, 6000).EndedTask(Key(1, 4))
            .EndedTask(Key(1, 4, 1)));
        Assert.Equal([Key(1, 2), Key(1)], Store.ListTasksBelow(Plan(1), (3, 0), 9).Select(task => task.Key));
        Assert.Equal([Key(1, 4, 1), Key(1, 4)], Store.ListTasksBelow(Plan(1), null, 2).Select(task => task.Key));
        Assert.Equal([Key(1, 4), Key(1, 3)], Store.ListTasksBelow(Plan(1), (4, 1), 2).Select(task => task.Key));
        Assert.Empty(Store.ListTasksBelow(Plan(1), (1, 0), 9));
        Assert.Empty(Store.ListTasksBelow(Plan(1), null, 0));
    }

    [Fact]
    public void A_replayed_dead_letter_is_not_listed_until_it_ends_again()
    {
        Project(new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Failure).EndedTask(Key(1, 2)));
        Project(new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Created, finishedMs: 0));
        Assert.Equal([Key(1, 2)], Store.ListTasksBelow(Plan(1), null, 9).Select(task => task.Key));
    }

    [Fact]
    public void Errors_come_by_pages_each_exactly_once_while_others_are_added()
    {
        var batch = new ProjectionBatch();
        for (int occurrence = 1; occurrence <= 4; occurrence++)
        {
            for (int attempt = 1; attempt <= 3; attempt++)
            {
                batch.Error(Key(1, occurrence), attempt, $"{occurrence}.0.{attempt}")
                    .Error(Key(1, occurrence, 1), attempt, $"{occurrence}.1.{attempt}");
            }
        }

        Project(batch.Error(Key(2), 1, "x"));
        var listed = new List<StoredError>();
        (long, int, int)? below = null;
        while (Store.ListErrorsBelow(Plan(1), below, 5) is { Count: > 0 } page)
        {
            listed.AddRange(page);
            below = (page[^1].Key.Occurrence, page[^1].Key.Hook, page[^1].Attempt);
            Project(new ProjectionBatch().Error(Key(1, 4 + listed.Count), 1, "later"));
        }

        Assert.Equal(24, listed.Count);
        Assert.Equal(
            listed.Select(error => error.Text).OrderDescending(StringComparer.Ordinal),
            listed.Select(error => error.Text));
        Assert.Equal(new StoredError(Key(1), 1, 4500, "1.0.1"), listed[^1]);
        Assert.Empty(Store.ListErrorsBelow(Plan(1), (1, 0, 1), 9));
    }

    [Fact]
    public void The_class_of_a_failure_is_kept_with_the_task_and_with_each_error()
    {
        var batch = new ProjectionBatch().NewPlan(1, wakeMs: 9000).EndedTask(Key(1), PlanTaskState.Failure)
            .Error(Key(1), 1, "slow").Error(Key(1), 2, "gone");
        batch.Tasks.Span[0].Failure = FailureClass.Refused;
        batch.Errors.Span[0].Failure = FailureClass.Timeout;
        batch.Errors.Span[1].Failure = FailureClass.Refused;
        Project(batch);

        Assert.Equal(FailureClass.Refused, Assert.Single(Store.ListDead(below: null, 10)).Failure);
        Assert.Equal(FailureClass.Refused, Store.FindTask(Key(1))?.Failure);
        Assert.Equal(
            [FailureClass.Timeout, FailureClass.Refused],
            Store.ListErrors(Plan(1), 10).Select(error => error.Failure));
    }

    [Fact]
    public void A_dropped_dead_letter_is_listed_no_more_and_its_task_stays_as_failed()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 9000)
            .EndedTask(Key(1), PlanTaskState.Failure).EndedTask(Key(1, 2), PlanTaskState.Failure)
            .EndedTask(Key(1, 2, 1), PlanTaskState.Failure).EndedTask(Key(1, 3)));

        Assert.Equal(2, Store.DropDead([Key(1), Key(1, 2, 1), Key(1, 3), Key(7)]));
        Assert.Equal(0, Store.DropDead([Key(1), Key(1, 2, 1)]));
        Assert.Equal(0, Store.DropDead([]));
        Restart();

        Assert.Equal([Key(1, 2)], Store.ListDead(below: null, 10).Select(task => task.Key));
        Assert.Equal(PlanTaskState.Failure, Store.FindTask(Key(1))?.State);
        Assert.Equal(4, Store.ListTasks(Plan(1), 10).Count);
    }

    [Fact]
    public void A_dropped_dead_letter_that_is_replayed_and_fails_again_is_one_again()
    {
        Project(new ProjectionBatch().NewPlan(1, wakeMs: 9000).EndedTask(Key(1), PlanTaskState.Failure));
        Store.DropDead([Key(1)]);
        Project(new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Created, finishedMs: 0));
        Assert.Null(Store.FindTask(Key(1)));

        var batch = new ProjectionBatch().EndedTask(Key(1), PlanTaskState.Failure, finishedMs: 9000);
        batch.Tasks.Span[0].IsReplayed = true;
        Project(batch);

        Assert.Equal(9000, Assert.Single(Store.ListDead(below: null, 10)).FinishedMs);
    }

    [Fact]
    public void Of_two_that_write_an_operation_one_finds_that_the_other_has()
    {
        var stored = Store.PutOperation(Operation(1, atMs: 1000));
        Assert.Equal(1, stored?.Version);
        Assert.Null(Store.PutOperation(Operation(1, atMs: 2000)));

        var next = Store.PutOperation(stored! with { UpdatedMs = 3000, Body = [7] });
        Assert.Equal((2L, 3000L), (next!.Version, next.UpdatedMs));
        Assert.Null(Store.PutOperation(stored with { UpdatedMs = 4000 }));
        Restart();

        var found = Store.FindOperation(Id(1))!;
        Assert.Equal((2L, 3000L, true, false), (found.Version, found.UpdatedMs, found.IsRunning, found.IsStopAsked));
        Assert.Equal([7], found.Body);
        Assert.Null(Store.FindOperation(Id(2)));
    }

    [Fact]
    public void A_stop_that_was_asked_for_stays_and_is_seen_by_whoever_writes_next()
    {
        var stored = Store.PutOperation(Operation(1, atMs: 1000))!;
        Assert.True(Store.StopOperation(Id(1))!.IsStopAsked);

        var next = Store.PutOperation(stored)!;
        Assert.True(next.IsStopAsked);
        Assert.True(Store.PutOperation(next with { IsStopAsked = false })!.IsStopAsked);
        Assert.Null(Store.StopOperation(Id(2)));
    }

    [Fact]
    public void Operations_that_run_come_first_and_ended_ones_go_with_the_history()
    {
        Store.PutOperation(Operation(1, atMs: 1000) with { IsRunning = false });
        Store.PutOperation(Operation(2, atMs: 2000) with { IsRunning = false });
        Store.PutOperation(Operation(3, atMs: 500));
        Assert.Equal([Id(3), Id(2), Id(1)], Store.ListOperations(10).Select(operation => operation.Id));
        Assert.Equal([Id(3)], Store.ListOperations(1).Select(operation => operation.Id));

        while (Store.PruneHistory(1500, 100) > 0)
        {
        }

        Assert.Equal([Id(3), Id(2)], Store.ListOperations(10).Select(operation => operation.Id));
    }

    private static Guid Id(ulong number) => Plan(number).ToGuid();

    private static StoredOperation Operation(ulong number, long atMs) =>
        new(Id(number), IsRunning: true, IsStopAsked: false, Version: 0, atMs, [1, 2, 3]);

    private string? Result(TaskKey key) =>
        Store.FindResult(key) is { } result ? Encoding.UTF8.GetString(result) : null;

    private static ProjectionBatch Ended(TaskKey key, long finishedMs)
    {
        var batch = new ProjectionBatch().EndedTaskWithResult(key, "late"u8);
        batch.Tasks.Span[0].FinishedMs = finishedMs;
        return batch;
    }
}
