using Karya.Engine;
using Karya.Protocol;
using Karya.Simulation.Judging;

namespace Karya.Chaos;

/// <summary>How late the first attempt of an occurrence was, once its plan had been acknowledged.</summary>
internal readonly record struct Lateness(long DueMs, long AtMs)
{
    public long Ms => Math.Max(0, AtMs - DueMs);
}

/// <summary>Puts together what clients, the sink and the log of leases know, for the judge.</summary>
internal sealed class Evidence(
    Ledger ledger, FinalState final, IReadOnlyList<LeaseChange> leases, IReadOnlyList<Slot> slots)
{
    public const long AttemptTimeoutMs = 5000;

    private const int Partitions = 256;

    private readonly Dictionary<string, int> _owners = new(StringComparer.Ordinal);
    private readonly Dictionary<(int Partition, long Epoch), int> _nodes = [];

    public List<Lateness> Lateness { get; } = [];

    /// <summary>Attempts that began.</summary>
    public int Executed { get; private set; }

    public History Gather(IReadOnlyList<Arrival> arrivals, long cutoffMs)
    {
        AddTenures();
        var cases = Judge.Gather(ledger, final);
        var byPlan = arrivals.GroupBy(arrival => new PlanId(arrival.Plan))
            .ToDictionary(plan => plan.Key, plan => new TaskNames(plan.Key, cases.GetValueOrDefault(plan.Key)));
        var seen = new HashSet<TaskKey>();
        foreach (var arrival in arrivals.OrderBy(arrival => arrival.AtUs))
        {
            var names = byPlan[new PlanId(arrival.Plan)];
            if (!names.IsJudged)
                continue;
            var key = names.Of(arrival.Task);
            if (arrival.IsAnswer)
            {
                bool isSuccess = !arrival.Path.StartsWith("/fail", StringComparison.Ordinal);
                ledger.Ends.Add(new End(key, arrival.Attempt, isSuccess, IsRetryable: true, arrival.AtUs));
                continue;
            }

            Executed++;
            int partition = PartitionHash.Of(key.Plan.Value, Partitions);
            long dueMs = names.DueMs(key.Occurrence);
            ledger.Starts.Add(new Start(
                key, arrival.Attempt, arrival.Epoch, partition,
                _nodes.GetValueOrDefault((partition, arrival.Epoch), -1), Life: 0, dueMs, arrival.AtUs,
                arrival.AtUs / 1000));
            if (!key.IsHook && arrival.Attempt == 1 && seen.Add(key))
                Lateness.Add(new Lateness(Math.Max(dueMs, names.AcknowledgedMs), arrival.AtUs / 1000));
        }

        return new History(
            ledger, final, new JudgeOptions { CutoffMs = cutoffMs, AttemptTimeoutMs = AttemptTimeoutMs });
    }

    /// <summary>Who had what; a partition that was released was handed over in order.</summary>
    private void AddTenures()
    {
        foreach (var change in leases)
        {
            if (change.IsReleased)
            {
                ledger.Closed(change.Partition, change.Epoch);
                continue;
            }

            if (!_owners.TryGetValue(change.Owner, out int node))
                _owners.Add(change.Owner, node = _owners.Count);
            _nodes[(change.Partition, change.Epoch)] = node;
            ledger.Opened(change.Partition, change.Epoch, node, life: 0, change.AtMs * 1000);
        }

        foreach (var life in slots.SelectMany(slot => slot.Lives).Where(life => life.WasKilled))
        {
            if (_owners.TryGetValue(life.Owner, out int node))
                ledger.Crashes.Add((node, 0));
        }
    }

    /// <summary>The tasks of a plan by their ids, which are all that the sink is told.</summary>
    private sealed class TaskNames
    {
        private const int OccurrencesMax = 10_000;

        private readonly PlanCase? _plan;
        private readonly Dictionary<Guid, TaskKey> _keys = [];
        private readonly List<long> _dueMs = [];
        private readonly IEnumerator<long>? _next;
        private readonly PlanId _id;
        private long _named;

        public TaskNames(PlanId id, PlanCase? plan)
        {
            _id = id;
            _plan = plan;
            if (IsJudged)
                _next = plan!.DueInstants().GetEnumerator();
        }

        /// <summary>Before that it could be due, and nobody knew of it.</summary>
        public long AcknowledgedMs => (_plan!.Order?.EndedUs ?? 0) / 1000;

        public bool IsJudged => _plan is { Terms: not null, Final: not null };

        public TaskKey Of(Guid task)
        {
            TaskKey key;
            while (!_keys.TryGetValue(task, out key) && _named < OccurrencesMax)
            {
                _named++;
                for (int hook = 0; hook <= _plan!.Terms!.Content.Hooks.Count; hook++)
                {
                    var named = new TaskKey(_id, _named, hook);
                    _keys.Add(named.ToTaskId(), named);
                }
            }

            return key;
        }

        public long DueMs(long occurrence)
        {
            while (_dueMs.Count < occurrence && _next!.MoveNext())
                _dueMs.Add(_next.Current);
            return occurrence <= _dueMs.Count ? _dueMs[(int)occurrence - 1] : 0;
        }
    }
}
