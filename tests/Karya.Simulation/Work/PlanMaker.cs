using Karya.Protocol.Messages;
using Karya.Simulation.Kernel;
using Karya.Simulation.Runs;

namespace Karya.Simulation.Work;

/// <summary>Draws plans of every kind, as clients send them.</summary>
internal sealed class PlanMaker(Prng chance, ProfileKind kind, IReadOnlyList<UInt128> users)
{
    private const int DepthMax = 2;

    private static readonly string[] Zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"];

    private static readonly string[] EveryFewMinutes = ["* * * * *", "*/2 * * * *", "1-59/3 * * * *"];

    private static readonly string[] EveryFewHours =
    [
        "30 2 * * *", "0 2 * * *", "*/30 1-3 * * *", "15 * * * *", "0 0 * * *", "59 1,2,3 * * 0", "30 1 25 10 *",
        "30 2 28 3 *",
    ];

    private bool IsLong => kind == ProfileKind.Long;

    /// <param name="nowMs">On the database's clock.</param>
    /// <param name="name">Told from those of all other plans.</param>
    public PlanMessage Make(long nowMs, string name) => Make(nowMs, name, depth: 0, chance.Pick(users));

    private PlanMessage Make(long nowMs, string name, int depth, UInt128 user)
    {
        var hooks = new HookMessage[depth < DepthMax && chance.Chance(0.3) ? chance.Below(3) : 0];
        for (int i = 0; i < hooks.Length; i++)
        {
            hooks[i] = new HookMessage(
                chance.Chance(0.5) ? HookEvent.Failure : HookEvent.Completion, chance.Below(3),
                MakeAction(nowMs, depth, user));
        }

        int retries = chance.Chance(0.6) ? chance.Below(4) : 0;
        long delayMs = chance.Between(50, 2000);
        return new PlanMessage(
            user,
            MakeSchedule(nowMs, depth),
            new PolicyMessage(
                retries, delayMs, chance.Between(delayMs, delayMs * 8), (MissedRuns)chance.Below(3)),
            new ContentMessage(name, MakeAction(nowMs, depth, user), hooks));
    }

    private ActionMessage MakeAction(long nowMs, int depth, UInt128 user) =>
        depth < DepthMax && chance.Chance(0.12)
            ? new ChainAction(Make(nowMs, "child", depth + 1, user))
            : new RestAction("POST", $"http://target-{chance.Below(4)}.example/", [], null, 0);

    private ScheduleMessage MakeSchedule(long nowMs, int depth)
    {
        long soonMs = IsLong ? chance.Between(0, 20L * 3600 * 1000) : chance.Between(0, 20_000);
        long periodMs = IsLong ? chance.Between(60_000, 8L * 3600 * 1000) : chance.Between(300, 20_000);
        long? endMs = chance.Chance(depth > 0 ? 1 : 0.7) ? nowMs + soonMs + periodMs * chance.Between(0, 8) : null;
        int form = chance.Below(depth > 0 ? 3 : 10); // Children end: else they would pile up.
        return form switch
        {
            <= 2 => new ScheduleMessage.After(soonMs),
            <= 4 => new ScheduleMessage.At(nowMs + soonMs),
            <= 7 => new ScheduleMessage.Every(
                periodMs, chance.Chance(0.5) ? nowMs + soonMs : null, endMs),
            _ => new ScheduleMessage.Cron(
                chance.Pick(IsLong ? EveryFewHours : EveryFewMinutes), chance.Pick(Zones), endMs),
        };
    }
}
