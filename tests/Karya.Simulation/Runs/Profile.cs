using Karya.Node.Cluster;
using Karya.Simulation.Kernel;
using Karya.Simulation.Nodes;

namespace Karya.Simulation.Runs;

/// <summary>Which kind of run.</summary>
internal enum ProfileKind
{
    /// <summary>Minutes of dense work, and any mixture of faults.</summary>
    Swarm,

    /// <summary>The same with limits so small that they are met all the time.</summary>
    Tiny,

    /// <summary>Days of sparse work over a change of summer time, with few faults.</summary>
    Long,

    /// <summary>No faults at all: then there are no duplicates, and nothing is late.</summary>
    Calm,
}

/// <summary>What a run is made of: drawn from its seed, each kind of fault there or not.</summary>
internal sealed record Profile
{
    public ProfileKind Kind { get; init; }

    public int NodeCount { get; init; } = 3;

    public int ClientCount { get; init; } = 3;

    /// <summary>How long there is work and faults; then all is healed, and looked at when it has settled.</summary>
    public long LengthUs { get; init; }

    /// <summary>How long it may take to settle.</summary>
    public long SettleUs { get; init; } = 60_000_000;

    public double PlansPerSecond { get; init; } = 10;

    public NodeSettings Nodes { get; init; } = new();

    public StoreFaults Store { get; init; } = new();

    public NetworkFaults Network { get; init; } = new();

    /// <summary>On average, between two faults of a kind; 0 for none of it.</summary>
    public IReadOnlyDictionary<FaultKind, double> FaultEveryUs { get; init; } = new Dictionary<FaultKind, double>();

    public double TargetFailures { get; init; }

    public double TargetHangs { get; init; }

    public double TargetUs { get; init; } = 5000;

    /// <summary>Attempts that wait between being handed out and the last look before they begin.</summary>
    public double SlowStarts { get; init; }

    public long SlowStartUsMax { get; init; } = 1;

    /// <summary>Pages of the tables that lie around before the shard takes them.</summary>
    public double SlowPages { get; init; }

    /// <summary>Rates of machines' clocks differ by up to this, in parts.</summary>
    public double ClockRateError { get; init; }

    /// <summary>Of what clients do: cancels, updates and triggers beside submits, in parts of the plans.</summary>
    public double Cancels { get; init; } = 0.15;

    public double Updates { get; init; } = 0.05;

    public double Triggers { get; init; } = 0.03;

    public bool HasClockSteps => FaultEveryUs.ContainsKey(FaultKind.DatabaseClockStep);

    /// <summary>Draws a run.</summary>
    public static Profile Draw(Prng chance, ProfileKind kind)
    {
        bool Has() => chance.Chance(0.45);
        double Some(double max) => Has() ? chance.Unit() * max : 0;

        var times = new ClusterTimes(chance.Between(2000, 5000)) { DrainMs = chance.Pick([0L, 50, 250]) };
        var settings = new NodeSettings
        {
            PartitionCount = (int)chance.Between(4, 24),
            ShardCount = (int)chance.Between(1, 2),
            Times = times,
            HorizonMs = chance.Between(1_000, 60_000),
            ProjectionIntervalMs = chance.Pick([20L, 200, 1000, 10_000]),
        };
        var profile = new Profile
        {
            Kind = kind,
            NodeCount = (int)chance.Between(3, 7),
            ClientCount = (int)chance.Between(2, 6),
            LengthUs = chance.Between(60, 240) * 1_000_000,
            PlansPerSecond = chance.Between(1, 12),
            Nodes = settings,
            TargetUs = chance.Pick([1000.0, 5000, 50_000]),
        };
        if (kind == ProfileKind.Calm)
            return profile;

        profile = profile with
        {
            Store = new StoreFaults
            {
                LostReplies = Some(0.02),
                LateRequests = Some(0.01),
                LateUsMax = chance.Between(100_000, 6_000_000),
                SlowCommits = Some(0.05),
                SlowUsMax = chance.Between(10_000, 3_000_000),
            },
            Network = new NetworkFaults(
                LatencyUs: chance.Pick([50.0, 150, 2000]), Loss: Some(0.01), Duplication: Some(0.02),
                Delay: Some(0.02), DelayUsMax: chance.Between(10_000, 2_000_000)),
            TargetFailures = Some(0.5),
            TargetHangs = Some(0.02),
            SlowStarts = Some(0.02),
            SlowStartUsMax = chance.Between(10_000, 8_000_000),
            SlowPages = Some(0.8),
            ClockRateError = Some(0.0004),
            FaultEveryUs = DrawFaults(chance),
        };
        return kind switch
        {
            ProfileKind.Tiny => profile with
            {
                PlansPerSecond = chance.Between(1, 4),
                TargetUs = 1000,
                Nodes = settings with
                {
                    PartitionCount = (int)chance.Between(1, 4),
                    InFlightMax = (int)chance.Between(1, 3),
                    LaneInFlightMax = 1,
                    InboxCapacity = (int)chance.Between(1, 8),
                    ProjectionLagMax = (int)chance.Between(2, 20),
                    HorizonMs = chance.Between(200, 3000),
                },
            },
            ProfileKind.Long => Stretch(profile, chance),
            _ => profile,
        };
    }

    private static Dictionary<FaultKind, double> DrawFaults(Prng chance)
    {
        var faults = new Dictionary<FaultKind, double>();
        foreach (var kind in Enum.GetValues<FaultKind>())
        {
            double everyUs = chance.Between(8, 60) * 1_000_000.0;
            if (chance.Chance(kind == FaultKind.DatabaseClockStep ? 0.15 : 0.45))
                faults[kind] = everyUs;
        }

        return faults;
    }

    /// <summary>Days instead of minutes: everything that happens regularly happens more rarely.</summary>
    private static Profile Stretch(Profile profile, Prng chance)
    {
        const double Rarer = 400;
        var faults = new Dictionary<FaultKind, double>();
        foreach (var (kind, everyUs) in profile.FaultEveryUs)
            faults[kind] = everyUs * Rarer;
        return profile with
        {
            NodeCount = 3,
            LengthUs = chance.Between(24, 72) * 3600 * 1_000_000,
            SettleUs = 3600L * 1_000_000,
            PlansPerSecond = 0.003,
            FaultEveryUs = faults,
            Nodes = profile.Nodes with
            {
                Times = new ClusterTimes(120_000) { AwayMs = 1_200_000 },
                AliveMs = 90_000,
                HeartbeatMs = 30_000,
                UpkeepMs = 60_000,
                SleepMsMax = 600_000,
                HorizonMs = chance.Pick([60_000L, 3_600_000, 12L * 3_600_000]),
            },
        };
    }
}
