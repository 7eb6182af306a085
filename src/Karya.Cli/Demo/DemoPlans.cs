using Karya.Cli.Commands;
using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Cli.Demo;

/// <summary>The sample plans: one of each kind, all done within a minute.</summary>
internal static class DemoPlans
{
    private static readonly KeyValuePair<string, string>[] JsonContent = [new("content-type", "application/json")];

    public static async Task SubmitAsync(IPlanDesk desk, string target, long nowMs, CancellationToken stopping)
    {
        // The user that the other commands ask for: their first look shows something.
        var user = await desk.FindUserAsync(ServerFlags.UserDefault, stopping)
            ?? await desk.CreateUserAsync(ServerFlags.UserDefault, stopping);
        await desk.SubmitAsync(
            Once(user.Id, "one-time, in 2 s", 2, Call(target, "ok")), stopping);
        await desk.SubmitAsync(
            Once(user.Id, "recurring, every 3 s for half a minute", 3, Call(target, "ok")) with
            {
                Recurring = true,
                EndAtMs = nowMs + 30_000,
            },
            stopping);
        var alarm = new PlanHook(HookTrigger.OnFailure, Call(target, "ok/alarm"), RetriesMax: 3);
        var failing = Once(user.Id, "failing, 2 retries, then its hook", 4, Call(target, "down"), alarm);
        await desk.SubmitAsync(failing with { RetriesMax = 2 }, stopping);
        var child = Once(user.Id, "child of the chained plan", 2, Call(target, "ok"));
        var done = new PlanHook(HookTrigger.OnCompletion, Call(target, "ok/done"), RetriesMax: 3);
        await desk.SubmitAsync(
            Once(user.Id, "chained: starts a child that is due 2 s later", 5, new ChainedAction(child), done),
            stopping);
    }

    private static PlanDraft Once(
        UserId user, string description, int seconds, PlanAction action, params PlanHook[] hooks)
    {
        var body = new PlanBody(description, $"PT{seconds}S", action, hooks);
        return new PlanDraft(user, body, seconds * 1000, Recurring: false, EndAtMs: null, RetriesMax: 0);
    }

    private static RestAction Call(string target, string path) =>
        new(Https: false, $"{target}/{path}", "POST", JsonContent, "{\"from\":\"demo\"}", RestAction.TimeoutMsDefault);
}
