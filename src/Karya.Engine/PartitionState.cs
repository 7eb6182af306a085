using Karya.Engine.Journal;
using Karya.Engine.Tables;

namespace Karya.Engine;

/// <summary>
/// What a partition knows, and the one place where it changes: <see cref="Evolve"/> takes a record, fresh or replayed,
/// and makes the same change in both cases. It asks nobody and reads no clock.
/// </summary>
/// <remarks>Owned by one shard. Rows lie in the shard's tables; this holds the index and the lists.</remarks>
internal sealed class PartitionState(int number, ShardTables tables)
{
    private const int None = -1;

    private readonly PlanIndex _index = new(tables.Plans);
    private readonly HashSet<int> _children = []; // Rows of the plans in memory that have a parent.

    /// <summary>
    /// Plans whose rows in the tables are out of date: first and last of a list linked by <see
    /// cref="PlanEntry.NextDirty"/>.
    /// </summary>
    public int FirstDirty { get; private set; } = None;

    public int FirstError { get; private set; } = None;

    public int DirtyCount { get; private set; }

    /// <summary>
    /// The journal position of the oldest record that the tables lack; <see cref="long.MaxValue"/> when they lack none.
    /// </summary>
    public long OldestUnprojected { get; private set; } = long.MaxValue;

    /// <summary>The row of a plan in memory, or -1.</summary>
    public int Find(PlanId id) => _index.Find(id);

    /// <summary>The row of an open task, or -1.</summary>
    public int FindTask(int plan, TaskKey key)
    {
        for (int task = tables.Plans[plan].FirstTask; task != None; task = tables.Tasks[task].NextInPlan)
        {
            ref var entry = ref tables.Tasks[task];
            if (entry.Occurrence == key.Occurrence && entry.Hook == key.Hook && !PlanTaskStates.IsEnded(entry.State))
                return task;
        }

        return None;
    }

    /// <summary>Attempts of this plan may still start: it has not ended, or it has and hooks of it are open.</summary>
    public bool CanGoOn(int plan)
    {
        if (tables.Plans[plan].State is PlanState.Created or PlanState.Running)
            return true;
        if (tables.Plans[plan].State == PlanState.Cancelled)
            return false;
        foreach (int task in new TaskList(tables, tables.Plans[plan].FirstTask))
        {
            if (!PlanTaskStates.IsEnded(tables.Tasks[task].State))
                return true;
        }

        return false;
    }

    /// <summary>The row of the occurrence that waits, the latest one; -1 when none does.</summary>
    public int FindWaiting(int plan)
    {
        int waiting = None;
        foreach (int task in new TaskList(tables, tables.Plans[plan].FirstTask))
        {
            ref var entry = ref tables.Tasks[task];
            bool waits = entry is { Hook: 0, State: PlanTaskState.Created };
            if (waits && (waiting == None || entry.Occurrence > tables.Tasks[waiting].Occurrence))
                waiting = task;
        }

        return waiting;
    }

    /// <summary>The task is in memory: open, or ended and not yet on its way to the tables.</summary>
    public bool HoldsTask(int plan, TaskKey key)
    {
        foreach (int task in new TaskList(tables, tables.Plans[plan].FirstTask))
        {
            if (tables.Tasks[task].Occurrence == key.Occurrence && tables.Tasks[task].Hook == key.Hook)
                return true;
        }

        return false;
    }

    public int AttemptsMaxOf(int plan, int hook) =>
        hook == 0 ? tables.Plans[plan].AttemptsMax : HookOf(tables.Plans[plan], hook - 1).AttemptsMax;

    /// <summary>
    /// Adds the descendants in memory of the plans in <paramref name="family"/> to it, generation by generation.
    /// </summary>
    public void AddDescendants(HashSet<PlanId> family)
    {
        bool grew = true;
        while (grew)
        {
            grew = false;
            foreach (int row in _children)
            {
                ref var plan = ref tables.Plans[row];
                grew |= family.Contains(plan.Parent) && family.Add(plan.Id);
            }
        }
    }

