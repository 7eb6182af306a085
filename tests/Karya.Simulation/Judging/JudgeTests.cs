using Karya.Engine;
using Karya.Protocol.Messages;
using Karya.Simulation.Runs;
using Xunit;

namespace Karya.Simulation.Judging;

/// <summary>
/// The judge is told lies about runs that were clean, one at a time, and has to name them. Each test changes the
/// history of the first run that has what it needs.
/// </summary>
public sealed class JudgeTests
{
    private const long HourMs = 3_600_000;

    private static readonly (ulong Seed, ProfileKind Kind)[] Runs =
    [
        (1, ProfileKind.Tiny), (2, ProfileKind.Tiny), (3, ProfileKind.Tiny), (4, ProfileKind.Tiny),
        (5, ProfileKind.Tiny), (6, ProfileKind.Tiny), (7, ProfileKind.Tiny), (8, ProfileKind.Tiny),
        (1, ProfileKind.Swarm), (2, ProfileKind.Swarm), (3, ProfileKind.Swarm), (4, ProfileKind.Swarm),
    ];

    [Fact]
    public void A_plan_that_was_acknowledged_is_gone() => Sees("S1", history =>
        history.Final.Plans.Remove(Promised(history, plan => plan.Starts.Count == 0).Id));

    [Fact]
    public void A_plan_that_was_acknowledged_is_said_not_to_exist() => Sees("S1", history =>
    {
        var plan = Promised(history);
        history.Ledger.Sights.Add(new Sight(plan.Id, null, plan.Order!.EndedUs + 1, plan.Order.EndedUs + 2));
    });

    [Fact]
    public void A_child_that_a_task_has_started_is_gone() => Sees("S1", history =>
    {
        var child = Any(history, plan => plan is { Parent: not null, Starts.Count: 0, MayBeCancelled: false });
        history.Final.Plans.Remove(child.Id);
    });

    [Fact]
    public void A_cancel_that_was_acknowledged_is_not_in_effect() => Sees("S2", history =>
    {
        var plan = Any(history, plan => plan.Final!.State == PlanState.Running && plan.Cancels.Count == 0);
        Ledger.Ended(history.Ledger.Cancelled(plan.Id, long.MaxValue - 1), RequestEnd.Acknowledged, long.MaxValue);
    });

    [Fact]
    public void A_plan_is_shown_as_running_after_its_cancel() => Sees("S2", history =>
    {
        var cancel = history.Ledger.Cancels.Find(one => one.End == RequestEnd.Acknowledged) ?? throw new NoSuchCase();
        history.Ledger.Sights.Add(
            new Sight(cancel.Plan, PlanState.Running, cancel.EndedUs + 1, cancel.EndedUs + 2));
    });

    [Fact]
    public void A_plan_is_cancelled_and_nobody_did_so() => Sees("S2", history =>
    {
        var plan = Any(history, plan => plan is { Parent: null, MayBeCancelled: false });
        Replace(history, plan.Final! with { Stored = plan.Final.Stored with { State = PlanState.Cancelled } });
    });

    [Theory]
    [InlineData(54_321L, null)]
    [InlineData(null, 77)]
    public void An_update_that_was_acknowledged_is_not_in_effect(long? periodMs, int? attemptsMax) =>
        Sees("S2", history =>
        {
            var plan = Any(history, plan => plan.Updates.Count == 0);
            var update = history.Ledger.Updated(plan.Id, periodMs, attemptsMax, 0);
            Ledger.Ended(update, RequestEnd.Acknowledged, 1);
        });

    [Fact]
    public void An_occurrence_neither_ran_nor_was_skipped() => Sees("S3", history =>
    {
        var plan = Ended(history, out var task);
        history.Ledger.Starts.RemoveAll(start => start.Key == task.Key);
        Replace(history, plan.Final! with { Tasks = [.. plan.Final.Tasks.Where(other => other != task)] });
    });

    [Fact]
    public void An_occurrence_was_skipped_that_was_not_late() => Sees("S3", history =>
    {
        var plan = Ended(history, out var task);
        history.Ledger.Starts.RemoveAll(start => start.Key == task.Key);
        var skipped = task with
        {
            State = PlanTaskState.Skipped,
            Reason = SkipReason.Misfire,
            FinishedMs = task.DueMs + 1,
            Attempts = 0,
        };
        Replace(history, plan.Final! with { Tasks = [.. plan.Final.Tasks.Where(other => other != task), skipped] });
    });

