using System.Buffers;
using Karya.Engine.Journal;
using Karya.Engine.Scheduling;
using Karya.Engine.Tables;

namespace Karya.Engine;

/// <summary>What <see cref="Partition.Apply"/> did with a command.</summary>
internal enum ApplyResult
{
    Done,

    /// <summary>The plan is not in memory. Load it, then apply the command again.</summary>
    NeedsPlan,

    /// <summary>The plan is in memory, but descendants of it may not be. Load them, then apply again.</summary>
    NeedsDescendants,
}

/// <summary>
/// The state machine of one partition. It decides: a command or a due task becomes records. What a record changes is
/// done by <see cref="PartitionState"/>, the same for a fresh record and a replayed one.
/// </summary>
/// <remarks>
/// Owned by one shard, called during its turns only. See <c>docs/states.md</c> for the states and their moves.
/// </remarks>
internal sealed class Partition(int number, long epoch, long sequence, ShardTables tables, long version = 0)
{
    private readonly PartitionState _state = new(number, tables);
    private readonly HashSet<PlanId> _family = [];
    private readonly List<int> _interrupted = [];

    public int Number => number;

    public long Epoch => epoch;

    /// <summary>The number of the last record.</summary>
    public long Sequence { get; private set; } = sequence;

    public PartitionState State => _state;

    /// <summary>How many partitions the shard had been granted when it got this one, itself included.</summary>
    public long Version => version;

    /// <summary>Attempts that run in this process, for this partition.</summary>
    public int Running { get; private set; }

    /// <summary>It is about to go to another owner: no request is taken and no attempt starts.</summary>
    public bool IsClosing { get; set; }

    /// <param name="loaded">
    /// Null on the first try. Else the plan was looked for in the tables, and these came (with its descendants if they
    /// were asked for): what is not in memory now does not exist.
    /// </param>
    public ApplyResult Apply(in Command command, Turn turn, HashSet<PlanId>? loaded)
    {
        switch (command.Kind)
        {
            case CommandKind.Submit when command.MayExist && loaded is null && _state.Find(command.Spec.Id) < 0:
                return ApplyResult.NeedsPlan;
            case CommandKind.Submit:
                Submit(command, turn);
                return ApplyResult.Done;
            case CommandKind.AttemptSucceeded or CommandKind.AttemptFailed or CommandKind.AttemptReleased
                when command.Epoch != epoch && loaded is null && _state.Find(command.Key.Plan) < 0:
                return ApplyResult.NeedsPlan; // It was handed over, and the page with its plan is still on its way.
            case CommandKind.AttemptReleased:
                ReleaseAttempt(command, turn);
                return ApplyResult.Done;
            case CommandKind.AttemptSucceeded or CommandKind.AttemptFailed:
                EndAttempt(command, turn);
                return ApplyResult.Done;
        }

        int plan = _state.Find(command.Key.Plan);
        if (plan < 0)
        {
            if (loaded is null)
                return ApplyResult.NeedsPlan;
            turn.ReplyNow(command, ReplyCode.NotFound);
            return ApplyResult.Done;
        }

        switch (command.Kind)
        {
            case CommandKind.Update:
                Update(command, plan, turn);
                break;
            case CommandKind.Replay:
                Replay(command, plan, turn);
                break;
            case CommandKind.Trigger:
                Trigger(command, plan, turn);
                break;
            case CommandKind.Cancel:
                if (loaded is null && (tables.Plans[plan].Flags & PlanFlags.HasChildren) != 0)
                    return ApplyResult.NeedsDescendants;
                Cancel(command, plan, turn, loaded);
                break;
            default:
                Invariant.Fail($"command kind {command.Kind}");
                break;
        }

        return ApplyResult.Done;
    }

    /// <summary>
    /// A task came out of the ready queue with a place to run. Starts an attempt, or finds out that none is to be made.
    /// </summary>
    /// <returns>False: the place was not used.</returns>
    public bool TryStart(int task, Turn turn)
    {
        ref var entry = ref tables.Tasks[task];
        if (IsClosing)
            return false;
        if (entry.IsInterrupted || entry.IsAway)
            return TryStartAgain(task, turn);
        if (entry.State != PlanTaskState.Created)
            return false;
        if (entry.AttemptDueMs > turn.NowMs)
            return false; // Its end came while it waited to start again; the wheel has it for its retry.

        if (entry.BornPosition > turn.DurablePosition)
        {
            tables.Wheel.Schedule(task, turn.NowMs + Limits.NotDurableDelayMs);
            return false;
        }

        ref var plan = ref tables.Plans[entry.Plan];
        if (plan.Kind is ScheduleKind.Every or ScheduleKind.Cron && IsFirstStart(entry) && TrySkip(task, turn))
            return false;

        Start(task, turn);
        return true;
    }

