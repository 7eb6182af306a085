using System.Buffers;
using System.Runtime.InteropServices;
using Karya.Engine.Dispatching;
using Karya.Engine.Journal;
using Karya.Engine.Tables;

namespace Karya.Engine.Shards;

/// <summary>How large a shard is and how far it looks ahead.</summary>
/// <param name="Number">From 0, within the node.</param>
/// <param name="PartitionCount">Of the whole store; the shard has room for all and owns some.</param>
/// <param name="InFlightMax">Attempts that may run at once.</param>
/// <param name="LaneInFlightMax">Attempts that may run at once against one target.</param>
/// <param name="HorizonMs">Plans due later than this from now rest in the store.</param>
/// <param name="ProjectionIntervalMs">How long changes may be coalesced before they go to the tables.</param>
/// <param name="ProjectionLagMax">Changed plans that may wait for the tables before new ones are refused.</param>
public sealed record ShardOptions(
    int Number, int PartitionCount, int InFlightMax, int LaneInFlightMax, long HorizonMs, long ProjectionIntervalMs,
    int ProjectionLagMax)
{
    /// <summary>How fast attempts against one target may follow each other.</summary>
    public LanePace LanePace { get; init; }
}

/// <summary>
/// One single-threaded loop's worth of partitions: takes commands, advances the wheel, hands out effects. It has no
/// thread and no clock; whoever drives it calls <see cref="Turn"/> with the current tick, performs the effects, and
/// calls again when something comes in or when <see cref="NextTurnMs"/> is reached.
/// </summary>
/// <remarks>
/// Order of use: <see cref="Own"/>, <see cref="Load"/> and <see cref="Replay"/> for everything the store has, <see
/// cref="Open"/> once, then turns. All on one thread at a time; only <see cref="Inbox"/> may be used by others, and the
/// figures of
/// <see cref="Status"/>.
/// </remarks>
public sealed class Shard : IDisposable
{
    private readonly ShardOptions _options;
    private readonly ShardTables _tables;
    private readonly Partition?[] _partitions;
    private readonly ReadyQueue _ready;
    private readonly ReadyQueue _pulled;
    private readonly CommitQueue _commits = new();
    private readonly EffectList _effects = new();
    private readonly Turn _turn;
    private readonly Projection _projection;
    private readonly Residency _residency;
    private readonly int[] _expired = new int[Limits.WheelWorkPerTurnMax];
    private readonly HashSet<PlanId> _born = [];
    private readonly Ownership _ownership;
    private Rows<Command> _requests = new();
    private Rows<Command> _outcomes = new();
    private List<LoadedPage> _pages = [];
    private Dictionary<uint, int> _credits = [];
    private Dictionary<uint, int> _limits = [];
    private List<PartitionChange> _changes = [];
    private int _nextRequest;
    private int _nextOutcome;
    private JournalChunk _chunk;
    private long _position;
    private long _projectedCount;
    private long _projectionDueMs;
    private long _projectionTarget;
    private int _nextProjected;
    private bool _isDispatchStopped;
    private bool _isFiringHeld;
    private bool _isProjectionWanted;
    private bool _hasWheelWork;
    private bool _isSurveyDue = true;

    public Shard(ShardOptions options, ShardInbox inbox, long nowMs)
    {
        _options = options;
        Inbox = inbox;
        _tables = new ShardTables(nowMs - 1);
        _partitions = new Partition?[options.PartitionCount];
        _ready = new ReadyQueue(_tables.Tasks, options.InFlightMax, options.LaneInFlightMax, options.LanePace);
        _pulled = new ReadyQueue(_tables.Tasks, int.MaxValue, laneInFlightMax: 0); // Until workers give credits.
        _turn = new Turn(_effects, _commits, options.PartitionCount);
        _projection = new Projection(_tables);
        _residency = new Residency(_tables, _partitions, options.HorizonMs, nowMs);
        _ownership = new Ownership(_partitions, _tables, _projection, _residency, _commits, _turn);
        _chunk = inbox.TakeChunk();
        _projectionDueMs = nowMs + options.ProjectionIntervalMs;
    }

    public ShardInbox Inbox { get; }

    /// <summary>Figures for health and metrics; any thread may read them, each by itself.</summary>
    public ShardStatus Status { get; } = new();

    /// <summary>When the next turn is wanted if nothing comes in before.</summary>
    public long NextTurnMs { get; private set; }

    /// <summary>Plans due before this instant are in memory, or are being loaded.</summary>
    public long ResidentUntilMs => _residency.UntilMs;

    /// <summary>
    /// Starts no attempts while true: the right to fire has run out, for now or for good. All else goes on. Set by the
    /// thread that takes the turns.
    /// </summary>
    public void HoldFiring(bool isHeld) => _isFiringHeld = isHeld;