    [Fact]
    public void A_task_ran_and_has_no_row() => Sees("S4", history =>
    {
        var plan = Ended(history, out var task);
        Replace(history, plan.Final! with { Tasks = [.. plan.Final.Tasks.Where(other => other != task)] });
    });

    [Fact]
    public void An_attempt_starts_before_it_is_due() => Sees("S5", history =>
        Change(history, TimedStart(history), start => start with { DatabaseMs = start.DueMs - 1 }));

    [Fact]
    public void A_plan_is_created_after_it_was_acknowledged() => Sees("S5", history => Created(history, HourMs));

    [Fact]
    public void A_plan_is_created_before_it_was_submitted() => Sees("S14", history => Created(history, -HourMs));

    [Fact]
    public void An_owner_starts_something_after_the_next_owner_did() => Sees("S6", history =>
    {
        var start = TimedStart(history);
        history.Ledger.Starts.Add(start with { Epoch = start.Epoch - 1, Attempt = start.Attempt + 40 });
    });

    [Fact]
    public void A_row_is_written_after_the_next_owner_wrote() => Sees("S7", history =>
        history.Final.LateRows.Add(new LateRow(1, 4, 5)));

    [Fact]
    public void A_partition_is_nobody_s() => Sees("S18", history => history.Final.Unowned.Add(2));

    [Fact]
    public void An_attempt_starts_twice_under_one_epoch() => Sees("S8", history =>
        history.Ledger.Starts.Add(LastStart(history)));

    [Fact]
    public void An_attempt_starts_twice_though_its_partition_was_handed_over()
    {
        var history = Run((1, ProfileKind.Calm));
        history = history with { Options = history.Options with { IsCalm = false } };
        history.Ledger.Tenures.Clear();
        StartAgain(history);
        Assert.Equal("S8", Assert.Single(Judge.Check(history).Violations).Invariant);
    }

    [Fact]
    public void An_order_is_acknowledged_as_two_plans() => Sees("S10", history =>
        Promised(history).Order!.IsTwice = true);

    [Fact]
    public void An_order_has_become_two_plans() => Sees("S10", history =>
    {
        var plan = Promised(history).Final!;
        Replace(history, plan with { Stored = plan.Stored with { Id = new PlanId(4711) } });
    });

    [Fact]
    public void An_attempt_starts_after_the_cancel_was_acknowledged() => Sees("S9", history =>
    {
        var start = LastStart(history);
        var cancel = history.Ledger.Cancelled(start.Key.Plan, start.AtUs - 2);
        Ledger.Ended(cancel, RequestEnd.Acknowledged, start.AtUs - 1);
    });

    [Fact]
    public void A_child_starts_after_the_cancel_of_its_parent_was_acknowledged() => Sees("S9", history =>
    {
        var child = Any(history, plan => plan.Parent is not null && plan.Starts.Count > 0);
        var cancel = history.Ledger.Cancelled(child.Parent!.Value.Plan, 0);
        Ledger.Ended(cancel, RequestEnd.Acknowledged, child.Starts[^1].AtUs - 1);
    });

    [Fact]
    public void A_plan_is_shown_in_an_earlier_state_than_before() => Sees("S11", history =>
    {
        var plan = Any(history, plan => plan.Final!.State == PlanState.Completed);
        history.Ledger.Sights.Add(new Sight(plan.Id, PlanState.Completed, long.MaxValue - 4, long.MaxValue - 3));
        history.Ledger.Sights.Add(new Sight(plan.Id, PlanState.Running, long.MaxValue - 2, long.MaxValue - 1));
    });

    [Fact]
    public void A_plan_is_in_an_earlier_state_in_the_end() => Sees("S11", history =>
    {
        var plan = Any(history, plan => plan.Final!.State == PlanState.Running);
        history.Ledger.Sights.Add(new Sight(plan.Id, PlanState.Completed, 1, 2));
    });

