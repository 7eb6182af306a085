using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;

namespace Karya.Simulation.Stores;

/// <summary>The tables that projections fill, as sorted collections. Everything in them is copied in and out.</summary>
internal sealed class SimTables
{
    private static readonly Comparer<TaskKey> ByKey = Comparer<TaskKey>.Create(Compare);

    private readonly Dictionary<PlanId, PlanRecord> _plans = [];
    private readonly SortedSet<(long WakeMs, PlanId Plan)> _due = [];
    private readonly Dictionary<PlanId, SortedSet<PlanId>> _children = [];
    private readonly Dictionary<UserId, SortedSet<PlanId>> _byUser = [];
    private readonly SortedDictionary<TaskKey, TaskRecord> _tasks = new(ByKey);
    private readonly SortedDictionary<(TaskKey Key, int Attempt), StoredError> _errors =
        new(Comparer<(TaskKey Key, int Attempt)>.Create(CompareErrors));
    private readonly Dictionary<PlanId, SortedSet<TaskKey>> _tasksOf = [];
    private readonly Dictionary<PlanId, SortedSet<(TaskKey Key, int Attempt)>> _errorsOf = [];
    private readonly Dictionary<UserId, UserView> _users = [];

    public SimOperations Operations { get; } = new();

    public void AddUser(UserView user) => _users.TryAdd(user.Id, user);

    public UserView? FindUser(string name)
    {
        UserView? oldest = null;
        foreach (var user in _users.Values)
        {
            if (user.Name == name && (oldest is null || IsOlder(user, oldest)))
                oldest = user;
        }

        return oldest;
    }

    public bool HasUser(UserId id) => _users.ContainsKey(id);

    public void Write(ProjectionBatch batch)
    {
        foreach (ref var row in batch.Plans.Span)
            WritePlan(row, batch);
        foreach (ref var row in batch.Tasks.Span)
            WriteTask(row, batch);
        foreach (ref var row in batch.Errors.Span)
        {
            var key = (row.Key, row.Attempt);
            var error = new StoredError(
                row.Key, row.Attempt, row.AtMs, Encoding.UTF8.GetString(batch.Slice(row.Text)), row.Failure);
            if (_errors.TryAdd(key, error))
                SetOf(_errorsOf, row.Key.Plan, CompareErrors).Add(key);
        }
    }

    public StoredPlan? FindPlan(PlanId id) => _plans.TryGetValue(id, out var plan) ? plan.Stored : null;

    public void LoadDue(long fromMs, long toMs, Predicate<int> isWanted, StoredPlanReader reader)
    {
        if (toMs <= fromMs)
            return;
        foreach (var (wakeMs, id) in _due.GetViewBetween((fromMs, PlanId.None), (toMs, PlanId.None)))
        {
            var plan = _plans[id].Stored;
            if (wakeMs < toMs && isWanted(plan.Partition))
                reader(id, plan.Memo, plan.Body);
        }
    }

