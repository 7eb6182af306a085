using Karya.Engine;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Simulation.Judging;

/// <summary>
/// The judge and a history written by hand. It finds nothing in that; it finds each of the lies that are put into it,
/// under the right name and nothing else; and it does not take for a lie what only looks like one.
/// </summary>
public sealed class HonestHistoryTests
{
    private static readonly ScheduleMessage After = new ScheduleMessage.After(1000);

    private static readonly PolicyMessage NoRetries = new(0, 1000, 1000, MissedRuns.Once);

    private static readonly (string Name, string Invariant, Action<HonestHistory> Tell)[] AllLies =
    [
        ("a plan is gone", "S1", told => told.Final.Plans.Remove(told.Cancelled)),
        ("a plan that ran is gone", "S1 S4", told => told.Final.Plans.Remove(told.Once)),
        ("a child is gone", "S4", told => told.Final.Plans.Remove(told.Child)),
        ("a plan that nobody ordered", "S10 L1", told => told.Add("of nobody", PlanId.None, 1000)),
        ("a plan whose order was refused", "S10", told => told.OrderOf(told.Cancelled).End = RequestEnd.Refused),
        ("a child of a task that starts nothing", "S10 L1", told => told.Add("child", told.Once, 2000)),
        ("a child of nobody", "S10 L1", told => told.Add("child", new PlanId(77), 2000)),
        ("a child that another plan's task has started", "S10 S13", told => told.Ledger.Children[told.Child] =
            (new TaskKey(told.Once, 1, 0), told.Ledger.Children[told.Child].Terms)),

        ("a success of which the target knows nothing", "S13", told => told.Ledger.Ends.RemoveAll(
            end => end.Key.Plan == told.Once)),
        ("a success that the target called a failure", "S13", told => told.ChangeEnd(
            told.Once, 1, 0, 1, end => end with { IsSuccess = false })),
        ("a success of an attempt that failed, before one that did not", "S13", told => told.ChangeRow(
            told.Retried, 1, 0, row => row with { Attempts = 1 })),
        ("a success of a task that says it started a plan, and did not", "S13", told =>
            told.Ledger.Children.Clear()),
        ("a failure that the target called a success", "S13", told => told.ChangeEnd(
            told.Failed, 1, 0, 2, end => end with { IsSuccess = true })),
        ("a hook's failure that its target called a success", "S13", told => told.ChangeRow(
            told.Failed, 1, 2, row => row with { State = PlanTaskState.Failure })),
        ("a row that counts an attempt more", "S13", told => told.ChangeRow(
            told.Failed, 1, 1, row => row with { Attempts = 3 })),
        ("a row that counts an attempt less", "S13", told => told.ChangeRow(
            told.Hung, 1, 0, row => row with { Attempts = 1 })),
        ("what ran has no row", "S4", told => told.RemoveRow(told.Endless, 1, 0)),
        ("a hook that ran has no row", "S4 S12", told => told.RemoveRow(told.Failed, 1, 1)),

        ("given up with attempts left", "S15", told => told.ChangeEnd(
            told.Refused, 1, 0, 1, end => end with { IsRetryable = true })),
        ("given up after nobody answered, with attempts left", "S15", told => told.Ledger.Ends.RemoveAll(
            end => end.Key.Plan == told.Refused)),
        ("a hook given up with attempts left", "S15", told =>
        {
            told.RemoveStarts(told.Failed, 1, 1, from: 2);
            told.ChangeRow(told.Failed, 1, 1, row => row with { State = PlanTaskState.Failure, Attempts = 1 });
        }),
        ("an attempt too many", "S15", told =>
        {
            told.ChangeEnd(told.Once, 1, 0, 1, end => end with { IsSuccess = false });
            told.Ran(told.Once, 1, 0, 2, 4000);
            told.ChangeRow(told.Once, 1, 0, row => row with { Attempts = 2 });
        }),
        ("an attempt of a hook too many", "S15", told =>
        {
            told.ChangeEnd(told.Failed, 1, 2, 1, end => end with { IsSuccess = false });
            told.Ran(told.Failed, 1, 2, 2, 6000);
            told.ChangeRow(told.Failed, 1, 2, row => row with { Attempts = 2 });
        }),
        ("an attempt without the one before it", "S15 S13", told =>
        {
            told.RemoveStarts(told.Retried, 1, 0);
            told.Ran(told.Retried, 1, 0, 2, 4000, dueMs: 2000);
        }),
        ("an attempt while the one before it runs", "S15", told => told.ChangeStart(
            told.Hung, 1, 0, 2, start => start with { AtUs = 2_000_000 + HonestHistory.TimeoutMs * 900 })),
        ("an attempt of a hook while the one before it runs", "S15", told => told.ChangeEnd(
            told.Failed, 1, 1, 1, end => end with { AtUs = 6_200_000 })),
        ("a retry before its time", "S15", told =>
        {
            var patient = told.Order("patient", After, new PolicyMessage(1, 8000, 8000, MissedRuns.Once));
            told.Ran(patient, 1, 0, 1, 2000, isSuccess: false);
            told.Ran(patient, 1, 0, 2, 4000);
            told.Row(patient, 1, 0, PlanTaskState.Success, 2, 2000);
            told.Ends(patient, PlanState.Completed);
        }),

        ("due at another instant, says the row", "S14", told => told.ChangeRow(
            told.Bounded, 2, 0, row => row with { DueMs = row.DueMs + 1 })),
        ("due at another instant, says the node", "S14", told => told.ChangeStart(
            told.Bounded, 2, 0, 1, start => start with { DueMs = start.DueMs + 1 })),
        ("early", "S5", told => told.ChangeStart(
            told.Bounded, 2, 0, 1, start => start with { DatabaseMs = start.DueMs - 1 })),
        ("an occurrence after the last one", "S14 S12", told =>
        {
            told.Ran(told.Bounded, 4, 0, 1, 40_000);
            told.Row(told.Bounded, 4, 0, PlanTaskState.Success, 1, 40_000);
        }),
        ("created after it was acknowledged", "S5 S14", told => told.Change(told.Cancelled, final => final with
        {
            Stored = final.Stored with { CreatedMs = HonestHistory.At(1200) },
        })),

        ("an occurrence is missing", "S3", told =>
        {
            told.RemoveStarts(told.Bounded, 2, 0);
            told.RemoveRow(told.Bounded, 2, 0);
        }),
        ("skipped although it ran", "S3", told => told.Ran(told.Endless, 3, 0, 1, 60_000)),
        ("skipped although it ran, and its owner handed over", "S3", told =>
        {
            told.Ran(told.Endless, 3, 0, 1, 60_000);
            told.LosesPartition();
            told.Ledger.Closed(HonestHistory.Partition, HonestHistory.Epoch);
        }),
        ("skipped although it was not late", "S3", told => told.ChangeRow(
            told.Endless, 2, 0, row => row with { FinishedMs = row.DueMs + 900 })),
        ("skipped although the policy is to run all", "S3", told =>
        {
            told.RemoveStarts(told.Bounded, 1, 0);
            told.RemoveRow(told.Bounded, 1, 0);
            told.Skipped(told.Bounded, 1, 1, 10_000, 20_000);
        }),
        ("a one-time plan is skipped", "S3", told =>
        {
            told.RemoveStarts(told.Once, 1, 0);
            told.RemoveRow(told.Once, 1, 0);
            told.Skipped(told.Once, 1, 1, 2000, 20_000);
        }),

        ("an endless plan is completed", "S14 S13", told => told.Ends(told.Endless, PlanState.Completed)),
        ("a plan is completed before its last occurrence", "S3 S12", told =>
        {
            told.RemoveStarts(told.Bounded, 3, 0);
            told.RemoveRow(told.Bounded, 3, 0);
        }),
        ("a plan is completed with an occurrence to come", "S14", told =>
        {
            var terms = HonestHistory.Message(
                "long", new ScheduleMessage.Every(60_000, HonestHistory.At(50_000), HonestHistory.At(500_000)),
                NoRetries, HonestHistory.Call());
            var plan = told.Order(terms);
            told.Ran(plan, 1, 0, 1, 50_000);
            told.Row(plan, 1, 0, PlanTaskState.Success, 1, 50_000);
            told.Ends(plan, PlanState.Completed);
        }),
        ("a completed plan has an open task", "S13", told => told.Open(
            told.Once, 1, 0, PlanTaskState.Created, 200_000)),
        ("a plan runs with nothing left", "L1 S12", told => told.Ends(told.Bounded, PlanState.Running)),
        ("a task is overdue", "L1", told => told.Open(told.Endless, 6, 0, PlanTaskState.Created, 90_000)),
        ("a hook is overdue", "L1 S12", told => told.Open(told.Failed, 1, 3, PlanTaskState.Created, 5000)),
        ("a task runs for ever", "L1", told => told.Open(
            told.Endless, 6, 0, PlanTaskState.Processing, 90_000, startedMs: 90_000)),

        ("a cancel is not in effect", "S2", told => told.Ends(told.Cancelled, PlanState.Completed)),
        ("cancelled by nobody", "S2", told => told.Ends(told.Once, PlanState.Cancelled)),
        ("cancelled although the cancel was refused", "S2", told => told.Ledger.Cancels[0].End = RequestEnd.Refused),
        ("a task is cancelled, and its plan is not", "S2", told => told.ChangeRow(
            told.Endless, 4, 0, row => row with { State = PlanTaskState.Cancelled })),
        ("a cancelled plan waits for its next occurrence", "S2", told => told.Open(
            told.Cancelled, 1, 0, PlanTaskState.Created, 200_000)),
        ("a start after the cancel", "S9", told =>
        {
            told.Ran(told.Cancelled, 1, 0, 1, 5200, dueMs: 3_601_000);
            told.Ledger.Starts[^1] = told.Ledger.Starts[^1] with { DatabaseMs = HonestHistory.At(3_601_000) };
        }),
        ("an update is not in effect", "S2", told => Ledger.Ended(
            told.Ledger.Updated(told.Once, null, 9, 3_000_000), RequestEnd.Acknowledged, 3_100_000)),

        ("a hook on failure without one", "S12", told =>
        {
            var fine = told.Order(
                "fine", After, NoRetries, new HookMessage(HookEvent.Failure, 0, HonestHistory.Call()));
            told.Ran(fine, 1, 0, 1, 2000);
            told.Row(fine, 1, 0, PlanTaskState.Success, 1, 2000);
            told.Ran(fine, 1, 1, 1, 2100);
            told.Row(fine, 1, 1, PlanTaskState.Success, 1, 2050);
            told.Ends(fine, PlanState.Completed);
        }),
        ("a hook on completion before the completion", "S12", told => told.ChangeStart(
            told.Bounded, 3, 1, 1, start => start with { AtUs = 30_010_000 })),
        ("a hook on failure before the last attempt", "S12", told => told.ChangeStart(
            told.Failed, 1, 1, 1, start => start with { AtUs = 3_000_000 })),
        ("a hook on failure during the last attempt", "S12", told => told.ChangeStart(
            told.Failed, 1, 1, 1, start => start with { AtUs = 4_010_000 })),
        ("a hook on completion of another occurrence than the last", "S12", told =>
        {
            told.ChangeStart(
                told.Bounded, 3, 1, 1, start => start with { Key = new TaskKey(told.Bounded, 2, 1) });
            told.ChangeEnd(told.Bounded, 3, 1, 1, end => end with { Key = new TaskKey(told.Bounded, 2, 1) });
            told.ChangeRow(told.Bounded, 3, 1, row => row with { Key = new TaskKey(told.Bounded, 2, 1) });
        }),
        ("a row of a hook without a start or a cause", "S12 S15", told => told.Row(
            told.Bounded, 2, 1, PlanTaskState.Failure, 0, 20_050)),
        ("a hook that the plan does not have", "S12", told =>
        {
            told.Ran(told.Bounded, 3, 2, 1, 30_200);
            told.Row(told.Bounded, 3, 2, PlanTaskState.Success, 1, 30_150);
        }),
        ("no hook on failure", "S12", told =>
        {
            told.RemoveStarts(told.Failed, 1, 1);
            told.RemoveRow(told.Failed, 1, 1);
        }),
        ("no hook on completion", "S12", told =>
        {
            told.RemoveStarts(told.Bounded, 3, 1);
            told.RemoveRow(told.Bounded, 3, 1);
        }),

        ("twice", "S8", told => told.Ran(told.Once, 1, 0, 1, 2000)),
        ("twice, after it was handed over", "S8", told =>
        {
            told.LosesPartition();
            told.Ledger.Closed(HonestHistory.Partition, HonestHistory.Epoch);
            told.Ran(told.Once, 1, 0, 1, 95_000, dueMs: 2000);
            told.ChangeStart(told.Once, 1, 0, 1, start => start with { Epoch = HonestHistory.Epoch - 1 });
        }),
        ("an old owner goes on", "S6", told => told.ChangeStart(
            told.Failed, 1, 0, 2, start => start with { Epoch = HonestHistory.Epoch - 1 })),
        ("an old owner writes", "S7", told => told.Final.LateRows.Add(new LateRow(1, 4, 5))),
        ("two plans for one order", "S10 L1", told => told.Add("cancelled", PlanId.None, 1000)),
        ("shown as running after it was completed", "S11", told =>
        {
            told.Ledger.Sights.Add(new Sight(told.Once, PlanState.Completed, 1, 2));
            told.Ledger.Sights.Add(new Sight(told.Once, PlanState.Running, 3, 4));
        }),
        ("said not to exist", "S1", told => told.Ledger.Sights.Add(
            new Sight(told.Once, null, 1_200_000, 1_200_001))),
        ("an order without an end", "S17", told => told.Ledger.Ordered(
            HonestHistory.Message(
                "lost", After, NoRetries, HonestHistory.Call()), null, 0, 0)),
        ("a partition of nobody", "S18", told => told.Final.Unowned.Add(1)),
    ];