    /// <summary>Makes the change that a record stands for.</summary>
    /// <param name="bornPosition">Where the record stands in the shard's journal; 0 when it is durable already.</param>
    public void Evolve(in Record record, long bornPosition)
    {
        if (record.Kind == RecordKind.Submitted)
        {
            AddPlan(record, bornPosition);
            return;
        }

        int plan = _index.Find(record.Key.Plan);
        if (plan < 0)
        {
            throw new RecordDamagedException(
                $"A record of kind {record.Kind} names the unknown plan {record.Key.Plan}.");
        }

        MarkDirty(plan, bornPosition);
        switch (record.Kind)
        {
            case RecordKind.Updated:
                UpdatePlan(plan, record);
                break;
            case RecordKind.Cancelled:
                CancelPlan(plan, record.AtMs);
                break;
            case RecordKind.Skipped:
                Skip(plan, record, bornPosition);
                break;
            case RecordKind.Replayed:
                Replay(plan, record, bornPosition);
                break;
            case RecordKind.Triggered:
                Trigger(plan, record, bornPosition);
                break;
            case RecordKind.HandedOver:
                HandOver(plan, record);
                break;
            default:
                MoveTask(plan, record, bornPosition);
                break;
        }
    }

    /// <summary>Takes a plan over from the tables.</summary>
    public void Load(PlanId id, ReadOnlySpan<byte> memo, ReadOnlySpan<byte> body)
    {
        Invariant.Check(_index.Find(id) < 0);
        var reader = new ByteReader(memo);
        int row = tables.Plans.Take();
        ref var plan = ref tables.Plans[row];
        plan = default;
        var spec = default(PlanSpec);
        PlanMemo.ReadPlan(ref reader, ref plan, ref spec, out var hooks);
        spec.Id = id;
        Fill(ref plan, spec, hooks, body);
        AddToIndex(row);
        for (ulong count = reader.ReadVarint(); count > 0; count--)
        {
            int task = tables.Tasks.Take();
            ref var entry = ref tables.Tasks[task];
            entry = default;
            PlanMemo.ReadTask(ref reader, ref entry);
            Link(row, task);
            if (entry.State == PlanTaskState.Created)
                tables.Wheel.Schedule(task, entry.AttemptDueMs);
        }
    }

    /// <summary>Adds a plan's tasks that were running when its state was recorded.</summary>
    public void CopyInterrupted(int plan, List<int> interrupted)
    {
        foreach (int task in new TaskList(tables, tables.Plans[plan].FirstTask))
        {
            if (tables.Tasks[task].State == PlanTaskState.Processing)
                interrupted.Add(task);
        }
    }

    /// <summary>The attempt that ran is to be started again. Nothing that a record would have to say changes.</summary>
    public void PutBack(int task, long nowMs)
    {
        tables.Tasks[task].IsInterrupted = true;
        tables.Wheel.Schedule(task, nowMs);
    }

    /// <summary>An attempt that runs elsewhere is to be started again when its end has been waited for.</summary>
    public void WaitForEnd(int task) => tables.Wheel.Schedule(task, tables.Tasks[task].AttemptDueMs);

    private void AddPlan(in Record record, long bornPosition)
    {
        int row = tables.Plans.Take();
        ref var plan = ref tables.Plans[row];
        plan = default;
        Fill(ref plan, record.Spec, record.Hooks, record.Payload);
        plan.UpdatedMs = record.AtMs;
        plan.LastOccurrence = 1;
        plan.Flags |= PlanFlags.New | PlanFlags.BodyChanged;
        AddToIndex(row);
        MarkDirty(row, bornPosition);
        int parent = plan.Parent == PlanId.None ? None : _index.Find(plan.Parent);
        if (parent != None)
        {
            tables.Plans[parent].Flags |= PlanFlags.HasChildren;
            MarkDirty(parent, bornPosition);
        }

        AddTask(row, 1, 0, record.AtMs, record.Spec.FirstDueMs, bornPosition);
    }

    private void Fill(ref PlanEntry plan, in PlanSpec spec, ReadOnlySpan<byte> hooks, ReadOnlySpan<byte> body)
    {
        plan.Id = spec.Id;
        plan.User = spec.User;
        plan.Parent = spec.Parent;
        plan.CreatedMs = spec.CreatedMs;
        plan.PeriodMs = spec.PeriodMs;
        plan.EndMs = spec.EndMs;
        plan.Kind = spec.Kind;
        plan.Misfire = spec.Misfire;
        plan.AttemptsMax = spec.AttemptsMax;
        plan.RetryDelayMs = spec.RetryDelayMs;
        plan.RetryDelayMsMax = spec.RetryDelayMsMax;
        plan.Lane = spec.Lane;
        if (spec.IsPulled)
            plan.Flags |= PlanFlags.Pulled;
        plan.HookCount = (byte)spec.HookCount;
        plan.CronBytes = (byte)spec.CronBytes;
        plan.Hooks = tables.Bytes.Store(hooks);
        plan.Body = tables.Bytes.Store(body);
        plan.Partition = (short)number;
        plan.FirstTask = None;
        plan.NextDirty = None;
    }

