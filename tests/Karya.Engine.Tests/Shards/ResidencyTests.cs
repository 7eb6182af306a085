using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Shards;

public sealed class ResidencyTests
{
    private const long Now = ShardDriver.StartMs;
    private const long Horizon = 10_000;

    private readonly PlanId _plan = PlanDraft.Plan(1);

    [Fact]
    public void A_hundred_thousand_plans_beyond_the_horizon_leave_memory_and_fire_on_time()
    {
        const int count = 100_000;
        using var driver = new ShardDriver(
            partitions: 16, horizonMs: Horizon, inFlightMax: 1_000_000, laneInFlightMax: 1_000_000);
        var random = new Random(3);
        for (int i = 1; i <= count; i++)
        {
            var id = PlanDraft.Plan(i);
            driver.Post(new PlanDraft(id, Now + 60_000 + random.Next(60_000) / 100 * 100)
                .ToCommand(Now, driver.PartitionOf(id), replyTo: null));
            if (i % 10_000 == 0)
                driver.Settle();
        }

        driver.Advance(1000);
        Assert.Equal(0, driver.Shard.Status.ResidentPlans);
        Assert.Equal(count, driver.Store.Plans.Count);

        long worstLateMs = 0;
        int started = 0;
        driver.TurnEnded = dispatches =>
        {
            foreach (var attempt in dispatches)
                worstLateMs = Math.Max(worstLateMs, attempt.StartedMs - attempt.DueMs);
            started += dispatches.Length;
            driver.Running.Clear();
        };
        driver.AdvanceTo(Now + 130_000);
        Assert.Equal(count, started);
        Assert.Equal(0, worstLateMs);
    }

    [Fact]
    public void Windows_follow_each_other_without_gap_or_overlap_and_well_ahead()
    {
        using var driver = new ShardDriver(horizonMs: Horizon);
        driver.AdvanceTo(Now + 200_000);

        long toMs = long.MinValue;
        foreach (var window in driver.Windows)
        {
            Assert.Equal(toMs, window.FromMs);
            Assert.True(window.ToMs > window.FromMs);
            toMs = window.ToMs;
        }

        Assert.True(toMs >= driver.NowMs + Horizon);
    }

