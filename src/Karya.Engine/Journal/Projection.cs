using Karya.Engine.Tables;

namespace Karya.Engine.Journal;

/// <summary>
/// Copies what the tables lack out of memory, partition by partition and coalesced: a plan that changed ten times is
/// one row, and one that ended before it was ever written is its final row.
/// </summary>
/// <remarks>
/// Owned by one shard. One batch is under way at a time; until it is confirmed its plans stay in memory. A batch holds
/// whole partitions, so the mark that comes with it is exact and recovery replays nothing that the tables contain.
/// </remarks>
internal sealed class Projection(ShardTables tables)
{
    private readonly ProjectionBatch _batch = new();
    private readonly List<int> _plans = [];

    // Apart from the batch, which belongs to whoever writes it while it is under way.
    private readonly Rows<int> _covered = new();

    /// <summary>The oldest journal position in the batch under way; <see cref="long.MaxValue"/> when none is.</summary>
    public long OldestUnderWay { get; private set; } = long.MaxValue;

    public bool IsUnderWay { get; private set; }

    /// <summary>
    /// Fills a batch, until it is large enough, from partitions that have records up to <paramref name="target"/> which
    /// the tables lack, starting at <paramref name="next"/>.
    /// </summary>
    /// <param name="position">
    /// The shard's journal position now: what must be durable before the batch is written.
    /// </param>
    /// <returns>Null when there is no such partition.</returns>
    /// <param name="rowsTarget">Rows after which the batch takes no further partition.</param>
    public ProjectionBatch? Take(
        Partition?[] partitions, ref int next, long target, long position, int rowsTarget)
    {
        Invariant.Check(!IsUnderWay);
        _batch.Clear();
        _plans.Clear();
        _covered.Clear();
        for (int looked = 0; looked < partitions.Length && !IsLarge(rowsTarget); looked++)
        {
            var partition = partitions[next];
            next = (next + 1) % partitions.Length;
            if (partition is not null && partition.State.OldestUnprojected <= target)
                Add(partition);
        }

        if (_batch.Marks.Count == 0)
            return null;

        _batch.DurablePosition = position;
        IsUnderWay = true;
        return _batch;
    }

    /// <summary>The batch is in the tables. Its plans may leave memory now.</summary>
    public List<int> Confirm()
    {
        Invariant.Check(IsUnderWay);
        IsUnderWay = false;
        OldestUnderWay = long.MaxValue;
        foreach (int row in _plans)
            tables.Plans[row].Flags &= ~PlanFlags.Projecting;
        return _plans;
    }

    /// <summary>The batch under way has changes of this partition.</summary>
    public bool Covers(int partition)
    {
        if (!IsUnderWay)
            return false;
        foreach (ref readonly var mark in _covered.Span)
        {
            if (mark == partition)
                return true;
        }

        return false;
    }

    /// <summary>The shard gives a partition up, and what is under way of it concerns somebody else.</summary>
    public void Forget(int partition) => _plans.RemoveAll(row => tables.Plans[row].Partition == partition);

    private bool IsLarge(int rowsTarget) =>
        _batch.RowCount >= rowsTarget || _batch.Bytes.Length >= Limits.ProjectionBytesMax;

    private void Add(Partition partition)
    {
        var state = partition.State;
        OldestUnderWay = Math.Min(OldestUnderWay, state.OldestUnprojected);
        for (int row = state.FirstDirty; row != PlanEntry.None; row = tables.Plans[row].NextDirty)
        {
            AddPlan(row);
            _plans.Add(row);
        }

        for (int row = state.FirstError; row != PlanEntry.None;)
        {
            int next = tables.Errors[row].Next;
            AddError(row);
            row = next;
        }

        ref var mark = ref _batch.Marks.Add();
        mark.Partition = partition.Number;
        mark.Epoch = partition.Epoch;
        mark.Sequence = partition.Sequence;
        _covered.Add() = partition.Number;
        state.ForgetDirty();
    }

