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
    /// <summary>What the engine's own checks found; null for nothing.</summary>
    public string? Broken { get; init; }

    public bool IsClean => Broken is null && Verdict.Violations.Count == 0;
}

/// <summary>One seed from its beginning to its judgement: work and faults, healing, settling, and a look at all of it.</summary>
internal static class SimulationRun
{
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
        try
        {
            Live(cluster, nemesis);
        }
        catch (Exception e)
        {
            broken = e.ToString();
        }

        return new RunOutcome(
            seed, profile, world.TraceHash, world.EventCount, world.NowUs, nemesis.FaultCount, Judge(cluster),
            cluster.Counters)
        {
            Broken = broken,
        };
    }

    private static void Live(Cluster cluster, Nemesis nemesis)
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
        cluster.Targets.IsHealed = true;
        world.Note($"healed");
        world.RunUntil(profile.LengthUs + profile.SettleUs);
        FlushTables(cluster);
    }

    /// <summary>The end is judged by the tables, so they get everything.</summary>
    private static void FlushTables(Cluster cluster)
    {
        foreach (var node in cluster.Nodes)
        {
            foreach (var shard in node.Process?.Shards ?? [])
            {
                shard.Shard.Inbox.Close();
                shard.Shard.Inbox.RequestProjection();
            }
        }

        cluster.World.RunUntil(cluster.World.NowUs + 20_000_000);
    }

    private static Verdict Judge(Cluster cluster)
    {
        if (Environment.GetEnvironmentVariable("SIM_DBG") is not null)
        foreach (var node in cluster.Nodes)
        {
            if (node.Process is { IsServing: true } p)
                foreach (var sh in p.Shards)
                    Console.Error.WriteLine($"node {node.Number} behind {cluster.Database.Clock.NowMs - p.Ticks.NowMs()} owned {p.Owned.Count} trusted {p.IsTrusted} next {sh.Shard.NextTurnMs - p.Ticks.NowMs()} ready {sh.Shard.Status.Ready} inflight {sh.Shard.Status.InFlight} sched {sh.Shard.Status.Scheduled} journal {p.JournalOf(sh.Number).Dbg} changed {sh.Shard.Status.ChangedPlans} resident {sh.Shard.Status.ResidentPlans} until {sh.Shard.ResidentUntilMs - p.Ticks.NowMs()}");
            else Console.Error.WriteLine($"node {node.Number} down");
        }
        var profile = cluster.Profile;
        using var store = new SimStore(cluster.Database.Data, "judge", TimeProvider.System);
        var final = FinalState.Read(store, cluster.Work.Users);
        long healedMs = (World.StartUs + profile.LengthUs + cluster.Database.Clock.OffsetUs) / 1000;
        return Judging.Judge.Check(
            cluster.Ledger, final,
            new JudgeOptions
            {
                CutoffMs = healedMs, ClockStepped = profile.HasClockSteps, IsCalm = profile.Kind == ProfileKind.Calm,
            });
    }
}
