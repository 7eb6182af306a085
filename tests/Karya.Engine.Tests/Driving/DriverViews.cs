using Karya.Engine.Journal;
using Xunit;

namespace Karya.Engine.Tests.Driving;

/// <summary>What a test asks a driver about the state behind it.</summary>
internal static class DriverViews
{
    /// <summary>A plan as the tables have it once they are up to date.</summary>
    public static PlanMemo MemoOf(this ShardDriver driver, PlanId plan)
    {
        driver.ProjectNow();
        return PlanMemo.Read(driver.Store.Plans[plan].Memo);
    }

    public static PlanState StateOf(this ShardDriver driver, PlanId plan) => driver.MemoOf(plan).State;

    /// <summary>The open tasks of a plan, by occurrence and hook.</summary>
    public static OpenTask[] OpenOf(this ShardDriver driver, PlanId plan) =>
        [.. driver.MemoOf(plan).OpenTasks.OrderBy(t => t.Occurrence).ThenBy(t => t.Hook)];

    /// <summary>How a task ended, once the tables are up to date; null while it is open.</summary>
    public static PlanTaskState? EndOf(this ShardDriver driver, PlanId plan, long occurrence = 1, int hook = 0)
    {
        driver.ProjectNow();
        return driver.Store.Tasks.TryGetValue(new TaskKey(plan, occurrence, hook), out var row) ? row.State : null;
    }

    /// <summary>Advances and lets every attempt succeed at the instant at which it starts.</summary>
    public static void RunAndSucceed(this ShardDriver driver, long untilMs)
    {
        driver.Settle();
        while (true)
        {
            foreach (var attempt in driver.Running.ToArray())
                driver.Succeed(attempt);
            driver.Settle();
            if (driver.Running.Count > 0)
                continue;
            if (driver.Shard.NextTurnMs > untilMs)
                break;
            driver.AdvanceTo(Math.Max(driver.NowMs, driver.Shard.NextTurnMs));
        }

        driver.AdvanceTo(untilMs);
    }

    /// <summary>Advances until an attempt of the task runs, and gives it.</summary>
    public static Dispatch AwaitStart(this ShardDriver driver, PlanId plan, long occurrence = 1, int hook = 0)
    {
        for (int turns = 0; !driver.IsRunning(plan, occurrence, hook); turns++)
        {
            Assert.True(turns < 100_000, $"Task {occurrence}/{hook} of plan {plan} does not start.");
            driver.Settle();
            Assert.True(driver.Shard.NextTurnMs < long.MaxValue, "Nothing will ever happen again.");
            if (!driver.IsRunning(plan, occurrence, hook))
                driver.AdvanceTo(Math.Max(driver.NowMs, driver.Shard.NextTurnMs));
        }

        return driver.RunningOf(plan, occurrence, hook);
    }
}