    private void AddPlan(int row)
    {
        ref var plan = ref tables.Plans[row];
        AddEndedTasks(ref plan);
        ref var target = ref _batch.Plans.Add();
        target.Id = plan.Id;
        target.User = plan.User;
        target.Parent = plan.Parent;
        target.Partition = plan.Partition;
        target.State = plan.State;
        target.IsNew = (plan.Flags & PlanFlags.New) != 0;
        target.HasBody = (plan.Flags & PlanFlags.BodyChanged) != 0;
        target.CreatedMs = plan.CreatedMs;
        target.UpdatedMs = plan.UpdatedMs;
        target.WakeMs = WakeMs(plan);
        int start = _batch.Bytes.Length;
        WriteMemo(_batch.Bytes, plan);
        target.Memo = new ByteSlice(start, _batch.Bytes.Length - start);
        if (target.HasBody)
            target.Body = _batch.Bytes.Write(tables.Bytes.Read(plan.Body));
        plan.Flags = (plan.Flags & ~(PlanFlags.Dirty | PlanFlags.New | PlanFlags.BodyChanged)) | PlanFlags.Projecting;
    }

    /// <summary>Everything about a plan but its body and its ended tasks.</summary>
    public void WriteMemo(ByteWriter writer, in PlanEntry plan)
    {
        PlanMemo.WritePlan(writer, plan, tables.Bytes.Read(plan.Hooks));
        ulong open = 0;
        foreach (int task in new TaskList(tables, plan.FirstTask))
            open += PlanTaskStates.IsEnded(tables.Tasks[task].State) ? 0UL : 1;
        writer.WriteVarint(open);
        foreach (int task in new TaskList(tables, plan.FirstTask))
        {
            if (!PlanTaskStates.IsEnded(tables.Tasks[task].State))
                PlanMemo.WriteTask(writer, tables.Tasks[task]);
        }
    }

    /// <summary>
    /// When a plan has to be in memory: when its first open task is due, and at once while one is running.
    /// </summary>
    public long WakeMs(in PlanEntry plan)
    {
        long wakeMs = PlanSpec.NoEnd;
        foreach (int task in new TaskList(tables, plan.FirstTask))
        {
            ref var entry = ref tables.Tasks[task];
            if (entry.State == PlanTaskState.Created)
                wakeMs = Math.Min(wakeMs, entry.AttemptDueMs);
            else if (entry.State == PlanTaskState.Processing)
                wakeMs = Math.Min(wakeMs, entry.StartedMs);
        }

        return wakeMs;
    }

    /// <summary>
    /// Ended tasks become history: written, and gone from memory. A replayed dead letter is written as open.
    /// </summary>
    private void AddEndedTasks(ref PlanEntry plan)
    {
        ref int link = ref plan.FirstTask;
        while (link != TaskEntry.None)
        {
            int task = link;
            ref var entry = ref tables.Tasks[task];
            bool hasEnded = PlanTaskStates.IsEnded(entry.State);
            if (hasEnded || entry.IsReplayed)
                AddTask(plan.Id, entry);
            if (!hasEnded)
            {
                link = ref entry.NextInPlan;
                continue;
            }

            link = entry.NextInPlan;
            tables.FreeResult(ref entry);
            if (entry.IsReady)
                entry.IsDetached = true;
            else
                tables.Tasks.Free(task);
        }
    }

    private void AddTask(PlanId plan, in TaskEntry entry)
    {
        bool hasEnded = PlanTaskStates.IsEnded(entry.State);
        ref var target = ref _batch.Tasks.Add();
        target.Key = new TaskKey(plan, entry.Occurrence, entry.Hook);
        target.State = hasEnded ? entry.State : PlanTaskState.Created;
        target.Reason = entry.State == PlanTaskState.Skipped ? (SkipReason)entry.Why : SkipReason.None;
        target.IsReplayed = entry.IsReplayed;
        target.OccurrenceTo = entry.OccurrenceTo;
        target.CreatedMs = entry.CreatedMs;
        target.DueMs = entry.DueMs;
        target.StartedMs = entry.StartedMs;
        target.FinishedMs = hasEnded ? entry.FinishedMs : 0;
        target.Attempts = entry.Attempts;
        target.Failure = entry.State == PlanTaskState.Failure ? (FailureClass)entry.Why : FailureClass.Other;
        target.HasResult = entry.Result != TaskEntry.None;
        if (target.HasResult)
            target.Result = _batch.Bytes.Write(tables.Bytes.Read(tables.Results[entry.Result]));
    }

    private void AddError(int row)
    {
        ref var error = ref tables.Errors[row];
        ref var target = ref _batch.Errors.Add();
        target.Key = new TaskKey(error.Plan, error.Occurrence, error.Hook);
        target.Attempt = error.Attempt;
        target.AtMs = error.AtMs;
        target.Failure = error.Failure;
        target.Text = _batch.Bytes.Write(tables.Bytes.Read(error.Text));
        tables.Bytes.Free(error.Text);
        tables.Errors.Free(row);
    }
}
