using Karya.Engine.Tests.Driving;

namespace Karya.Engine.Tests.Journal;

/// <summary>A short life of two plans that leaves a record of every kind, the same bytes in every run.</summary>
internal static class StoredFormLife
{
    private const long Now = ShardDriver.StartMs;

    public static void Live(ShardDriver driver)
    {
        var (many, once) = (PlanDraft.Plan(1), PlanDraft.Plan(2));
        driver.SubmitNow(new PlanDraft(many, Now + 100)
        {
            PeriodMs = 60_000,
            EndMs = Now + 500_000,
            Attempts = 2,
            Hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()],
        });
        driver.Fail(driver.AwaitStart(many));
        driver.Settle();
        driver.Fail(driver.AwaitStart(many));
        driver.Succeed(driver.AwaitStart(many, hook: 1));
        driver.Settle();
        driver.Update(many, PlanUpdate.Attempts | PlanUpdate.Period, periodMs: 50_000, attempts: 3);
        driver.ProjectNow();
        driver.Replay(new TaskKey(many, 1, 0));
        driver.Settle();
        driver.AwaitStart(many);
        driver.Sleep(200_000);
        driver.Advance(5);
        driver.SubmitNow(new PlanDraft(once, Now + 9_000_000) { Misfire = MisfirePolicy.All });
        driver.CancelNow(once);
        driver.ProjectNow();
    }
}