    private void AddToIndex(int row)
    {
        ref var plan = ref tables.Plans[row];
        _index.Add(plan.Id, row);
        if (plan.Parent != PlanId.None)
            _children.Add(row);
    }

    private void UpdatePlan(int row, in Record record)
    {
        ref var plan = ref tables.Plans[row];
        plan.UpdatedMs = record.AtMs;
        if ((record.Update & PlanUpdate.Period) != 0)
            plan.PeriodMs = record.Spec.PeriodMs; // The waiting task keeps its due instant; the next counts from it.
        if ((record.Update & PlanUpdate.Attempts) != 0)
        {
            plan.AttemptsMax = record.Spec.AttemptsMax;
            foreach (int task in new TaskList(tables, plan.FirstTask))
            {
                ref var entry = ref tables.Tasks[task];
                if (entry is { Hook: 0, Attempts: 0, State: PlanTaskState.Created })
                    entry.AttemptsMax = plan.AttemptsMax;
            }
        }

        if ((record.Update & PlanUpdate.Hooks) != 0)
            ReplaceHooks(ref plan, record);

        tables.Bytes.Free(plan.Body);
        plan.Body = tables.Bytes.Store(record.Payload);
        plan.Flags |= PlanFlags.BodyChanged;
    }

    private void ReplaceHooks(ref PlanEntry plan, in Record record)
    {
        Span<byte> bytes = stackalloc byte[HookTable.BytesMax + Limits.CronBytesMax];
        record.Hooks.CopyTo(bytes);
        CronOf(plan).CopyTo(bytes[record.Hooks.Length..]); // A schedule stays.
        tables.Bytes.Free(plan.Hooks);
        plan.Hooks = tables.Bytes.Store(bytes[..(record.Hooks.Length + plan.CronBytes)]);
        plan.HookCount = (byte)record.Spec.HookCount;
    }

    private void CancelPlan(int row, long atMs)
    {
        ref var plan = ref tables.Plans[row];
        Invariant.Check(plan.State == PlanState.Cancelled || PlanStates.CanMove(plan.State, PlanState.Cancelled));
        plan.State = PlanState.Cancelled;
        plan.UpdatedMs = atMs;
        foreach (int task in new TaskList(tables, plan.FirstTask))
        {
            ref var entry = ref tables.Tasks[task];
            if (entry.State != PlanTaskState.Created)
                continue; // What runs is let end; it is not tried again.
            tables.Wheel.Cancel(task);
            Move(ref entry, PlanTaskState.Cancelled);
            entry.FinishedMs = atMs;
        }
    }

    private void Skip(int row, in Record record, long bornPosition)
    {
        int task = FindTask(row, record.Key);
        Invariant.Check(task >= 0);
        ref var entry = ref tables.Tasks[task];
        tables.Wheel.Cancel(task);
        Move(ref entry, PlanTaskState.Skipped);
        entry.Why = (byte)record.Reason;
        entry.OccurrenceTo = record.OccurrenceTo;
        entry.FinishedMs = record.AtMs;
        ref var plan = ref tables.Plans[row];
        plan.LastOccurrence = record.OccurrenceTo;
        if (record.DueMs != 0 && record.DueMs <= plan.EndMs)
            AddTask(row, ++plan.LastOccurrence, 0, record.AtMs, record.DueMs, bornPosition);
        else
            Complete(row, record.AtMs, bornPosition);
    }

    private void Replay(int row, in Record record, long bornPosition)
    {
        int task = AddTask(
            row, record.Key.Occurrence, record.Key.Hook, record.Spec.CreatedMs, record.DueMs, bornPosition);
        ref var entry = ref tables.Tasks[task];
        entry.IsReplayed = true;
        entry.Attempts = record.Attempt;
        entry.AttemptsMax = record.AttemptsMax;
        entry.AttemptDueMs = record.AtMs;
        tables.Wheel.Schedule(task, record.AtMs);
    }

    /// <summary>Its due instant stays, so that the occurrences after it do; its attempt is due now.</summary>
    private void Trigger(int row, in Record record, long bornPosition)
    {
        int task = FindTask(row, record.Key);
        Invariant.Check(task >= 0);
        ref var entry = ref tables.Tasks[task];
        Invariant.Check(entry.State == PlanTaskState.Created);
        entry.AttemptDueMs = record.AtMs;
        entry.BornPosition = bornPosition;
        tables.Wheel.Schedule(task, record.AtMs);
    }

