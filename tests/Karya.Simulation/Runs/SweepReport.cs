using System.Globalization;
using System.Text;
using Karya.Simulation.Kernel;

namespace Karya.Simulation.Runs;

/// <summary>What a sweep has shown, added up.</summary>
internal sealed class SweepReport
{
    public const string FailureMark = "FAILED ";

    private readonly Counters _counters = new();
    private long _seeds;
    private long _failed;
    private long _events;
    private long _faults;
    private long _simulatedUs;
    private long _acked, _starts, _duplicates;

    public TimeSpan WallTime { get; set; }

    public int ThreadCount { get; set; }

    public double ClusterHours => _simulatedUs / 3.6e9;

    public bool IsClean => _failed == 0;

    public void Add(RunOutcome outcome)
    {
        _seeds++;
        _failed += outcome.IsClean ? 0 : 1;
        _events += outcome.EventCount;
        _faults += outcome.FaultCount;
        _simulatedUs += outcome.SimulatedUs;
        _counters.Add(outcome.Counters);
        _acked += outcome.Verdict.PlansAcknowledged;
        _starts += outcome.Verdict.Executions;
        _duplicates += outcome.Verdict.DuplicatesExplained;
    }

    public static string Describe(RunOutcome outcome)
    {
        var text = new StringBuilder();
        if (outcome.IsClean)
            text.Append("clean ");
        else
            text.Append(FailureMark);
        text.Append(CultureInfo.InvariantCulture, $"SEED={outcome.Seed} PROFILE={outcome.Profile.Kind} events {outcome.EventCount} starts {outcome.Verdict.Executions} acked {outcome.Verdict.PlansAcknowledged} dup {outcome.Verdict.DuplicatesExplained} faults {outcome.FaultCount} nodes {outcome.Profile.NodeCount}\n");
        if (outcome.Broken is { } broken)
            text.Append("  BROKEN ").Append(broken).Append('\n');
        foreach (var violation in outcome.Verdict.Violations.Take(5))
            text.Append(CultureInfo.InvariantCulture, $"  {violation.Invariant} {violation.Promise} at {violation.AtUs / 1e6:F6} s: plan {violation.Plan}: {violation.Text}\n");
        return text.ToString();
    }

    public string Print()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"seeds {_seeds} failed {_failed} hours {ClusterHours:F2} faults {_faults} events {_events} acked {_acked} starts {_starts} dup {_duplicates} wall {WallTime.TotalSeconds:F1}s hours/core-min {ClusterHours / (WallTime.TotalMinutes * ThreadCount):F1}\n");
        foreach (var what in Enum.GetValues<Happening>())
            text.Append(CultureInfo.InvariantCulture, $"  {what} {_counters[what]}\n");
        return text.ToString();
    }
}
