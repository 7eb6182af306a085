using Karya.Engine;
using Karya.Simulation.Judging;
using Karya.Simulation.Kernel;
using Karya.Simulation.Nodes;
using Karya.Simulation.Stores;

namespace Karya.Simulation.Runs;

/// <summary>What a run has shown.</summary>
internal sealed record RunOutcome(
    ulong Seed, Profile Profile, ulong TraceHash, long EventCount, long SimulatedUs, long FaultCount, Verdict Verdict,
    Counters Counters)
{
    /// <summary>What was judged.</summary>
    public required History History { get; init; }

    /// <summary>What the engine's own checks found; null for nothing.</summary>
    public string? Broken { get; init; }

    public bool IsClean => Broken is null && Verdict.Violations.Count == 0;
}

/// <summary>
/// One seed from its beginning to its judgement: work and faults, healing, settling, and a look at all of it.
/// </summary>
internal static class SimulationRun
{
    /// <summary>How often the time to settle is given once more to those who still have work.</summary>
    private const int SettleRoundsMax = 10;

    /// <summary>Runs a seed.</summary>
    /// <param name="seed">Decides everything.</param>
    /// <param name="kind">Which kind of run.</param>
    /// <param name="trace">Gets what happens, in words; null for nobody.</param>
    public static RunOutcome Run(ulong seed, ProfileKind kind, TextWriter? trace = null)
    {
        var world = new World(World.Mix(seed) ^ (ulong)kind, trace);
        var profile = Profile.Draw(world.Chance.Fork(), kind);
        Nemesis? nemesis = null;
        using var cluster = new Cluster(world, profile, node => nemesis!.Ended(node));
        nemesis = new Nemesis(cluster);
        string? broken = null;
        int[] unowned = [];
        try
        {
            unowned = Live(cluster, nemesis);
        }
        catch (Exception e)
        {
            broken = e.ToString();
        }

        var history = Record(cluster, unowned);
        return new RunOutcome(
            seed, profile, world.TraceHash, world.EventCount, world.NowUs, nemesis.FaultCount, Judge.Check(history),
            cluster.Counters)
        {
            History = history,
            Broken = broken,
        };
    }

    /// <returns>Partitions that are nobody's in the end.</returns>
    private static int[] Live(Cluster cluster, Nemesis nemesis)
    {
        var world = cluster.World;
        var profile = cluster.Profile;
        cluster.Work.AddUsers();
        foreach (var node in cluster.Nodes)
            world.After(world.Chance.Between(0, 2_000_000), () => cluster.Start(node));
        nemesis.Start();
        cluster.Work.Start();
        world.RunUntil(profile.LengthUs);

        cluster.Work.Stop();
        nemesis.HealAll();
        cluster.Heal();
        world.Note($"healed");
        world.RunUntil(profile.LengthUs + profile.SettleUs);
        for (int round = 0; round < SettleRoundsMax && IsBehind(cluster); round++)
            world.RunUntil(world.NowUs + profile.SettleUs);
        var unowned = Unowned(cluster);
        FlushTables(cluster);
        unowned.IntersectWith(Unowned(cluster));
        return [.. unowned];
    }

    private static HashSet<int> Unowned(Cluster cluster)
    {
        var partitions = Enumerable.Range(0, cluster.Settings.PartitionCount).ToHashSet();
        foreach (var node in cluster.Nodes)
            partitions.RemoveWhere(partition => node.Process is { IsServing: true } there && there.MayTake(partition));
        return partitions;
    }

    /// <summary>Due tasks still wait for a place: they may, for as long as they become fewer.</summary>
    private static bool IsBehind(Cluster cluster)
    {
        foreach (var node in cluster.Nodes)
        {
            foreach (var shard in node.Process?.Shards ?? [])
            {
                if (shard.Shard.Status.Ready > 0)
                    return true;
            }
        }

        return false;
    }

    /// <summary>
    /// The end is judged by the tables, so they get everything. What was sent before the healing and is lost is noticed
    /// only when its time is up.
    /// </summary>
    private static void FlushTables(Cluster cluster)
    {
        for (int round = 0; round < SettleRoundsMax; round++)
        {
            bool isFlushed = true;
            foreach (var node in cluster.Nodes)
            {
                foreach (var shard in node.Process?.Shards ?? [])
                {
                    shard.Shard.Inbox.Close();
                    shard.Shard.Inbox.RequestProjection();
                    isFlushed &= shard.Shard.Status.ProjectedPosition == shard.Shard.Status.Position;
                }
            }

            if (isFlushed && round > 0)
                return;
            cluster.World.RunUntil(cluster.World.NowUs + 20_000_000);
        }

        throw new InvalidOperationException("Long after everything was healed, the tables still lag behind.");
    }

    private static History Record(Cluster cluster, int[] unowned)
    {
        var profile = cluster.Profile;
        using var store = new SimStore(cluster.Database.Data, "judge", TimeProvider.System);
        var final = FinalState.Read(store, cluster.Work.Users);
        final.LateRows.AddRange(cluster.Database.Data.LateRows);
        final.Unowned.AddRange(unowned);
        Count(cluster, final);
        long healedMs = (cluster.World.StartUs + profile.LengthUs + cluster.Database.Clock.OffsetUs) / 1000;
        return new History(
            cluster.Ledger, final,
            new JudgeOptions
            {
                CutoffMs = healedMs,
                AttemptTimeoutMs = cluster.Settings.AttemptTimeoutMs,
                ClockStepped = profile.HasClockSteps,
                IsCalm = profile.Kind == ProfileKind.Calm,
            });
    }

    /// <summary>What can be told from the ledger and the tables alone.</summary>
    private static void Count(Cluster cluster, FinalState final)
    {
        foreach (var start in cluster.Ledger.Starts)
        {
            cluster.Counters.Count(Happening.RetryFired, start.Attempt > 1 ? 1 : 0);
            cluster.Counters.Count(Happening.HookFired, start.Key.IsHook ? 1 : 0);
        }

        foreach (var plan in final.Plans.Values)
        {
            foreach (var task in plan.Tasks)
            {
                cluster.Counters.Count(Happening.SkippedOccurrences, task.State == PlanTaskState.Skipped ? 1 : 0);
                cluster.Counters.Count(Happening.DeadLetter, task.State == PlanTaskState.Failure ? 1 : 0);
            }
        }
    }
}