    /// <summary>
    /// Takes a partition, as the store has it: records up to <paramref name="sequence"/> are in its tables.
    /// </summary>
    public void Own(int partition, long epoch, long sequence) => _ownership.Own(partition, epoch, sequence);

    public bool Owns(int partition) => _partitions[partition] is not null;

    /// <summary>Takes a plan over from the tables, unless it is there already.</summary>
    public void Load(PlanId id, int partition, ReadOnlySpan<byte> memo, ReadOnlySpan<byte> body)
    {
        var state = _partitions[partition]!.State;
        if (state.Find(id) < 0)
            state.Load(id, memo, body);
    }

    /// <summary>
    /// Adds the plans that a journal row changed after the tables were written, and that are not in memory. Those that
    /// were submitted after it are in no table. Called for all rows in order.
    /// </summary>
    public void CollectMissing(ReadOnlySpan<byte> journalRow, HashSet<PlanId> missing)
    {
        while (!journalRow.IsEmpty)
        {
            journalRow = JournalChunk.ReadChunk(journalRow, (in record, _) =>
            {
                if (_partitions[record.Partition] is not { } partition || record.Sequence <= partition.Sequence)
                    return;
                if (record.Kind == RecordKind.Submitted)
                    _born.Add(record.Key.Plan);
                else
                    AddIfMissing(partition, record.Key.Plan, missing);
                AddIfMissing(partition, record.Spec.Parent, missing); // A new child leaves a mark on its parent.
            });
        }
    }

    private void AddIfMissing(Partition partition, PlanId plan, HashSet<PlanId> missing)
    {
        if (plan != PlanId.None && partition.State.Find(plan) < 0 && !_born.Contains(plan))
            missing.Add(plan);
    }

    /// <summary>Makes the changes again that a journal row records and the tables lack.</summary>
    public void Replay(ReadOnlySpan<byte> journalRow)
    {
        while (!journalRow.IsEmpty)
        {
            journalRow = JournalChunk.ReadChunk(
                journalRow, (in record, _) => _partitions[record.Partition]?.ReplayRecord(record));
        }
    }

    /// <summary>
    /// Everything is replayed: from the next turn on, tasks start. The first turn asks for what is due before
    /// <see cref="ResidentUntilMs"/>; what is overdue starts as it comes in.
    /// </summary>
    public void Open(long nowMs)
    {
        _born.Clear();
        _born.TrimExcess();
        BeginTurn(nowMs);
        foreach (var partition in _partitions)
            partition?.Open(_turn);
        NextTurnMs = nowMs;
    }

    /// <summary>
    /// One turn: takes a limited number of commands, advances the wheel by a limited amount of work, starts what is due
    /// and has a place. Everything in it happens at <paramref name="nowMs"/>.
    /// </summary>
    /// <returns>What is to be done; valid until the next call.</returns>
    public EffectList Turn(long nowMs)
    {
        _effects.Clear();
        BeginTurn(nowMs);
        TakeMessages();
        TakeCommands();
        AdvanceWheel(nowMs);
        StartReady();
        _commits.Release(_turn.DurablePosition, _effects.Replies);
        _isProjectionWanted |= _ownership.GoOnClosing();
        EndChunk();
        _residency.RequestHorizon(nowMs, _effects);
        Report();
        Project(nowMs);
        NextTurnMs = NextTurn(nowMs);
        return _effects;
    }

    public void Dispose() => _tables.Dispose();

    /// <summary>What it holds, for tests that look for what is left behind.</summary>
    internal ShardTables Tables => _tables;

    /// <summary>A canonical picture of a partition's plans, for comparing states.</summary>
    internal void WriteSnapshot(int partition, ByteWriter writer)
    {
        var rows = new List<int>();
        _partitions[partition]!.State.CopyPlans(rows);
        rows.Sort((a, b) => _tables.Plans[a].Id.CompareTo(_tables.Plans[b].Id));
        foreach (int row in rows)
        {
            ref var plan = ref _tables.Plans[row];
            writer.WriteUInt128(plan.Id.Value);
            _projection.WriteMemo(writer, plan);
            writer.Write(_tables.Bytes.Read(plan.Body));
        }
    }

    private bool MayFire => !_isDispatchStopped && !_isFiringHeld;

    private void BeginTurn(long nowMs) => _turn.Begin(nowMs, _position + 1, _chunk);