    /// <summary>After replaying: what the previous owner had running starts again.</summary>
    public void Open(Turn turn)
    {
        var plans = new List<int>();
        _state.CopyPlans(plans);
        foreach (int plan in plans)
            StartAgain(plan, turn);
    }

    /// <summary>
    /// A plan came from a store: what the previous owner had running starts again (it may have run: at least once), and
    /// what belongs to a cancelled plan ends.
    /// </summary>
    public void StartAgain(int plan, Turn turn)
    {
        _interrupted.Clear();
        _state.CopyInterrupted(plan, _interrupted);
        foreach (int task in _interrupted)
        {
            if (tables.Tasks[task].IsAway)
                _state.WaitForEnd(task);
            else if (tables.Plans[plan].State == PlanState.Cancelled)
                EndInterrupted(task, turn);
            else
                _state.PutBack(task, turn.NowMs);
        }
    }

    /// <summary>
    /// The partition goes to another owner. What runs goes on, and its end will be told to that one; which starts it
    /// again when it has heard nothing until then.
    /// </summary>
    public void HandOver(long untilMs, Turn turn)
    {
        var plans = new List<int>();
        _state.CopyPlans(plans);
        foreach (int plan in plans)
        {
            foreach (int task in new TaskList(tables, tables.Plans[plan].FirstTask))
            {
                ref var entry = ref tables.Tasks[task];
                if (entry is not { State: PlanTaskState.Processing, IsInterrupted: false, IsAway: false })
                    continue;
                var record = NewRecord(RecordKind.HandedOver, KeyOf(entry), turn.NowMs);
                record.Attempt = entry.Attempts;
                record.DueMs = untilMs;
                Commit(ref record, turn);
            }
        }
    }

    /// <summary>An interrupted attempt has a place. Its plan may have been cancelled while it waited for one.</summary>
    private bool TryStartAgain(int task, Turn turn)
    {
        bool isCancelled = tables.Plans[tables.Tasks[task].Plan].State == PlanState.Cancelled;
        if (isCancelled)
            EndInterrupted(task, turn);
        else
            Start(task, turn);
        return !isCancelled;
    }

    private void EndInterrupted(int task, Turn turn)
    {
        ref var entry = ref tables.Tasks[task];
        var record = NewRecord(RecordKind.Failed, KeyOf(entry), turn.NowMs);
        record.Attempt = entry.Attempts;
        record.Failure = FailureClass.NodeStopped;
        record.Payload = "The node stopped while this attempt of a cancelled plan was running."u8;
        Commit(ref record, turn);
    }

    private void Submit(in Command command, Turn turn)
    {
        if (_state.Find(command.Spec.Id) >= 0)
        {
            turn.ReplyWhenKnown(command, ReplyCode.AlreadyExists);
            return;
        }

        if (command.Spec.Parent != PlanId.None)
        {
            int parent = _state.Find(command.Spec.Parent);
            if (parent < 0 || tables.Plans[parent].State == PlanState.Cancelled)
            {
                turn.ReplyNow(command, ReplyCode.WrongState);
                return;
            }
        }

        var cron = command.Spec.Kind == ScheduleKind.Cron ? command.Cron.AsSpan() : default;
        Span<byte> hooks = stackalloc byte[HookTable.BytesMax + Limits.CronBytesMax];
        scoped var record = NewRecord(RecordKind.Submitted, new TaskKey(command.Spec.Id, 0, 0), command.Spec.CreatedMs);
        record.Spec = command.Spec;
        int hookBytes = HookTable.Write(command.Hooks, hooks);
        cron.CopyTo(hooks[hookBytes..]);
        record.Hooks = hooks[..(hookBytes + cron.Length)];
        record.Spec.HookCount = hookBytes / HookTable.BytesPerHook;
        record.Spec.CronBytes = cron.Length;
        record.Payload = command.Payload.AsSpan(0, command.PayloadBytes);
        Commit(ref record, turn);
        if (command.IsAccepted)
            turn.ReplyNow(command, ReplyCode.Ok);
        else
            turn.ReplyWhenDurable(command);
    }

