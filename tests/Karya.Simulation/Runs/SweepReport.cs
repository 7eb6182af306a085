using System.Globalization;
using System.Reflection;
using System.Text;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Runs;

/// <summary>What a sweep has shown, added up.</summary>
internal sealed class SweepReport
{
    public const string FailureMark = "FAILED ";

    private const int ViolationsShown = 5;

    /// <summary>From so many seeds on, everything that can happen must have happened.</summary>
    private const int SeedsThatShowAll = 400;

    private readonly Counters _counters = new();
    private readonly SortedDictionary<string, long> _violations = new(StringComparer.Ordinal);
    private readonly SortedDictionary<ProfileKind, (long SimulatedUs, double ProcessorSeconds)> _speeds = [];
    private long _seeds;
    private long _failed;
    private long _broken;
    private long _events;
    private long _faults;
    private long _acknowledged;
    private long _executions;
    private long _explained;
    private long _ranAndSkipped;

    public double ClusterHours => _speeds.Values.Sum(speed => speed.SimulatedUs) / 3.6e9;

    public long Seeds => _seeds;

    public bool IsClean => _failed == 0 && NeverHappened.Count == 0;

    /// <summary>What a sweep of this size should have come across and has not.</summary>
    public IReadOnlyList<Happening> NeverHappened =>
        _seeds < SeedsThatShowAll ? [] : [.. Enum.GetValues<Happening>().Where(what => _counters[what] == 0)];

    /// <summary>Takes a run, and the processor time that it took.</summary>
    public void Add(RunOutcome outcome, double processorSeconds)
    {
        _seeds++;
        _failed += outcome.IsClean ? 0 : 1;
        _broken += outcome.Broken is null ? 0 : 1;
        _events += outcome.EventCount;
        _faults += outcome.FaultCount;
        _counters.Add(outcome.Counters);
        _acknowledged += outcome.Verdict.PlansAcknowledged;
        _executions += outcome.Verdict.Executions;
        _explained += outcome.Verdict.DuplicatesExplained;
        _ranAndSkipped += outcome.Verdict.RanAndSkipped;
        foreach (var violation in outcome.Verdict.Violations)
            _violations[violation.Invariant] = _violations.GetValueOrDefault(violation.Invariant) + 1;
        var speed = _speeds.GetValueOrDefault(outcome.Profile.Kind);
        _speeds[outcome.Profile.Kind] =
            (speed.SimulatedUs + outcome.SimulatedUs, speed.ProcessorSeconds + processorSeconds);
    }

    /// <summary>One run in words; when it failed, with all that it takes to see it again.</summary>
    public static string Describe(RunOutcome outcome)
    {
        var text = new StringBuilder(outcome.IsClean ? "clean " : FailureMark);
        text.Append(
            CultureInfo.InvariantCulture,
            $"SEED={outcome.Seed} PROFILE={outcome.Profile.Kind} COMMIT={Commit()} {outcome.Profile.NodeCount} nodes, "
            + $"{outcome.FaultCount} faults, {outcome.Verdict.PlansAcknowledged} plans, "
            + $"{outcome.Verdict.Executions} executions\n");
        if (outcome.Broken is { } broken)
            text.Append("  BROKEN ").Append(broken).Append('\n');
        foreach (var violation in outcome.Verdict.Violations.Take(ViolationsShown))
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"  INVARIANT={violation.Invariant} ({violation.Promise}) at t={violation.AtUs / 1e6:F6}s, "
                + $"plan {violation.Plan}: {violation.Text}\n");
        }

        if (!outcome.IsClean)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"  again: dotnet run -c Release --project tests/Karya.Simulation -- replay --seed {outcome.Seed} "
                + $"--profile {outcome.Profile.Kind} --trace trace.txt\n");
        }

        return text.ToString();
    }

    public string Print()
    {
        var text = new StringBuilder();
        Line("seeds", _seeds);
        Line("failed seeds", _failed);
        Line("simulated cluster-hours", (long)ClusterHours);
        Line("events", _events);
        Line("faults injected", _faults);
        Line("plans acknowledged", _acknowledged);
        Line("executions", _executions);
        Line("lost", Violations("S1", "S3"));
        Line("changes lost", Violations("S2"));
        Line("not recorded", Violations("S4"));
        Line("early", Violations("S5"));
        Line("zombie starts", Violations("S6"));
        Line("late writes", Violations("S7"));
        Line("duplicates explained", _explained);
        Line("duplicates unexplained", Violations("S8", "S10"));
        Line("cancelled but ran", Violations("S9"));
        Line("status regressions", Violations("S11"));
        Line("rows that are not true", Violations("S13"));
        Line("ran and skipped, explained", _ranAndSkipped);
        Line("hooks missing", Violations("S12"));
        Line("drift", Violations("S14"));
        Line("retry policy", Violations("S15"));
        Line("orders without an end", Violations("S17"));
        Line("stuck", Violations("L1"));
        Line("partitions without an owner", Violations("S18"));
        Line("own checks broken", _broken);
        foreach (var (kind, speed) in _speeds)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"{kind + ", cluster-hours per core-minute",-40} "
                + $"{speed.SimulatedUs / 3.6e9 / (speed.ProcessorSeconds / 60),14:F1}\n");
        }

        foreach (var what in Enum.GetValues<Happening>())
            text.Append(CultureInfo.InvariantCulture, $"  {what,-38} {_counters[what],14}\n");
        foreach (var what in NeverHappened)
            text.Append(CultureInfo.InvariantCulture, $"{FailureMark}{what} has never happened\n");
        return text.ToString();

        void Line(string what, long count) =>
            text.Append(CultureInfo.InvariantCulture, $"{what,-40} {count,14}\n");
    }

    private long Violations(params ReadOnlySpan<string> invariants)
    {
        long count = 0;
        foreach (string invariant in invariants)
            count += _violations.GetValueOrDefault(invariant);
        return count;
    }

    private static string Commit()
    {
        string? version = typeof(SweepReport).Assembly
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        return version?.Split('+') is [_, var commit] ? commit[..Math.Min(8, commit.Length)] : "unknown";
    }
}