    private void HandOver(int row, in Record record)
    {
        int task = FindTask(row, record.Key);
        Invariant.Check(task >= 0);
        ref var entry = ref tables.Tasks[task];
        Invariant.Check(entry.State == PlanTaskState.Processing);
        entry.IsAway = true;
        entry.AttemptDueMs = record.DueMs;
    }

    private void MoveTask(int row, in Record record, long bornPosition)
    {
        int task = FindTask(row, record.Key);
        Invariant.Check(task >= 0);
        ref var entry = ref tables.Tasks[task];
        entry.IsInterrupted = false;
        if (entry.IsAway)
        {
            entry.IsAway = false;
            tables.Wheel.Cancel(task);
        }

        switch (record.Kind)
        {
            case RecordKind.Started:
                StartTask(row, task, record, bornPosition);
                break;
            case RecordKind.Retrying:
                AddError(record);
                Move(ref entry, PlanTaskState.Created);
                entry.FinishedMs = record.AtMs;
                entry.AttemptDueMs = record.DueMs;
                entry.BornPosition = bornPosition;
                tables.Wheel.Schedule(task, record.DueMs);
                break;
            case RecordKind.Succeeded:
                if (record.HasResult)
                    tables.KeepResult(ref entry, record.Payload);
                EndTask(row, task, PlanTaskState.Success, record.AtMs, bornPosition);
                break;
            case RecordKind.Failed:
                AddError(record);
                entry.Why = (byte)record.Failure;
                bool isCancelled = tables.Plans[row].State == PlanState.Cancelled;
                var end = isCancelled ? PlanTaskState.Cancelled : PlanTaskState.Failure;
                EndTask(row, task, end, record.AtMs, bornPosition);
                break;
            default:
                throw new RecordDamagedException($"Record kind {(byte)record.Kind} does not move a task.");
        }
    }

    private void StartTask(int row, int task, in Record record, long bornPosition)
    {
        ref var entry = ref tables.Tasks[task];
        tables.Wheel.Cancel(task);
        if (entry.State != PlanTaskState.Processing) // Else the same attempt again, by the next owner.
            Move(ref entry, PlanTaskState.Processing);
        bool isFirst = entry.Attempts == 0;
        entry.Attempts = record.Attempt;
        entry.StartedMs = record.AtMs;
        ref var plan = ref tables.Plans[row];
        if (entry.Hook != 0 || entry.IsReplayed || !isFirst)
            return;

        if (plan.State == PlanState.Created)
        {
            plan.State = PlanState.Running;
            plan.UpdatedMs = record.AtMs;
        }

        long nextDueMs = plan.Kind switch
        {
            ScheduleKind.Every => entry.DueMs + plan.PeriodMs, // From the due instant, not from now: no drift.
            ScheduleKind.Cron => record.DueMs,
            _ => 0,
        };
        if (nextDueMs != 0 && nextDueMs <= plan.EndMs)
            AddTask(row, ++plan.LastOccurrence, 0, record.AtMs, nextDueMs, bornPosition);
    }

    private void EndTask(int row, int task, PlanTaskState state, long atMs, long bornPosition)
    {
        ref var entry = ref tables.Tasks[task];
        Move(ref entry, state);
        entry.FinishedMs = atMs;
        if (entry.Hook != 0 || entry.IsReplayed)
            return;

        if (state == PlanTaskState.Failure)
            AddHookTasks(row, HookTrigger.OnFailure, entry.Occurrence, atMs, bornPosition);
        Complete(row, atMs, bornPosition);
    }

    /// <summary>
    /// A plan has ended when its last occurrence has: then no occurrence is open, since each start made the next one.
    /// </summary>
    private void Complete(int row, long atMs, long bornPosition)
    {
        ref var plan = ref tables.Plans[row];
        if (PlanStates.IsEnded(plan.State))
            return;
        foreach (int task in new TaskList(tables, plan.FirstTask))
        {
            ref var entry = ref tables.Tasks[task];
            bool isOpen = entry.Hook == 0 && !entry.IsReplayed && !PlanTaskStates.IsEnded(entry.State);
            if (isOpen)
                return;
        }

        plan.State = PlanState.Completed;
        plan.UpdatedMs = atMs;
        AddHookTasks(row, HookTrigger.OnCompletion, plan.LastOccurrence, atMs, bornPosition);
    }

    private void AddHookTasks(int row, HookTrigger trigger, long occurrence, long atMs, long bornPosition)
    {
        for (int i = 0; i < tables.Plans[row].HookCount; i++)
        {
            if (HookOf(tables.Plans[row], i).Trigger == trigger)
                AddTask(row, occurrence, i + 1, atMs, atMs, bornPosition);
        }
    }