    [Theory]
    [InlineData(HookEvent.Completion)]
    [InlineData(HookEvent.Failure)]
    public void A_hook_is_missing(HookEvent trigger) => Sees("S12", history =>
    {
        foreach (var plan in Cases(history).Where(plan => plan is { Terms: not null, MayBeCancelled: false }))
        {
            var hooks = plan.Terms!.Content.Hooks;
            var task = plan.Final!.Tasks.FirstOrDefault(
                task => task.Key.IsHook && hooks[task.Key.Hook - 1].Event == trigger);
            if (task is null)
                continue;
            history.Ledger.Starts.RemoveAll(start => start.Key == task.Key);
            Replace(history, plan.Final with { Tasks = [.. plan.Final.Tasks.Where(other => other != task)] });
            return;
        }

        throw new NoSuchCase();
    });

    [Fact]
    public void A_hook_starts_before_what_it_follows_from() => Sees("S12", history =>
    {
        var hook = history.Ledger.Starts.Find(start => start.Key.IsHook);
        if (hook == default)
            throw new NoSuchCase();
        history.Ledger.Starts.RemoveAll(start => start.Key.Plan == hook.Key.Plan && !start.Key.IsHook);
    });

    [Fact]
    public void A_row_tells_of_an_attempt_that_nobody_has_seen() => Sees("S13", history =>
    {
        var plan = Ended(history, out var task);
        var more = task with { Attempts = task.Attempts + 1 };
        Replace(history, plan.Final! with { Tasks = [.. plan.Final.Tasks.Where(other => other != task), more] });
    });

    [Fact]
    public void A_completed_plan_has_an_open_task() => Sees("S13", history =>
    {
        var open = Any(history, plan => plan.Final!.OpenTasks.Any(task => task.Hook == 0));
        var plan = Any(history, plan => plan.Final!.State == PlanState.Completed);
        Replace(history, plan.Final! with { OpenTasks = open.Final!.OpenTasks });
    });

    [Fact]
    public void An_occurrence_is_due_at_another_instant() => Sees("S14", history =>
        Change(history, TimedStart(history), start => start with { DueMs = start.DueMs + 1 }));

    [Fact]
    public void More_occurrences_run_than_there_are() => Sees("S14", history =>
    {
        var plan = Promised(history, plan => plan.Terms!.Schedule is ScheduleMessage.At && plan.Starts.Count > 0);
        var start = plan.Starts[0];
        history.Ledger.Starts.Add(start with { Key = new TaskKey(start.Key.Plan, 2, 0) });
    });

    [Fact]
    public void A_task_has_more_attempts_than_its_policy_allows() => Sees("S15", history =>
    {
        var start = TimedStart(history);
        history.Ledger.Starts.Add(start with { Attempt = 99 });
    });

    [Fact]
    public void A_retry_starts_before_its_delay_is_over() => Sees("S15", history =>
    {
        var (retry, end) = Cases(history).Where(plan => plan.Terms is not null && !history.Options.ClockStepped)
            .SelectMany(plan => plan.Starts
                .Where(start => start is { Attempt: > 1, Key.IsHook: false }
                    && StartChecks.LeastDelayMs(plan.Terms!.Policy, start.Attempt - 1) > 1600)
                .Select(start => (start, plan.AttemptOf(start.Key.Occurrence, 0, start.Attempt - 1).Ends
                    .FirstOrDefault())))
            .FirstOrDefault(pair => pair.Item2 != default);
        if (end == default)
            throw new NoSuchCase();
        Change(history, retry, start => start with { AtUs = end.AtUs + 1 });
    });

    [Fact]
    public void An_order_has_no_end() => Sees("S17", history =>
        history.Ledger.Ordered(Promised(history).Terms!, null, 0, 0));

