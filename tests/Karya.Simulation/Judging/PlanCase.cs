using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>An attempt, as targets know it: one that was repeated began more than once.</summary>
internal sealed class AttemptCase
{
    public List<Start> Starts { get; } = [];

    public List<End> Ends { get; } = [];
}

/// <summary>All that is known about one plan. It may have a hundred thousand occurrences: they are looked up.</summary>
internal sealed class PlanCase(PlanId id)
{
    private static readonly AttemptCase Unseen = new();

    private readonly Dictionary<(long Occurrence, int Hook, int Attempt), AttemptCase> _attempts = [];
    private readonly SortedList<long, StoredTask> _skipped = [];

    public PlanId Id => id;

    /// <summary>What was asked for; null when nobody is known to have asked.</summary>
    public PlanMessage? Terms { get; set; }

    /// <summary>Who asked; null for a child.</summary>
    public Order? Order { get; set; }

    /// <summary>The task that started it; null for a plan of a client.</summary>
    public TaskKey? Parent { get; set; }

    public FinalPlan? Final { get; private set; }

    /// <summary>In the order in which they happened.</summary>
    public List<Start> Starts { get; } = [];

    /// <summary>Rows of tasks that have ended, by occurrence and hook.</summary>
    public Dictionary<(long Occurrence, int Hook), StoredTask> Rows { get; } = [];

    /// <summary>The latest attempt of each task that has begun at all.</summary>
    public Dictionary<(long Occurrence, int Hook), int> LastAttempts { get; } = [];

    /// <summary>The latest occurrence that a row tells of.</summary>
    public long LastOccurrence { get; private set; }

    public List<Change> Cancels { get; } = [];

    public List<Change> Updates { get; } = [];

    public bool IsTriggered { get; set; }

    public List<Sight> Sights { get; } = [];

    /// <summary>Its tasks that were told that they had started a plan.</summary>
    public HashSet<TaskKey> Started { get; } = [];

    /// <summary>From when on no attempt may start; the maximum when no cancel was acknowledged.</summary>
    public long CancelledUs { get; set; } = long.MaxValue;

    /// <summary>It or an ancestor may have been cancelled.</summary>
    public bool MayBeCancelled { get; set; }

    /// <summary>An acknowledgement that is worth something: durable, and it went to somebody.</summary>
    public bool IsPromised => Order is null || (Order.End == RequestEnd.Acknowledged && Order.IsDurable);

    public bool MayHaveOtherPeriod => PossibleUpdates.Any(update => update.PeriodMs is not null);

    /// <summary>The most attempts that a task may have had at any time.</summary>
    public int AttemptsMaxOf(int hook) => hook == 0 ? AttemptsMax : 1 + Terms!.Content.Hooks[hook - 1].Retries;

    /// <summary>The fewest that one may have been given up after.</summary>
    public int AttemptsMinOf(int hook) => hook == 0 ? AttemptsMin : 1 + Terms!.Content.Hooks[hook - 1].Retries;

    private int AttemptsMax
    {
        get
        {
            int most = 1 + (Terms?.Policy.Retries ?? 0);
            foreach (var update in PossibleUpdates)
                most = Math.Max(most, update.AttemptsMax ?? 0);
            return most;
        }
    }

    private int AttemptsMin
    {
        get
        {
            int least = 1 + (Terms?.Policy.Retries ?? 0);
            foreach (var update in PossibleUpdates)
                least = Math.Min(least, update.AttemptsMax ?? int.MaxValue);
            return least;
        }
    }

    /// <summary>It goes on until somebody cancels it.</summary>
    public bool IsEndless => Terms?.Schedule
        is ScheduleMessage.Every { EndMs: null } or ScheduleMessage.Cron { EndMs: null };

    /// <summary>Occurrences of it that are still to end, and runs of hooks, as the tables have them.</summary>
    public IReadOnlyList<OpenTask> OpenTasks => Final!.OpenTasks;

    /// <summary>What it is about is known, and it has this hook; 0 is the plan itself.</summary>
    public bool Knows(int hook) => Terms is not null && hook <= Terms.Content.Hooks.Count;

    public ActionMessage ActionOf(int hook) =>
        hook == 0 ? Terms!.Content.Action : Terms!.Content.Hooks[hook - 1].Action;

