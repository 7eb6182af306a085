using System.Globalization;
using System.Text;
using Karya.Simulation.Judging;

namespace Karya.Chaos;

/// <summary>What a run has shown, and what of it must not be.</summary>
internal sealed class ChaosReport
{
    private readonly ChaosOptions _options;
    private readonly Nemesis _nemesis;
    private readonly Load _load;
    private readonly Evidence _evidence;
    private readonly Verdict _verdict;
    private readonly IReadOnlyList<Slot> _slots;
    private readonly List<long> _failoversMs = [];
    private int _cascadesRan;

    public ChaosReport(
        ChaosOptions options, Nemesis nemesis, Load load, Evidence evidence, Verdict verdict, IReadOnlyList<Slot> slots)
    {
        _options = options;
        _nemesis = nemesis;
        _load = load;
        _evidence = evidence;
        _verdict = verdict;
        _slots = slots;
        Failures = [.. nemesis.Failures];
        foreach (var violation in verdict.Violations)
        {
            Failures.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"{violation.Invariant}, plan {violation.Plan}, {violation.AtUs}: {violation.Text}"));
        }

        foreach (var task in load.TasksNotDone)
            Failures.Add($"the worker task of plan {task} was acknowledged and never carried out");
        if (verdict.PlansAcknowledged < nemesis.Faults.Count)
            Failures.Add("The load was too small to say anything.");
    }

    /// <summary>Empty when all is well.</summary>
    public List<string> Failures { get; }

    /// <summary>Others claim what a killed node had within a lease and 2 s.</summary>
    public void CheckFailovers(IReadOnlyList<LeaseChange> leases)
    {
        var limit = _options.Lease + TimeSpan.FromSeconds(2);
        foreach (var kill in _nemesis.Faults.Where(
            fault => fault.Kind is FaultKind.Kill or FaultKind.KillAndStart))
        {
            var lastByPartition = leases.Where(change => change.AtMs <= kill.BeganMs)
                .GroupBy(change => change.Partition).Select(changes => changes.Last());
            var life = _slots.Single(slot => slot.Name == kill.Where).Lives
                .Last(one => one.StartedMs <= kill.BeganMs);
            var lost = lastByPartition.Where(change => change.Owner == life.Owner && !change.IsReleased).ToList();
            foreach (var had in lost)
            {
                long claimedMs = leases
                    .Where(change => change.Partition == had.Partition && change.Epoch > had.Epoch)
                    .Select(change => change.AtMs).DefaultIfEmpty(long.MaxValue).First();
                _failoversMs.Add(claimedMs - kill.BeganMs);
            }
        }

        if (_failoversMs.Count > 0 && _failoversMs.Max() > limit.TotalMilliseconds)
        {
            Failures.Add(
                $"a partition of a killed node was claimed {_failoversMs.Max()} ms after the kill, not within {limit}");
        }
    }

    /// <summary>What was cancelled with the plan that started it does not run any more.</summary>
    public void CheckCascades(IReadOnlyList<Arrival> arrivals)
    {
        const string Path = "/ok/cascade/";
        foreach (var arrival in arrivals)
        {
            if (arrival.IsAnswer || !arrival.Path.StartsWith(Path, StringComparison.Ordinal))
                continue;
            int number = int.Parse(arrival.Path[Path.Length..], CultureInfo.InvariantCulture);
            if (!_load.Cascades.TryGetValue(number, out long cancelledUs) || arrival.AtUs <= cancelledUs)
                continue;
            _cascadesRan++;
            Failures.Add($"cascade {number} ran {(arrival.AtUs - cancelledUs) / 1000} ms after its cancel");
        }
    }

    public string Print()
    {
        var text = new StringBuilder();
        void Line(string name, object value) =>
            text.AppendLine(CultureInfo.InvariantCulture, $"  {name,-34} {value,14}");

        text.AppendLine(CultureInfo.InvariantCulture, $"chaos, seed {_options.Seed}");
        Line("faults", _nemesis.Faults.Count);
        Line("acknowledged", _verdict.PlansAcknowledged);
        Line("executed", _evidence.Executed);
        Line("worker tasks", _load.WorkerTasks);
        Line("cascades cancelled", _load.Cascades.Count);
        Line("LOST", _verdict.Count("S1", "S3", "S4", "L1") + _load.TasksNotDone.Count);
        Line("changes lost", _verdict.Count("S2"));
        Line("early", _verdict.Count("S5"));
        Line("zombie starts", _verdict.Count("S6"));
        Line("duplicates explained", _verdict.DuplicatesExplained);
        Line("unexplained duplicates", _verdict.Count("S8", "S10"));
        Line("cancelled-but-ran", _verdict.Count("S9") + _cascadesRan);
        Line("other violations", _verdict.Violations.Count
            - _verdict.Count("S1", "S2", "S3", "S4", "S5", "S6", "S8", "S9", "S10", "L1"));
        text.AppendLine("  late, ms                                    n    p50    p99    max");
        Late(text, "without faults", _evidence.Lateness.Where(
            one => !_nemesis.Faults.Exists(fault => fault.Covers(one.DueMs) || fault.Covers(one.AtMs))));
        foreach (var kind in Enum.GetValues<FaultKind>())
        {
            Late(text, kind.ToString(), _evidence.Lateness.Where(one => _nemesis.Faults.Exists(
                fault => fault.Kind == kind && (fault.Covers(one.DueMs) || fault.Covers(one.AtMs)))));
        }

        if (_failoversMs.Count > 0)
        {
            _failoversMs.Sort();
            Line("failover, ms, p50", _failoversMs[_failoversMs.Count / 2]);
            Line("failover, ms, max", _failoversMs[^1]);
        }

        foreach (var slot in _slots)
            Line($"RSS of {slot.Name}, MiB, max", slot.RssMib);
        foreach (var (code, times) in _load.Refusals.OrderBy(refusal => refusal.Key, StringComparer.Ordinal))
            Line($"answered with {code}", times);
        Line("failures", Failures.Count);
        foreach (string failure in Failures.Take(20))
            text.AppendLine(CultureInfo.InvariantCulture, $"  FAILED {failure}");
        return text.ToString();
    }

    private static void Late(StringBuilder text, string name, IEnumerable<Lateness> some)
    {
        var sorted = some.Select(one => one.Ms).Order().ToList();
        if (sorted.Count > 0)
        {
            long median = sorted[sorted.Count / 2];
            long most = sorted[(int)(sorted.Count * 0.99)];
            text.AppendLine(
                CultureInfo.InvariantCulture, $"    {name,-32} {sorted.Count,8} {median,6} {most,6} {sorted[^1],6}");
        }
    }
}