    private void TakeMessages()
    {
        if (_nextRequest == _requests.Count)
        {
            _requests.Clear();
            _nextRequest = 0;
        }

        if (_nextOutcome == _outcomes.Count)
        {
            _outcomes.Clear();
            _nextOutcome = 0;
        }

        var state = Inbox.Drain(ref _requests, ref _outcomes, ref _pages, ref _credits, ref _limits, ref _changes);
        foreach (var (lane, credits) in _credits)
            _pulled.SetLimit(lane, credits);
        _credits.Clear();
        foreach (var (lane, limit) in _limits)
            _ready.SetLimit(lane, Math.Min(limit, _options.LaneInFlightMax));
        _limits.Clear();
        _turn.DurablePosition = state.DurablePosition;
        _isDispatchStopped = state.IsDispatchStopped;
        if (state.IsJournalLost)
            _commits.FailAll(ReplyCode.Unknown, _effects.Replies);
        _isProjectionWanted |= state.IsProjectionWanted;
        if (state.ProjectedCount != _projectedCount)
        {
            _projectedCount = state.ProjectedCount;
            _residency.DropUnneeded(_projection.Confirm());
            _isSurveyDue = true;
        }

        foreach (ref readonly var change in CollectionsMarshal.AsSpan(_changes))
            _ownership.Take(change);
        _isSurveyDue |= _changes.Count > 0;
        _changes.Clear();

        foreach (var page in _pages)
        {
            if (_residency.Take(page, _turn, out var parked))
                ApplyParked(parked);
            _residency.EndTake(parked);
        }

        _isSurveyDue |= _pages.Count > 0;
        _pages.Clear();
    }

    private void ApplyParked(in Residency.Parked parked)
    {
        var partition = _partitions[parked.Command.Partition]!; // Else it would not be parked any more.
        if (parked.HasFailed && parked.Command.IsOutcome)
        {
            _turn.PassOn(parked.Command); // It comes back when the tables can be read, perhaps.
            return;
        }

        if (partition.IsClosing && !parked.Command.IsOutcome || IsForTheNextOwner(parked.Command))
        {
            _turn.Decline(parked.Command);
            return;
        }

        if (parked.HasFailed)
            _turn.ReplyNow(parked.Command, ReplyCode.Overloaded);
        else
            partition.Apply(parked.Command, _turn, parked.Loaded);
        ReturnPayload(parked.Command);
    }

    /// <summary>
    /// All outcomes, since no more attempts run than there are places, unless they are very large; and a limited number
    /// of requests.
    /// </summary>
    private void TakeCommands()
    {
        var outcomes = _outcomes.Span;
        for (int bytes = 0; _nextOutcome < outcomes.Length && bytes < Limits.OutcomeBytesPerTurnMax; _nextOutcome++)
        {
            bytes += outcomes[_nextOutcome].PayloadBytes;
            Take(ref outcomes[_nextOutcome]);
        }

        int end = Math.Min(_requests.Count, _nextRequest + Limits.CommandsPerTurnMax);
        var requests = _requests.Span;
        for (; _nextRequest < end; _nextRequest++)
            Take(ref requests[_nextRequest]);
    }

    private void Take(ref Command command)
    {
        if (!Apply(command))
            ReturnPayload(command);
        command = default; // Its reply target and payload must not be kept alive.
    }

    /// <returns>True: the command waits for a plan, or goes elsewhere, and keeps its payload.</returns>
    private bool Apply(in Command command)
    {
        if (command.Kind == CommandKind.Flush)
        {
            _turn.ReplyWhenDurable(command, _chunk.IsEmpty ? _position : _turn.Position);
            return false;
        }

        bool isOutcome = command.IsOutcome;
        if (isOutcome && _ownership.HasDispatched(command)) // Else it took its place elsewhere.
            (command.IsPulled ? _pulled : _ready).Release(command.Lane);
        if (_partitions[command.Partition] is not { } partition || (partition.IsClosing && !isOutcome)
            || IsForTheNextOwner(command))
        {
            _turn.Decline(command);
            return true;
        }

        if (command.Kind == CommandKind.Submit && Status.ChangedPlans > _options.ProjectionLagMax)
        {
            _turn.ReplyNow(command, ReplyCode.Overloaded);
            return false;
        }

        var result = partition.Apply(command, _turn, loaded: null);
        if (result == ApplyResult.Done)
            return false;
        if (_residency.TryPark(command, withDescendants: command.Kind == CommandKind.Cancel, _effects))
            return true;
        if (isOutcome)
            _turn.PassOn(command);
        else
            _turn.ReplyNow(command, ReplyCode.Overloaded);
        return isOutcome;
    }

    /// <summary>
    /// The end of an attempt comes from another node, perhaps from one that has taken the partition meanwhile. While
    /// the lease may have run out, what is known of the attempt here is no reason to say that it is over.
    /// </summary>
    private bool IsForTheNextOwner(in Command command) => _isFiringHeld && command is { IsOutcome: true, Epoch: 0 };

