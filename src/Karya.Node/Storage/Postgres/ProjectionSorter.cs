using System.Runtime.InteropServices;
using Karya.Engine;
using Karya.Engine.Journal;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Sorts the rows of a batch by where they go: new plans, plans that changed, plans that ended, and tasks that lie
/// inside their plan's row. Reused from batch to batch; one thread.
/// </summary>
/// <remarks>
/// <code>
///                     goes on (or ended with open hooks)       ended
/// not seen before     COPY into plans                          COPY into plan_history
/// seen before         UPDATE plans                             moved from plans to plan_history
/// </code>
/// </remarks>
internal sealed class ProjectionSorter
{
    /// <summary>
    /// Ended tasks inside a plan's row: an occurrence with some hooks. More would be read with it whenever it is.
    /// </summary>
    private const int TasksInsideMax = 8;

    private readonly Dictionary<UserId, int> _added = [];
    private readonly List<SortKey> _keys = [];
    private readonly ByteWriter _inside = new();
    private bool[] _isInside = [];

    /// <summary>Rows of plans by their index in the batch, sorted by user and id.</summary>
    /// <remarks>
    /// Neighbours in the index on (user, id) then come one after the other: a quarter of the server's time.
    /// </remarks>
    public List<int> NewOnes { get; } = [];

    public List<int> NewEnded { get; } = [];

    public List<int> Changed { get; } = [];

    public List<int> Ended { get; } = [];

    /// <summary>Tasks that get a row of their own, by their index.</summary>
    public List<int> TaskRows { get; } = [];

    /// <summary>Tasks whose older rows have to go first: replayed dead letters.</summary>
    public List<int> Replaced { get; } = [];

    /// <summary>By plan index: its tasks inside <see cref="InsideBytes"/>.</summary>
    public List<ByteSlice> Inside { get; } = [];

    public ReadOnlySpan<byte> InsideBytes => _inside.WrittenSpan;

    /// <summary>New plans by user.</summary>
    public IReadOnlyDictionary<UserId, int> Added => _added;

    /// <param name="batch">The batch.</param>
    /// <param name="known">Plans that are in the tables though the batch says that they are new.</param>
    public void Sort(ProjectionBatch batch, HashSet<PlanId> known)
    {
        Clear(batch.Tasks.Count);
        var plans = batch.Plans.Span;
        int task = 0;
        for (int i = 0; i < plans.Length; i++)
        {
            ref readonly var plan = ref plans[i];
            bool isOver = plan.State >= PlanState.Completed && plan.WakeMs == PlanSpec.NoEnd;
            Inside.Add(isOver ? PutInside(batch, plan.Id, ref task) : SkipTasks(batch, plan.Id, ref task));
            bool isNew = plan.IsNew && !known.Contains(plan.Id);
            var target = (isNew, isOver) switch
            {
                (true, false) => NewOnes,
                (true, true) => NewEnded,
                (false, false) => Changed,
                (false, true) => Ended,
            };
            target.Add(i);
            if (isNew)
                CollectionsMarshal.GetValueRefOrAddDefault(_added, plan.User, out _)++;
        }

        for (int i = 0; i < batch.Tasks.Count; i++)
            AddTask(batch.Tasks.Span[i], i);
        SortByUser(batch, NewOnes);
        SortByUser(batch, NewEnded);
    }

    private void Clear(int taskCount)
    {
        NewOnes.Clear();
        NewEnded.Clear();
        Changed.Clear();
        Ended.Clear();
        TaskRows.Clear();
        Replaced.Clear();
        Inside.Clear();
        _added.Clear();
        _inside.Clear();
        if (_isInside.Length < taskCount)
            _isInside = new bool[Math.Max(taskCount, 2 * _isInside.Length)];
        Array.Clear(_isInside, 0, taskCount);
    }

    /// <summary>
    /// The tasks of a plan come in the order of the plans, together. Few that all went well fit inside; dead letters
    /// are looked for by themselves, and results would be read with their plan whenever it is.
    /// </summary>
    private ByteSlice PutInside(ProjectionBatch batch, PlanId plan, ref int task)
    {
        int first = task;
        SkipTasks(batch, plan, ref task);
        var tasks = batch.Tasks.Span[first..task];
        if (tasks.Length is 0 or > TasksInsideMax)
            return default;
        foreach (ref readonly var row in tasks)
        {
            if (!PlanTaskStates.IsEnded(row.State) || row.State == PlanTaskState.Failure || row.IsReplayed
                || row.HasResult)
            {
                return default;
            }
        }

        int start = _inside.Length;
        foreach (ref readonly var row in tasks)
            TaskBytes.Write(_inside, row);
        _isInside.AsSpan(first, tasks.Length).Fill(true);
        return new ByteSlice(start, _inside.Length - start);
    }

    private static ByteSlice SkipTasks(ProjectionBatch batch, PlanId plan, ref int task)
    {
        var tasks = batch.Tasks.Span;
        while (task < tasks.Length && tasks[task].Key.Plan == plan)
            task++;
        return default;
    }

    private void AddTask(in TaskRow task, int index)
    {
        bool hasEnded = PlanTaskStates.IsEnded(task.State);
        if (task.IsReplayed || !hasEnded)
            Replaced.Add(index);
        if (hasEnded && !_isInside[index])
            TaskRows.Add(index);
    }

    private void SortByUser(ProjectionBatch batch, List<int> rows)
    {
        _keys.Clear();
        foreach (int index in rows)
        {
            ref readonly var plan = ref batch.Plans.Span[index];
            _keys.Add(new SortKey(plan.User.Value, plan.Id.Value, index));
        }

        _keys.Sort();
        rows.Clear();
        foreach (var key in _keys)
            rows.Add(key.Index);
    }

    /// <summary>
    /// Beside each other, since looking into the rows for each comparison took most of the sorting's time.
    /// </summary>
    private readonly record struct SortKey(UInt128 User, UInt128 Plan, int Index) : IComparable<SortKey>
    {
        public int CompareTo(SortKey other)
        {
            int byUser = User.CompareTo(other.User);
            return byUser != 0 ? byUser : Plan.CompareTo(other.Plan);
        }
    }
}