    [Fact]
    public void A_task_is_overdue_in_the_end()
    {
        var history = Run((1, ProfileKind.Calm));
        var late = history with
        {
            Options = history.Options with { CutoffMs = history.Options.CutoffMs + 24 * HourMs },
        };
        Assert.Contains(Judge.Check(late).Violations, violation => violation.Invariant == "L1");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_crash_or_a_loss_explains_why_an_attempt_starts_twice(bool isCrash)
    {
        var history = Run((1, ProfileKind.Calm));
        history = history with { Options = history.Options with { IsCalm = false } };
        var first = StartAgain(history);
        if (isCrash)
            history.Ledger.Crashes.Add((first.Node, first.Life));
        else
            history.Ledger.Opened(first.Partition, first.Epoch + 1, first.Node + 1, 1, first.AtUs);

        var verdict = Judge.Check(history);

        Assert.Empty(verdict.Violations);
        Assert.Equal(1, verdict.DuplicatesExplained);
    }

    [Fact]
    public void A_cancel_without_an_answer_may_have_been_carried_out_or_not()
    {
        var history = Run((1, ProfileKind.Calm));
        var start = LastStart(history);
        Ledger.Ended(history.Ledger.Cancelled(start.Key.Plan, start.AtUs - 2), RequestEnd.Unknown, start.AtUs - 1);
        var other = Any(history, plan => plan is { Starts.Count: 0, Cancels.Count: 0, Parent: null });
        Ledger.Ended(history.Ledger.Cancelled(other.Id, 0), RequestEnd.Unknown, 1);
        Replace(history, other.Final! with
        {
            Stored = other.Final.Stored with { State = PlanState.Cancelled },
            OpenTasks = [],
        });

        Assert.Empty(Judge.Check(history).Violations);
    }

    /// <summary>The judge finds nothing in a history, and names the lie when there is one in it.</summary>
    private static void Sees(string invariant, Action<History> lie)
    {
        foreach (var run in Runs)
        {
            var history = Run(run);
            Assert.Empty(Judge.Check(history).Violations);
            try
            {
                lie(history);
            }
            catch (NoSuchCase)
            {
                continue;
            }

            Assert.Contains(Judge.Check(history).Violations, violation => violation.Invariant == invariant);
            return;
        }

        Assert.Fail("No run has the case that this test needs.");
    }

    private static History Run((ulong Seed, ProfileKind Kind) run) => SimulationRun.Run(run.Seed, run.Kind).History;

    private static IEnumerable<PlanCase> Cases(History history) =>
        Judge.Gather(history.Ledger, history.Final).Values.Where(plan => plan.Final is not null);

    private static PlanCase Any(History history, Func<PlanCase, bool> isWanted) =>
        Cases(history).FirstOrDefault(isWanted) ?? throw new NoSuchCase();

    private static PlanCase Promised(History history) => Promised(history, _ => true);

    private static PlanCase Promised(History history, Func<PlanCase, bool> isWanted) => Any(history, plan =>
        plan is { Order.IsDurable: true, MayBeCancelled: false, MayHaveOtherPeriod: false } && isWanted(plan));

    /// <summary>A plan with an occurrence that ran to its end.</summary>
    private static PlanCase Ended(History history, out Node.Storage.StoredTask task)
    {
        bool IsEnd(Node.Storage.StoredTask one) => one is { State: PlanTaskState.Success, Key.IsHook: false };
        var plan = Promised(history, plan => plan.Final!.Tasks.Any(IsEnd));
        task = plan.Final!.Tasks.First(IsEnd);
        return plan;
    }

    /// <summary>Of an occurrence that everything is known about, in a run in which time can be judged.</summary>
    private static Start TimedStart(History history)
    {
        var plan = Promised(history, plan => !history.Options.ClockStepped && !plan.IsTriggered
            && plan.Starts.Exists(start => start is { Attempt: 1, Key.IsHook: false }));
        return plan.Starts.Find(start => start is { Attempt: 1, Key.IsHook: false });
    }

    /// <summary>Nothing starts after it, so that what is added behind it is out of order for no other reason.</summary>
    private static Start LastStart(History history) => history.Ledger.Starts[^1];

    /// <summary>The last attempt of all starts once more, under the next epoch.</summary>
    private static Start StartAgain(History history)
    {
        var start = LastStart(history);
        history.Ledger.Starts.Add(start with { Epoch = start.Epoch + 1, Node = start.Node + 1 });
        return start;
    }

    private static void Created(History history, long offsetMs)
    {
        if (history.Options.ClockStepped)
            throw new NoSuchCase();
        var plan = Promised(history).Final!;
        Replace(history, plan with
        {
            Stored = plan.Stored with { CreatedMs = plan.Stored.CreatedMs + offsetMs },
        });
    }

    private static void Change(History history, Start start, Func<Start, Start> change) =>
        history.Ledger.Starts[history.Ledger.Starts.IndexOf(start)] = change(start);

    private static void Replace(History history, FinalPlan plan) => history.Final.Plans[plan.Id] = plan;

    private sealed class NoSuchCase : Exception;
}