    public void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader)
    {
        foreach (var id in ids)
        {
            if (_plans.TryGetValue(id, out var plan))
                reader(id, plan.Stored.Memo, plan.Stored.Body);
        }
    }

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader)
    {
        LoadPlans([id], reader);
        if (withDescendants && _children.TryGetValue(id, out var children))
        {
            foreach (var child in children)
                LoadFamily(child, reader);
        }
    }

    public IReadOnlyList<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int skip, int take)
    {
        var plans = new List<StoredPlan>();
        if (!_byUser.TryGetValue(user, out var ids))
            return plans;
        foreach (var id in ids.Reverse())
        {
            if (below is { } limit && id.CompareTo(limit) >= 0)
                continue;
            if (skip-- > 0)
                continue;
            if (plans.Count >= take)
                break;
            plans.Add(_plans[id].Stored);
        }

        return plans;
    }

    public long CountPlans(UserId user) => _byUser.TryGetValue(user, out var ids) ? ids.Count : 0;

    public IReadOnlyList<StoredTask> ListTasksBelow(PlanId plan, (long Occurrence, int Hook)? below, int take)
    {
        var rows = new List<StoredTask>();
        if (!_tasksOf.TryGetValue(plan, out var keys))
            return rows;
        foreach (var key in keys.Reverse())
        {
            bool isBelow = below is not { } limit || (key.Occurrence, key.Hook).CompareTo(limit) < 0;
            if (isBelow && rows.Count < take && _tasks[key].HasEnded)
                rows.Add(_tasks[key].Stored);
        }

        return rows;
    }

    public IReadOnlyList<StoredError> ListErrorsBelow(
        PlanId plan, (long Occurrence, int Hook, int Attempt)? below, int take)
    {
        var rows = new List<StoredError>();
        if (!_errorsOf.TryGetValue(plan, out var keys))
            return rows;
        foreach (var key in keys.Reverse())
        {
            bool isBelow = below is not { } limit
                || (key.Key.Occurrence, key.Key.Hook, key.Attempt).CompareTo(limit) < 0;
            if (isBelow && rows.Count < take)
                rows.Add(_errors[key]);
        }

        return rows;
    }

    public StoredTask? FindTask(TaskKey key) =>
        _tasks.TryGetValue(key, out var task) && task.HasEnded ? task.Stored : null;

    public byte[]? FindResult(TaskKey key) =>
        _tasks.TryGetValue(key, out var task) && task.HasEnded ? task.Result : null;

    public IReadOnlyList<StoredTask> ListDead(TaskKey? below, int take)
    {
        var rows = new List<StoredTask>();
        foreach (var (key, task) in _tasks.Reverse())
        {
            bool isBelow = below is not { } limit || Compare(key, limit) < 0;
            if (isBelow && rows.Count < take && task.IsDead)
                rows.Add(task.Stored);
        }

        return rows;
    }

    public int DropDead(IReadOnlyCollection<TaskKey> keys)
    {
        int dropped = 0;
        foreach (var key in keys)
        {
            if (!_tasks.TryGetValue(key, out var task) || !task.IsDead)
                continue;
            _tasks[key] = task with { IsDropped = true };
            dropped++;
        }

        return dropped;
    }

    /// <summary>Removes what ended before the cutoff, about as many rows as are wanted. Returns how many.</summary>
    public int Prune(long cutoffMs, int rowsMax)
    {
        int removed = 0;
        foreach (var plan in _plans.Values.Select(plan => plan.Stored).OrderBy(plan => plan.Id).ToArray())
        {
            if (removed >= rowsMax)
                return removed;
            if (HasEnded(plan, cutoffMs))
                removed += PrunePlan(plan, rowsMax - removed);
        }

        foreach (var (key, task) in _tasks.ToArray())
        {
            if (removed < rowsMax && task.HasEnded && task.Stored.FinishedMs < cutoffMs && GoesOn(key.Plan))
                removed += RemoveTask(key);
        }

        foreach (var (key, error) in _errors.ToArray())
        {
            if (removed < rowsMax && error.AtMs < cutoffMs && GoesOn(key.Key.Plan))
                removed += RemoveError(key);
        }

        return removed < rowsMax ? removed + Operations.Prune(cutoffMs) : removed;
    }

    private static int Compare(TaskKey left, TaskKey right)
    {
        int order = left.Plan.CompareTo(right.Plan);
        if (order == 0)
            order = left.Occurrence.CompareTo(right.Occurrence);
        return order != 0 ? order : left.Hook.CompareTo(right.Hook);
    }

    private static int CompareErrors((TaskKey Key, int Attempt) left, (TaskKey Key, int Attempt) right)
    {
        int order = Compare(left.Key, right.Key);
        return order != 0 ? order : left.Attempt.CompareTo(right.Attempt);
    }

    private static bool IsOlder(UserView user, UserView than) =>
        user.CreatedMs < than.CreatedMs || (user.CreatedMs == than.CreatedMs && user.Id.Value < than.Id.Value);

    private static SortedSet<T> SetOf<T>(Dictionary<PlanId, SortedSet<T>> sets, PlanId plan, Comparison<T> order)
    {
        if (!sets.TryGetValue(plan, out var found))
            sets.Add(plan, found = new SortedSet<T>(Comparer<T>.Create(order)));
        return found;
    }

    private void WritePlan(in PlanRow row, ProjectionBatch batch)
    {
        bool isKnown = _plans.TryGetValue(row.Id, out var known);
        byte[] body = row.HasBody || !isKnown ? batch.Slice(row.Body).ToArray() : known!.Stored.Body;
        if (isKnown)
            _due.Remove((known!.WakeMs, row.Id));
        var parent = isKnown ? known!.Stored.Parent : row.Parent;
        _plans[row.Id] = new PlanRecord(
            new StoredPlan(
                row.Id, row.User, parent, row.Partition, row.State, row.CreatedMs, row.UpdatedMs,
                batch.Slice(row.Memo).ToArray(), body),
            row.WakeMs);
        if (row.WakeMs != PlanSpec.NoEnd)
            _due.Add((row.WakeMs, row.Id));
        if (isKnown)
            return;
        if (!_byUser.TryGetValue(row.User, out var ids))
            _byUser.Add(row.User, ids = []);
        ids.Add(row.Id);
        if (row.Parent != PlanId.None)
            SetOf(_children, row.Parent, (left, right) => left.CompareTo(right)).Add(row.Id);
    }

    private void WriteTask(in TaskRow row, ProjectionBatch batch)
    {
        byte[]? result = row.HasResult ? batch.Slice(row.Result).ToArray() : null;
        _tasks[row.Key] = new TaskRecord(
            new StoredTask(
                row.Key, row.State, row.Reason, row.OccurrenceTo, row.CreatedMs, row.DueMs, row.StartedMs,
                row.FinishedMs, row.Attempts, result?.Length)
            {
                Failure = row.Failure,
            },
            result);
        SetOf(_tasksOf, row.Key.Plan, Compare).Add(row.Key);
    }

    private void LoadFamily(PlanId id, StoredPlanReader reader)
    {
        var plan = _plans[id];
        bool goesOn = plan.Stored.State is PlanState.Created or PlanState.Running || plan.WakeMs != PlanSpec.NoEnd;
        if (goesOn)
            reader(id, plan.Stored.Memo, plan.Stored.Body);
        if (!_children.TryGetValue(id, out var children))
            return;
        foreach (var child in children)
            LoadFamily(child, reader);
    }

    private bool GoesOn(PlanId plan) =>
        !_plans.TryGetValue(plan, out var known)
        || known.Stored.State is PlanState.Created or PlanState.Running || known.WakeMs != PlanSpec.NoEnd;

    /// <summary>It, and everything that it started.</summary>
    private bool HasEnded(StoredPlan plan, long cutoffMs)
    {
        if (GoesOn(plan.Id) || plan.UpdatedMs >= cutoffMs)
            return false;
        return !_children.TryGetValue(plan.Id, out var children)
            || children.All(child => HasEnded(_plans[child].Stored, long.MaxValue));
    }

    private int PrunePlan(StoredPlan plan, int rowsMax)
    {
        int removed = 0;
        foreach (var key in _tasksOf.TryGetValue(plan.Id, out var tasks) ? tasks.ToArray() : [])
            removed += removed < rowsMax ? RemoveTask(key) : 0;
        foreach (var key in _errorsOf.TryGetValue(plan.Id, out var errors) ? errors.ToArray() : [])
            removed += removed < rowsMax ? RemoveError(key) : 0;
        if (removed >= rowsMax)
            return removed;
        _plans.Remove(plan.Id);
        _byUser[plan.User].Remove(plan.Id);
        if (_children.TryGetValue(plan.Parent, out var siblings))
            siblings.Remove(plan.Id);
        return 1 + removed;
    }

    private int RemoveTask(TaskKey key)
    {
        _tasksOf[key.Plan].Remove(key);
        return _tasks.Remove(key) ? 1 : 0;
    }

    private int RemoveError((TaskKey Key, int Attempt) key)
    {
        _errorsOf[key.Key.Plan].Remove(key);
        return _errors.Remove(key) ? 1 : 0;
    }

    private sealed record PlanRecord(StoredPlan Stored, long WakeMs);

    private sealed record TaskRecord(StoredTask Stored, byte[]? Result)
    {
        public bool IsDropped { get; init; }

        public bool IsDead => !IsDropped && Stored.State == PlanTaskState.Failure;

        public bool HasEnded => Stored.State != PlanTaskState.Created;
    }
}