    private void Update(in Command command, int plan, Turn turn)
    {
        if ((command.Update & PlanUpdate.Period) != 0 && tables.Plans[plan].Kind == ScheduleKind.Cron)
        {
            turn.ReplyNow(command, ReplyCode.WrongState); // It has a schedule instead.
            return;
        }

        if (command.MadeFrom != 0 && command.MadeFrom != BodyMark.Of(tables.Bytes.Read(tables.Plans[plan].Body)))
        {
            turn.ReplyNow(command, ReplyCode.Changed);
            return;
        }

        Span<byte> hooks = stackalloc byte[HookTable.BytesMax];
        scoped var record = NewRecord(RecordKind.Updated, command.Key, command.AtMs);
        record.Update = command.Update;
        record.Spec = command.Spec;
        record.Hooks = hooks[..HookTable.Write(command.Hooks, hooks)];
        record.Spec.HookCount = record.Hooks.Length / HookTable.BytesPerHook;
        record.Payload = command.Payload.AsSpan(0, command.PayloadBytes);
        Commit(ref record, turn);
        turn.ReplyWhenDurable(command);
    }

    /// <summary>
    /// One record per plan, all in this turn and therefore in one commit. Ended descendants stay as they are, unless
    /// hooks of theirs are open: else there is nothing to stop. The plan itself is marked whatever its state, as
    /// clients of the original expect.
    /// </summary>
    private void Cancel(in Command command, int plan, Turn turn, HashSet<PlanId>? loaded)
    {
        bool hasChildren = (tables.Plans[plan].Flags & PlanFlags.HasChildren) != 0;
        CancelOne(command.Key.Plan, command.AtMs, turn);
        if (hasChildren)
        {
            _family.Clear();
            _family.Add(command.Key.Plan);
            if (loaded is not null)
                _family.UnionWith(loaded);
            _state.AddDescendants(_family);
            foreach (var member in _family)
            {
                int row = member == command.Key.Plan ? -1 : _state.Find(member);
                if (row >= 0 && _state.CanGoOn(row))
                    CancelOne(member, command.AtMs, turn);
            }
        }

        turn.ReplyWhenDurable(command);
    }

    private void CancelOne(PlanId plan, long atMs, Turn turn)
    {
        var record = NewRecord(RecordKind.Cancelled, new TaskKey(plan, 0, 0), atMs);
        Commit(ref record, turn);
        foreach (int task in new TaskList(tables, tables.Plans[_state.Find(plan)].FirstTask))
        {
            ref var entry = ref tables.Tasks[task];
            if (entry is { State: PlanTaskState.Processing, IsInterrupted: false, IsAway: false })
                turn.Effects.Revocations.Add() = new Revocation(KeyOf(entry), entry.Attempts, epoch, entry.IsPulled);
        }
    }

    /// <summary>An occurrence that waits runs at once; one that is due already needs no help.</summary>
    private void Trigger(in Command command, int plan, Turn turn)
    {
        int task = _state.FindWaiting(plan);
        if (task < 0)
        {
            turn.ReplyWhenKnown(command, ReplyCode.WrongState);
            return;
        }

        ref var entry = ref tables.Tasks[task];
        if (entry.AttemptDueMs <= turn.NowMs)
        {
            turn.ReplyWhenKnown(command, ReplyCode.Ok);
            return;
        }

        var record = NewRecord(RecordKind.Triggered, KeyOf(entry), command.AtMs);
        Commit(ref record, turn);
        turn.ReplyWhenDurable(command);
    }

    /// <summary>
    /// Nobody made the attempt, so that it may be handed out again: known in memory only, as after a restart.
    /// </summary>
    private void ReleaseAttempt(in Command command, Turn turn)
    {
        CountEnd(command);
        turn.ReplyNow(command, ReplyCode.Ok);
        int task = FindAttempt(command);
        if (task < 0)
            return;
        if (tables.Plans[tables.Tasks[task].Plan].State == PlanState.Cancelled)
            EndInterrupted(task, turn);
        else
            _state.PutBack(task, turn.NowMs + Limits.ReleaseDelayMs);
    }