    private int AddTask(int row, long occurrence, int hook, long createdMs, long dueMs, long bornPosition)
    {
        int task = tables.Tasks.Take();
        ref var entry = ref tables.Tasks[task];
        entry = default;
        ref var plan = ref tables.Plans[row];
        entry.Occurrence = entry.OccurrenceTo = occurrence;
        entry.Hook = hook;
        entry.CreatedMs = createdMs;
        entry.DueMs = entry.AttemptDueMs = dueMs;
        entry.BornPosition = bornPosition;
        entry.AttemptsMax = plan.AttemptsMax;
        entry.Lane = plan.Lane;
        entry.IsPulled = (plan.Flags & PlanFlags.Pulled) != 0;
        if (hook != 0)
        {
            var spec = HookOf(plan, hook - 1);
            entry.AttemptsMax = spec.AttemptsMax;
            entry.Lane = spec.Lane;
            entry.IsPulled = spec.IsPulled;
        }

        Link(row, task);
        tables.Wheel.Schedule(task, dueMs);
        return task;
    }

    /// <summary>The schedule of a cron plan, as stored; else empty.</summary>
    public ReadOnlySpan<byte> CronOf(in PlanEntry plan) =>
        plan.CronBytes == 0 ? default : tables.Bytes.Read(plan.Hooks)[(plan.HookCount * HookTable.BytesPerHook)..];

    private HookSpec HookOf(in PlanEntry plan, int index) => HookTable.Read(tables.Bytes.Read(plan.Hooks), index);

    private void Link(int row, int task)
    {
        ref var entry = ref tables.Tasks[task];
        entry.Plan = row;
        entry.NextReady = None;
        entry.Result = None;
        entry.NextInPlan = tables.Plans[row].FirstTask;
        tables.Plans[row].FirstTask = task;
    }

    private static void Move(ref TaskEntry entry, PlanTaskState to)
    {
        Invariant.Check(PlanTaskStates.CanMove(entry.State, to));
        entry.State = to;
    }

    private void AddError(in Record record)
    {
        int row = tables.Errors.Take();
        ref var error = ref tables.Errors[row];
        error.Plan = record.Key.Plan;
        error.Occurrence = record.Key.Occurrence;
        error.Hook = record.Key.Hook;
        error.Attempt = record.Attempt;
        error.AtMs = record.AtMs;
        error.Failure = record.Failure;
        error.Text = tables.Bytes.Store(record.Payload);
        error.Next = FirstError;
        FirstError = row;
    }

    private void MarkDirty(int row, long position)
    {
        OldestUnprojected = Math.Min(OldestUnprojected, position);
        ref var plan = ref tables.Plans[row];
        if ((plan.Flags & PlanFlags.Dirty) != 0)
            return;
        plan.Flags |= PlanFlags.Dirty;
        plan.NextDirty = FirstDirty;
        FirstDirty = row;
        DirtyCount++;
    }

    /// <summary>The lists of what the tables lack go to whoever writes it; from now on they are empty.</summary>
    public void ForgetDirty()
    {
        FirstDirty = None;
        FirstError = None;
        DirtyCount = 0;
        OldestUnprojected = long.MaxValue;
    }

    /// <summary>Takes a plan out of memory. The tables have it.</summary>
    public void Drop(int row)
    {
        ref var plan = ref tables.Plans[row];
        for (int task = plan.FirstTask; task != None;)
        {
            int next = tables.Tasks[task].NextInPlan;
            tables.FreeTask(task);
            task = next;
        }

        if (plan.Parent != PlanId.None)
            _children.Remove(row);
        _index.Remove(plan.Id);
        tables.Bytes.Free(plan.Hooks);
        tables.Bytes.Free(plan.Body);
        tables.Plans.Free(row);
    }

    /// <summary>Takes everything out of memory, whether the tables have it or not.</summary>
    public void DropAll()
    {
        var rows = new List<int>();
        CopyPlans(rows);
        foreach (int row in rows)
            Drop(row);
        for (int error = FirstError; error != None;)
        {
            int next = tables.Errors[error].Next;
            tables.Bytes.Free(tables.Errors[error].Text);
            tables.Errors.Free(error);
            error = next;
        }

        ForgetDirty();
    }

    /// <summary>Rows of all plans in memory, in no particular order.</summary>
    public void CopyPlans(List<int> rows) => _index.CopyTo(rows);
}