    private static readonly (string Name, Action<HonestHistory> Tell)[] AllExplanations =
    [
        ("nothing at all", _ => { }),
        ("an order without an answer, and no plan", told => told.Ledger.Orders.Add(
            new Order(77, HonestHistory.Message("unknown", After, NoRetries, HonestHistory.Call()), null, 0, 0)
            {
                End = RequestEnd.Unknown,
            })),
        ("an order without an answer, and a plan", told => told.OrderOf(told.Retried).End = RequestEnd.Unknown),
        ("an order that was accepted, and lost", told =>
        {
            told.OrderOf(told.Cancelled).IsDurable = false;
            told.Final.Plans.Remove(told.Cancelled);
        }),
        ("a cancel without an answer, in effect", told => told.Ledger.Cancels[0].End = RequestEnd.Unknown),
        ("a cancel without an answer, not in effect", told => Ledger.Ended(
            told.Ledger.Cancelled(told.Once, 1_500_000), RequestEnd.Unknown, 1_600_000)),
        ("a refused update, not in effect", told => Ledger.Ended(
            told.Ledger.Updated(told.Endless, 5000, 9, 3_000_000), RequestEnd.Refused, 3_100_000)),
        ("given up with attempts left, since an update took them away", told =>
        {
            told.ChangeEnd(told.Refused, 1, 0, 1, end => end with { IsRetryable = true });
            Ledger.Ended(told.Ledger.Updated(told.Refused, null, 1, 1_500_000), RequestEnd.Unknown, 1_600_000);
        }),
        ("an attempt more, since an update gave it", told =>
        {
            told.ChangeEnd(told.Once, 1, 0, 1, end => end with { IsSuccess = false });
            told.Ran(told.Once, 1, 0, 2, 4000);
            told.ChangeRow(told.Once, 1, 0, row => row with { Attempts = 2 });
            Ledger.Ended(told.Ledger.Updated(told.Once, null, 2, 1_500_000), RequestEnd.Unknown, 1_600_000);
        }),
        ("a failure that the target called a success, too late", told =>
        {
            told.ChangeEnd(told.Failed, 1, 0, 2, end => end with
            {
                IsSuccess = true,
                AtUs = 4_000_000 + HonestHistory.TimeoutMs * 1000 + 1,
            });
            told.MoveHooks(told.Failed, HonestHistory.TimeoutMs + 100);
        }),
        ("a failure of the second run of an attempt whose first one succeeded", told =>
        {
            told.LosesPartition();
            told.ChangeEnd(told.Refused, 1, 0, 1, end => end with { IsSuccess = true });
            told.RunsAgain(told.Refused, 60_000, isSuccess: false, isRetryable: false);
        }),
        ("twice, after its owner was lost", told =>
        {
            told.LosesPartition();
            told.RunsAgain(told.Once, 60_000, isSuccess: true);
        }),
        ("twice, after its node crashed", told =>
        {
            told.Ledger.Crashes.Add((HonestHistory.Node, HonestHistory.Life));
            told.LosesPartition();
            told.Ledger.Closed(HonestHistory.Partition, HonestHistory.Epoch);
            told.RunsAgain(told.Once, 60_000, isSuccess: true);
        }),
        ("a retry at once, since it was triggered", told =>
        {
            var patient = told.Order("patient", After, new PolicyMessage(1, 8000, 8000, MissedRuns.Once));
            told.Ran(patient, 1, 0, 1, 2000, isSuccess: false);
            told.Ran(patient, 1, 0, 2, 2500);
            told.Row(patient, 1, 0, PlanTaskState.Success, 2, 2000);
            told.Ends(patient, PlanState.Completed);
            Ledger.Ended(told.Ledger.Triggered(patient, 2_400_000), RequestEnd.Unknown, 2_450_000);
        }),
        ("a hook on completion after the last occurrences were skipped", told =>
        {
            var plan = told.Order(
                "skipped", new ScheduleMessage.Every(10_000, HonestHistory.At(10_000), HonestHistory.At(30_000)),
                new PolicyMessage(0, 1, 1, MissedRuns.Skip),
                new HookMessage(HookEvent.Completion, 0, HonestHistory.Call()));
            told.Ran(plan, 1, 0, 1, 10_000);
            told.Row(plan, 1, 0, PlanTaskState.Success, 1, 10_000);
            told.Skipped(plan, 2, 3, 20_000, 90_000);
            told.Ran(plan, 3, 1, 1, 90_100);
            told.Row(plan, 3, 1, PlanTaskState.Success, 1, 90_050);
            told.Ends(plan, PlanState.Completed);
        }),
        ("a task that has just begun to run", told => told.Open(
            told.Endless, 6, 0, PlanTaskState.Processing, 110_000, startedMs: 110_000)),
        ("a child whose parent was lost before it heard of it", told =>
        {
            told.Ledger.Children.Clear();
            told.RemoveRow(told.Chained, 1, 0);
            told.Row(told.Chained, 1, 0, PlanTaskState.Cancelled, 1, 2000);
            told.Ends(told.Chained, PlanState.Cancelled);
            Ledger.Ended(told.Ledger.Cancelled(told.Chained, 9_000_000), RequestEnd.Unknown, 9_100_000);
        }),
    ];