    public void Ended(FinalPlan final)
    {
        Final = final;
        foreach (var task in final.Tasks)
        {
            Rows[(task.Key.Occurrence, task.Key.Hook)] = task;
            if (!task.Key.IsHook)
                LastOccurrence = Math.Max(LastOccurrence, task.OccurrenceTo);
            if (task.State == PlanTaskState.Skipped)
                _skipped.Add(task.Key.Occurrence, task);
        }
    }

    public void Began(in Start start)
    {
        Starts.Add(start);
        Attempt(start.Key, start.Attempt).Starts.Add(start);
        var task = (start.Key.Occurrence, start.Key.Hook);
        LastAttempts[task] = Math.Max(LastAttempts.GetValueOrDefault(task), start.Attempt);
    }

    public void Ended(in End end) => Attempt(end.Key, end.Attempt).Ends.Add(end);

    /// <summary>An attempt; an empty one when nobody has seen it.</summary>
    public AttemptCase AttemptOf(long occurrence, int hook, int attempt) =>
        _attempts.GetValueOrDefault((occurrence, hook, attempt)) ?? Unseen;

    public bool HasBegun(long occurrence, int hook) => LastAttempts.ContainsKey((occurrence, hook));

    /// <summary>Starts of an occurrence, all attempts of it.</summary>
    public IEnumerable<Start> StartsOf(long occurrence)
    {
        for (int attempt = 1; attempt <= LastAttempts.GetValueOrDefault((occurrence, 0)); attempt++)
        {
            foreach (var start in AttemptOf(occurrence, 0, attempt).Starts)
                yield return start;
        }
    }

    /// <summary>The row that says that an occurrence was skipped; null when none does.</summary>
    public StoredTask? SkippedBy(long occurrence)
    {
        int low = 0;
        int high = _skipped.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_skipped.Keys[middle] <= occurrence)
                low = middle + 1;
            else
                high = middle;
        }

        return low > 0 && occurrence <= _skipped.Values[low - 1].OccurrenceTo ? _skipped.Values[low - 1] : null;
    }

    public bool IsOpen(long occurrence, int hook)
    {
        foreach (var task in OpenTasks)
        {
            if (task.Occurrence == occurrence && task.Hook == hook)
                return true;
        }

        return false;
    }

    /// <summary>
    /// An attempt may have been over at an instant, as far as anybody but its node can tell: it was answered, or its
    /// time was up.
    /// </summary>
    public bool MayBeOver(long occurrence, int hook, int attempt, long atUs, JudgeOptions options)
    {
        var seen = AttemptOf(occurrence, hook, attempt);
        bool isChain = ActionOf(hook) is ChainAction; // Nobody but its node sees when it ends.
        return seen.Starts.Exists(start => start.AtUs <= atUs
            && (isChain || start.AtUs + options.TimeoutUsMin <= atUs || seen.Ends.Exists(end => end.AtUs <= atUs)));
    }

    /// <summary>When its occurrences are due, from the first on, without end if it has none.</summary>
    public IEnumerable<long> DueInstants()
    {
        long createdMs = Final!.Stored.CreatedMs;
        switch (Terms!.Schedule)
        {
            case ScheduleMessage.After after:
                yield return createdMs + after.DelayMs;
                break;
            case ScheduleMessage.At at:
                yield return at.DueMs;
                break;
            case ScheduleMessage.Every every:
                long dueMs = every.FirstMs ?? createdMs + every.PeriodMs;
                yield return dueMs; // The first one comes in any case.
                while ((dueMs += every.PeriodMs) <= (every.EndMs ?? long.MaxValue))
                    yield return dueMs;
                break;
            case ScheduleMessage.Cron cron:
                var oracle = new CronOracle(cron.Expression, cron.Zone);
                for (var next = oracle.NextMs(createdMs); next is { } ms; next = oracle.NextMs(ms))
                {
                    if (ms > (cron.EndMs ?? long.MaxValue) && ms != oracle.NextMs(createdMs))
                        break;
                    yield return ms;
                }

                break;
        }
    }

    private IEnumerable<Change> PossibleUpdates => Updates.Where(update => update.End != RequestEnd.Refused);

    private AttemptCase Attempt(in TaskKey key, int attempt)
    {
        if (!_attempts.TryGetValue((key.Occurrence, key.Hook, attempt), out var found))
            _attempts.Add((key.Occurrence, key.Hook, attempt), found = new AttemptCase());
        return found;
    }
}