    private void Replay(in Command command, int plan, Turn turn)
    {
        ref var entry = ref tables.Plans[plan];
        if (entry.State == PlanState.Cancelled || command.Key.Hook > entry.HookCount
            || _state.HoldsTask(plan, command.Key)) // Open, or the dead letter that was read is out of date.
        {
            turn.ReplyNow(command, ReplyCode.WrongState);
            return;
        }

        var record = NewRecord(RecordKind.Replayed, command.Key, command.AtMs);
        record.Attempt = command.Attempt;
        record.AttemptsMax = command.Attempt + _state.AttemptsMaxOf(plan, command.Key.Hook);
        record.DueMs = command.DueMs;
        record.Spec.CreatedMs = command.Spec.CreatedMs;
        Commit(ref record, turn);
        turn.ReplyWhenDurable(command);
    }

    private void EndAttempt(in Command command, Turn turn)
    {
        CountEnd(command);
        int task = FindAttempt(command);
        if (task < 0)
        {
            turn.ReplyWhenKnown(command, ReplyCode.WrongState); // It is no longer ours to end.
            return;
        }

        ref var entry = ref tables.Tasks[task];
        int plan = entry.Plan;
        var kind = RecordKind.Succeeded;
        if (command.Kind == CommandKind.AttemptFailed)
        {
            bool goesOn = command.Retryable && entry.Attempts < entry.AttemptsMax
                && tables.Plans[plan].State != PlanState.Cancelled;
            kind = goesOn ? RecordKind.Retrying : RecordKind.Failed;
        }

        var record = NewRecord(kind, command.Key, command.AtMs);
        record.Attempt = command.Attempt;
        record.Failure = command.Failure;
        record.HasResult = kind == RecordKind.Succeeded && command.Payload is not null;
        record.Payload = command.Payload.AsSpan(0, command.PayloadBytes);
        Invariant.Check(!record.HasResult || command.PayloadBytes <= Limits.ResultBytesMax);
        if (kind == RecordKind.Retrying)
            record.DueMs = command.AtMs + RetryDelayMs(command, tables.Plans[plan]);
        Commit(ref record, turn);
        turn.ReplyWhenDurable(command);
    }

    /// <summary>An attempt of an earlier epoch runs elsewhere, or ran in an earlier process.</summary>
    private void CountEnd(in Command command)
    {
        if (command.Epoch == epoch)
            Running--;
    }

    /// <summary>
    /// The task whose attempt runs, of which the command tells; -1 when there is none. What an earlier owner tells of
    /// an
    /// attempt that was started again here counts if it succeeded there; else this one decides.
    /// </summary>
    private int FindAttempt(in Command command)
    {
        int plan = _state.Find(command.Key.Plan);
        int task = plan < 0 ? -1 : _state.FindTask(plan, command.Key);
        if (task < 0)
            return -1;
        ref var entry = ref tables.Tasks[task];
        bool isRunning = entry.State == PlanTaskState.Processing && !entry.IsInterrupted
            && entry.Attempts == command.Attempt;
        bool counts = command.Epoch == epoch || entry.IsAway || command.Kind == CommandKind.AttemptSucceeded;
        return isRunning && counts ? task : -1;
    }

    private static long RetryDelayMs(in Command command, in PlanEntry plan) =>
        Math.Max(
            RetryPolicy.DelayMs(command.Key, command.Attempt, plan.RetryDelayMs, plan.RetryDelayMsMax),
            Math.Min(command.RetryAfterMs, Limits.RetryAfterMsMax));

    /// <summary>
    /// Misfire: later occurrences fell due as well while this one waited. All but the latest are recorded as skipped,
    /// as one range; under <see cref="MisfirePolicy.Skip"/> the latest, too, if it is late itself. The one that remains
    /// is in the wheel now, and like every task starts when the record that made it is durable. What this turn has no
    /// steps left to count, of a cron plan, is left to the next one.
    /// </summary>
    /// <returns>True: this occurrence was skipped, or put off.</returns>
    private bool TrySkip(int task, Turn turn)
    {
        ref var entry = ref tables.Tasks[task];
        ref var plan = ref tables.Plans[entry.Plan];
        long lateMs = turn.NowMs - entry.DueMs;
        if (plan.Misfire == MisfirePolicy.All || lateMs <= Limits.MisfireGraceMs)
            return false;

        long untilMs = Math.Min(turn.NowMs, plan.EndMs);
        if (plan.Kind == ScheduleKind.Cron && turn.CronStepsLeft < 2) // Fewer than two steps count nothing.
        {
            tables.Wheel.Schedule(task, turn.NowMs + 1);
            return true;
        }

        var missed = plan.Kind == ScheduleKind.Cron
            ? CountMissed(plan, entry.DueMs, untilMs, turn)
            : Missed.OfPeriod(entry.DueMs, untilMs, plan.PeriodMs);
        bool skipsLast = plan.Misfire == MisfirePolicy.Skip && turn.NowMs - missed.LastDueMs > Limits.MisfireGraceMs;
        if (missed.Count == 0 && !skipsLast)
            return false;

        var key = KeyOf(entry);
        var record = NewRecord(RecordKind.Skipped, key, turn.NowMs);
        record.Reason = SkipReason.Misfire;
        record.OccurrenceTo = key.Occurrence + missed.Count - (skipsLast ? 0 : 1);
        record.DueMs = skipsLast ? missed.NextDueMs : missed.LastDueMs;
        Commit(ref record, turn);
        return true;
    }