    [Fact]
    public void A_plan_within_the_horizon_stays_in_memory()
    {
        using var driver = new ShardDriver(horizonMs: Horizon);
        driver.SubmitNow(new PlanDraft(_plan, Now + Horizon - 1));
        driver.Advance(1000);

        Assert.Equal(1, driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_plan_does_not_leave_memory_before_the_tables_have_it()
    {
        using var driver = new ShardDriver(horizonMs: Horizon) { HoldsProjections = true };
        driver.SubmitNow(new PlanDraft(_plan, Now + 50_000));
        driver.Advance(5000);
        Assert.Equal(1, driver.Shard.Status.ResidentPlans);

        driver.WriteProjection();
        driver.Settle();
        Assert.Equal(0, driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_plan_that_changed_while_it_was_projected_stays_until_that_is_projected_too()
    {
        using var driver = new ShardDriver(horizonMs: Horizon) { HoldsProjections = true };
        driver.SubmitNow(new PlanDraft(_plan, Now + 50_000));
        driver.Advance(100);
        driver.Update(_plan, PlanUpdate.Attempts, attempts: 3);
        driver.Settle();
        driver.WriteProjection();
        driver.Settle();
        Assert.Equal(1, driver.Shard.Status.ResidentPlans);

        driver.HoldsProjections = false;
        driver.ProjectNow();
        Assert.Equal(0, driver.Shard.Status.ResidentPlans);
        driver.AdvanceTo(Now + 50_000);
        Assert.Equal(3, driver.RunningOf(_plan).AttemptsMax);
    }

    [Fact]
    public void A_load_that_read_the_plan_before_its_last_change_does_not_bring_the_old_state_back()
    {
        using var driver = new ShardDriver(horizonMs: Horizon);
        driver.SubmitNow(new PlanDraft(_plan, Now + 16_000) { PeriodMs = 1_000_000 });
        driver.ProjectNow();
        driver.HoldsLoads = true;
        driver.AdvanceTo(Now + 5000); // A window is read now; it contains the plan as it is, and does not arrive.
        Assert.Equal(1, driver.HeldPageCount);

        driver.Cancel(_plan); // Needs the plan: a second load.
        driver.Settle();
        Assert.Equal(2, driver.HeldPageCount);
        driver.DeliverPage();
        driver.DeliverPage();
        driver.Settle();
        driver.ProjectNow();
        Assert.Equal(PlanState.Cancelled, driver.Store.Plans[_plan].State);

        driver.HoldsLoads = false;
        driver.AdvanceTo(Now + 100_000);
        Assert.Empty(driver.Started);
    }

    [Fact]
    public void A_plan_that_ends_while_an_older_picture_of_it_is_on_its_way_stays_ended()
    {
        using var driver = new ShardDriver(horizonMs: Horizon) { HoldsProjections = true };
        var other = PlanDraft.Plan(2);
        driver.SubmitNow(new PlanDraft(_plan, Now + 16_000));
        driver.ProjectNow();
        driver.WriteProjection(); // In the tables: created. Dropped from memory only at the next turn.
        driver.HoldsLoads = true;
        driver.Cancel(other); // A load is under way from here on: nothing is dropped.
        driver.Settle();
        driver.AdvanceTo(Now + 6000); // The window with the plan as it was is read.
        Assert.True(driver.HeldPageCount >= 2);
        driver.Cancel(_plan);
        driver.Settle();
        driver.HoldsProjections = false;
        driver.ProjectNow();
        while (driver.HeldPageCount > 0)
        {
            driver.DeliverPage();
            driver.Settle();
        }

        driver.ProjectNow();
        driver.HoldsLoads = false;
        driver.AdvanceTo(Now + 60_000);
        Assert.Empty(driver.Started);
        Assert.Equal(PlanState.Cancelled, driver.StateOf(_plan));
        Assert.Equal(0, driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void A_window_that_could_not_be_read_is_asked_for_again_and_nothing_is_missed()
    {
        using var driver = new ShardDriver(horizonMs: Horizon);
        driver.SubmitNow(new PlanDraft(_plan, Now + 16_000));
        driver.ProjectNow();
        driver.Windows.Clear();
        driver.LoadFailures = 3;
        driver.AdvanceTo(Now + 12_000);

        Assert.True(driver.Windows.Count >= 4);
        Assert.All(driver.Windows.Take(4), window => Assert.Equal(driver.Windows[0].FromMs, window.FromMs));
        driver.AdvanceTo(Now + 16_000);
        Assert.True(driver.IsRunning(_plan));
    }

    [Fact]
    public void Failed_loads_are_made_again_a_second_apart_and_not_in_a_loop()
    {
        using var driver = new ShardDriver(horizonMs: Horizon) { LoadFailures = int.MaxValue };
        driver.AdvanceTo(Now + 30_000);

        Assert.InRange(driver.Windows.Count, 20, 31);
    }

    [Fact]
    public void A_command_whose_plan_could_not_be_read_is_answered_as_overloaded()
    {
        using var driver = new ShardDriver(horizonMs: Horizon);
        driver.SubmitNow(new PlanDraft(_plan, Now + 60_000));
        driver.ProjectNow();
        driver.LoadFailures = 1;
        var failed = driver.Cancel(_plan);
        driver.Settle();
        Assert.Equal(ReplyCode.Overloaded, failed.Code);

        driver.CancelNow(_plan);
    }

    [Fact]
    public void Commands_that_wait_for_plans_are_bounded()
    {
        using var driver = new ShardDriver(horizonMs: Horizon) { HoldsLoads = true };
        Answer[] answers =
            [.. Enumerable.Range(1, Limits.ParkedCommandsMax + 1).Select(i => driver.Cancel(PlanDraft.Plan(i)))];
        driver.Settle();
        Assert.Equal(ReplyCode.Overloaded, answers[^1].Code);
        Assert.All(answers[..^1], answer => Assert.Null(answer.Code));

        driver.HoldsLoads = false;
        driver.Step();
        driver.Settle();
        Assert.All(answers[..^1], answer => Assert.Equal(ReplyCode.NotFound, answer.Code));
    }

    [Fact]
    public void Two_commands_that_wait_for_the_same_plan_are_both_applied_in_order()
    {
        using var driver = new ShardDriver(horizonMs: Horizon);
        driver.SubmitNow(new PlanDraft(_plan, Now + 60_000) { PeriodMs = 5 });
        driver.ProjectNow();
        driver.HoldsLoads = true;
        var update = driver.Update(_plan, PlanUpdate.Period, periodMs: 77);
        var cancel = driver.Cancel(_plan);
        driver.Settle();
        driver.HoldsLoads = false;
        driver.Step();
        driver.Settle();

        Assert.Equal((ReplyCode.Ok, ReplyCode.Ok), (update.Code, cancel.Code));
        Assert.Equal(77, driver.MemoOf(_plan).Spec.PeriodMs);
        Assert.Equal(PlanState.Cancelled, driver.StateOf(_plan));
    }

    [Fact]
    public void Memory_is_given_back_when_plans_have_ended()
    {
        using var driver = new ShardDriver();
        for (int i = 1; i <= 500; i++)
        {
            driver.SubmitNow(new PlanDraft(PlanDraft.Plan(i), driver.NowMs + 5)
            {
                Attempts = 2,
                Hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()],
            });
            driver.Fail(driver.AwaitStart(PlanDraft.Plan(i)), retryable: i % 2 == 0);
            driver.RunAndSucceed(driver.NowMs + 500);
        }

        driver.ProjectNow();
        Assert.Equal((0L, 0L, 0L), (
            driver.Shard.Status.ResidentPlans, driver.Shard.Status.Scheduled, driver.Shard.Status.ChangedPlans));
    }
}