    internal static void ReturnPayload(in Command command)
    {
        if (command.Payload is { } payload)
            ArrayPool<byte>.Shared.Return(payload);
    }

    private void AdvanceWheel(long nowMs)
    {
        int workLeft = Limits.WheelWorkPerTurnMax;
        int count = _tables.Wheel.Advance(nowMs, _expired, ref workLeft);
        _hasWheelWork = _tables.Wheel.NowTick < nowMs;
        foreach (int task in _expired.AsSpan(0, count))
        {
            ref var entry = ref _tables.Tasks[task];
            if (!entry.IsReady) // Else it waited to start again when its end came: it is there for its retry, too.
                (entry.IsPulled ? _pulled : _ready).Enqueue(task);
        }
    }

    /// <summary>Hands out attempts while there are due tasks and places for them.</summary>
    private void StartReady()
    {
        _ready.Advance(_turn.NowMs);
        StartReady(_ready, Limits.DispatchesPerTurnMax);
        StartReady(_pulled, 2 * Limits.DispatchesPerTurnMax);
    }

    /// <param name="dispatchesMax">Of the turn, those that are there already included.</param>
    private void StartReady(ReadyQueue ready, int dispatchesMax)
    {
        int looks = Limits.WheelWorkPerTurnMax; // Tasks that were cancelled while they waited cost a look each.
        while (MayFire && looks-- > 0 && _effects.Dispatches.Count < dispatchesMax && ready.TryTake(out int task))
        {
            ref var entry = ref _tables.Tasks[task];
            uint lane = entry.Lane;
            if (entry.IsDetached)
            {
                _tables.Tasks.Free(task);
                ready.Release(lane);
                continue;
            }

            if (_partitions[_tables.Plans[entry.Plan].Partition]!.TryStart(task, _turn))
                ready.Started(lane, _turn.NowMs);
            else
                ready.Release(lane);
        }
    }

    private void EndChunk()
    {
        if (_chunk.IsEmpty)
            return;
        _chunk.Shard = _options.Number;
        _chunk.Position = ++_position;
        _effects.Chunk = _chunk;
        _chunk = Inbox.TakeChunk();
        _isSurveyDue = true;
    }

    /// <summary>
    /// Starts a sweep over the partitions when the interval has passed or somebody waits, and goes on with it, one
    /// batch at a time, until the tables have everything that was there when it started.
    /// </summary>
    private void Project(long nowMs)
    {
        if (_isProjectionWanted || (nowMs >= _projectionDueMs && _projectionTarget <= Status.ProjectedPosition))
        {
            _isProjectionWanted = false;
            _projectionTarget = _position;
            _projectionDueMs = nowMs + _options.ProjectionIntervalMs;
        }

        if (!_projection.IsUnderWay && Status.ProjectedPosition < _projectionTarget)
        {
            _effects.Projection = _projection.Take(
                _partitions, ref _nextProjected, _projectionTarget, _position, ProjectionRows());
        }
    }

    /// <summary>
    /// Half as many rows as plans wait. The ids of a partition lie all over the tables' pages, so the more partitions
    /// share a transaction, the fewer times each page is written; and the longer the journal waits for the store
    /// meanwhile.
    /// </summary>
    private int ProjectionRows() =>
        (int)Math.Clamp(Status.ChangedPlans / 2, Limits.ProjectionRowsMin, Limits.ProjectionRowsMax);

    private long NextTurn(long nowMs)
    {
        bool hasWork = _nextRequest < _requests.Count || _nextOutcome < _outcomes.Count || _hasWheelWork
            || ((_ready.CanTake || _pulled.CanTake) && MayFire);
        if (hasWork)
            return nowMs;
        long projectionMs = Status.ProjectedPosition < _position && !_projection.IsUnderWay
            ? Math.Max(_projectionDueMs, nowMs + 1)
            : long.MaxValue;
        long ownMs = Math.Min(projectionMs, _ownership.NextMs);
        return Math.Min(Math.Min(_tables.Wheel.NextWakeTick, _residency.NextMs), Math.Min(ownMs, _ready.NextMs));
    }

    private void Report()
    {
        Status.SetTurn(
            _position, _ready.InFlight + _pulled.InFlight, _ready.Waiting, _pulled.Waiting, _tables.Wheel.Count,
            _ready.PacedCount);
        if (!_isSurveyDue)
            return;

        _isSurveyDue = false;
        long oldest = _projection.OldestUnderWay;
        long changed = 0;
        foreach (var partition in _partitions)
        {
            if (partition is null)
                continue;
            oldest = Math.Min(oldest, partition.State.OldestUnprojected);
            changed += partition.State.DirtyCount;
        }

        Status.SetTables(oldest == long.MaxValue ? _position : oldest - 1, _tables.Plans.Count, changed);
    }
}