    private Missed CountMissed(in PlanEntry plan, long dueMs, long untilMs, Turn turn)
    {
        int stepsLeft = turn.CronStepsLeft;
        var missed = Missed.OfCron(tables.Crons.Get(_state.CronOf(plan)), dueMs, untilMs, ref stepsLeft);
        turn.CronStepsLeft = stepsLeft;
        return missed;
    }

    private void Start(int task, Turn turn)
    {
        ref var entry = ref tables.Tasks[task];
        var key = KeyOf(entry);
        var record = NewRecord(RecordKind.Started, key, turn.NowMs);
        record.Attempt = entry.IsInterrupted || entry.IsAway ? entry.Attempts : entry.Attempts + 1;
        if (IsFirstStart(entry))
            record.DueMs = NextCronMs(entry);
        long attemptDueMs = entry.AttemptDueMs;
        Commit(ref record, turn);

        Running++;
        ref var plan = ref tables.Plans[entry.Plan];
        var body = tables.Bytes.Read(plan.Body);
        byte[] copy = ArrayPool<byte>.Shared.Rent(Math.Max(1, body.Length));
        body.CopyTo(copy);
        ref var dispatch = ref turn.Effects.Dispatches.Add();
        dispatch.Key = key;
        dispatch.User = plan.User;
        dispatch.Partition = number;
        dispatch.Epoch = epoch;
        dispatch.Attempt = record.Attempt;
        dispatch.AttemptsMax = entry.AttemptsMax;
        dispatch.DueMs = entry.DueMs;
        dispatch.AttemptDueMs = Math.Min(attemptDueMs, turn.NowMs); // Sooner when one that is away was given back.
        dispatch.StartedMs = turn.NowMs;
        dispatch.Lane = entry.Lane;
        dispatch.IsPulled = entry.IsPulled;
        dispatch.Body = copy;
        dispatch.BodyBytes = body.Length;
    }

    /// <summary>The start that brings the next occurrence into being.</summary>
    private static bool IsFirstStart(in TaskEntry entry) =>
        entry is { Hook: 0, Attempts: 0, IsReplayed: false };

    /// <summary>
    /// When the next occurrence of a cron plan is due: after the due instant, not after now. 0 when it is no cron plan,
    /// when there is none, and when this machine lacks the plan's time zone, so that none can be found: the plan ends
    /// with this occurrence then. A replay has the same plan end, whatever time zones it finds.
    /// </summary>
    private long NextCronMs(in TaskEntry entry)
    {
        ref var plan = ref tables.Plans[entry.Plan];
        if (plan.Kind != ScheduleKind.Cron)
            return 0;
        return tables.Crons.Get(_state.CronOf(plan))?.NextMs(entry.DueMs) ?? 0;
    }

    private TaskKey KeyOf(in TaskEntry entry) => new(tables.Plans[entry.Plan].Id, entry.Occurrence, entry.Hook);

    private Record NewRecord(RecordKind kind, TaskKey key, long atMs) =>
        new() { Kind = kind, Partition = number, Sequence = Sequence + 1, Key = key, AtMs = atMs };

    private void Commit(scoped ref Record record, Turn turn)
    {
        turn.Append(record, epoch);
        Sequence = record.Sequence;
        _state.Evolve(record, turn.Position);
    }

    /// <summary>
    /// A record of the journal, after the tables were loaded. What the tables contain already is passed over.
    /// </summary>
    public void ReplayRecord(in Record record)
    {
        if (record.Sequence <= Sequence)
            return;
        if (record.Sequence != Sequence + 1)
        {
            throw new RecordDamagedException(
                $"Partition {number}: record {record.Sequence} follows {Sequence}; the journal has a gap.");
        }

        Sequence = record.Sequence;
        _state.Evolve(record, bornPosition: 0);
    }
}