    public static TheoryData<string> Lies => [.. AllLies.Select(lie => lie.Name)];

    public static TheoryData<string> Explanations => [.. AllExplanations.Select(one => one.Name)];

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_lie_is_found(string name)
    {
        var (_, invariants, tell) = Array.Find(AllLies, lie => lie.Name == name);
        var told = new HonestHistory();
        tell(told);
        var found = told.Judge().Violations.Select(violation => violation.Invariant).Distinct().Order();
        Assert.Equal(invariants.Split(' ').Order(), found);
    }

    [Theory]
    [MemberData(nameof(Explanations))]
    public void What_can_be_explained_is_no_lie(string name)
    {
        var told = new HonestHistory();
        Array.Find(AllExplanations, one => one.Name == name).Tell(told);
        Assert.Empty(told.Judge().Violations);
    }

    /// <summary>An attempt begins before the record of its start is durable: see docs/testing.md.</summary>
    [Fact]
    public void What_ran_may_be_recorded_as_skipped_by_whoever_comes_after_a_lost_owner()
    {
        var told = new HonestHistory();
        told.Ran(told.Endless, 3, 0, 1, 60_000);
        told.LosesPartition();

        var verdict = told.Judge();

        Assert.Empty(verdict.Violations);
        Assert.Equal(1, verdict.RanAndSkipped);
    }

    [Fact]
    public void Work_that_was_done_twice_is_counted()
    {
        var told = new HonestHistory();
        told.LosesPartition();
        told.RunsAgain(told.Once, 60_000, isSuccess: true);
        Assert.Equal(1, told.Judge().DuplicatesExplained);
    }
}
