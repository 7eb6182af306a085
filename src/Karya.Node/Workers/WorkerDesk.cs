using System.Buffers;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Karya.Protocol.Messages;

namespace Karya.Node.Workers;

/// <summary>What the desk is told by the node, and tells it.</summary>
/// <param name="Lease">How long a delivery belongs to a worker that does not extend it.</param>
/// <param name="MayBegin">Whether an attempt of a partition and epoch may begin at this moment.</param>
/// <param name="NowMs">Store time.</param>
internal sealed record WorkerDeskOptions(
    TimeSpan Lease, Func<int, long, GateAnswer> MayBegin, Func<long> NowMs, AttemptStarted Started, AttemptEnded Ended);

/// <summary>
/// Hands attempts to workers and takes back what came of them. It knows who serves which name, how many they take, and
/// who has what until when.
/// </summary>
/// <remarks>
/// <code>
/// shard ─ Post ─► seat with a place ─► session ─► worker ─► Finish ─► outcome ─► inbox of the shard
///              └► backlog, until there is one          └─ lease or time limit ends: failed, to be tried again
/// </code>
/// A worker that goes away keeps what it has until its leases end: its handlers may still run, and it may come back to
/// tell of them. Thread-safe; one lock, held for the length of a copy.
/// </remarks>
internal sealed class WorkerDesk : IDisposable
{
    private const string NoReason = "The worker gave no reason.";

    private static readonly TimeSpan SweepPeriod = TimeSpan.FromMilliseconds(100);

    private readonly WorkerDeskOptions _options;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly TimeProvider _clock;
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, Pool> _pools = [];
    private readonly Dictionary<ulong, Held> _held = [];
    private readonly Dictionary<TaskKey, ulong> _byTask = [];
    private readonly List<ulong> _ended = [];
    private readonly HashSet<IWorkerSession> _written = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _leaseMs;
    private ITimer? _sweep;
    private ulong _nextId;
    private bool _isClosed;

    public WorkerDesk(WorkerDeskOptions options, IReadOnlyList<Shard> shards, TimeProvider clock)
    {
        _options = options;
        _shards = shards;
        _clock = clock;
        _leaseMs = (long)options.Lease.TotalMilliseconds;
        Guests = new GuestDesk(new DeskCore(_lock, _pools, _written, PlacesChanged, NowMs, _leaseMs));

        // A worker may name a delivery of an earlier process; it must not hit one of this process.
        _nextId = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) >> 1;
    }

    public TimeSpan Lease => _options.Lease;

    /// <summary>Of other nodes, for this one's workers.</summary>
    public GuestDesk Guests { get; }

    public void Start() => _sweep = _clock.CreateTimer(_ => Sweep(), null, SweepPeriod, SweepPeriod);

    /// <summary>Takes an attempt over from a shard's thread. Its body is the desk's from now on.</summary>
    public void Post(in Dispatch dispatch)
    {
        lock (_lock)
        {
            if (_isClosed)
            {
                ArrayPool<byte>.Shared.Return(dispatch.Body); // It starts again after the restart.
                return;
            }

            if (!_pools.TryGetValue(dispatch.Lane, out var pool) || pool.Credits == 0)
                GiveBack(dispatch); // Its last worker left while this was on its way.
            else if (pool.Backlog.Count > 0 || !TryDeliver(pool, dispatch))
                pool.Backlog.Enqueue(dispatch);
        }
    }

    /// <summary>
    /// The plan was cancelled: what waits here must not start, what runs is told. Called by a shard's thread, before
    /// the cancel is acknowledged.
    /// </summary>
    public void Revoke(in Revocation revocation)
    {
        lock (_lock)
        {
            if (_byTask.TryGetValue(revocation.Key, out ulong id))
            {
                var held = _held[id];
                held.Seat.Session.Revoke(id, RevokeReason.Cancelled);
                End(id, Outcome.FailedForGood(
                    FailureClass.Cancelled, "The plan was cancelled while a worker had this attempt."));
                return;
            }

            foreach (var pool in _pools.Values)
                DropCancelled(pool, revocation.Key);
        }
    }

    /// <summary>
    /// Sends what attempts that came in, or places that became free, have brought to sessions: together, not one by
    /// one.
    /// </summary>
    public void EndOfTurn()
    {
        lock (_lock)
            SendWritten();
    }

    /// <summary>Sets how many tasks of a name a session takes at once.</summary>
    /// <param name="node">The name of another node, whose session it is on behalf of its workers.</param>
    public void Subscribe(IWorkerSession session, string name, int credits, string? node = null)
    {
        lock (_lock)
        {
            uint lane = Lanes.OfTask(name);
            var pool = PoolOf(lane, name);
            var seat = pool.Seats.Find(seat => seat.Session == session);
            if (seat is null)
            {
                seat = new Seat(session, pool, node);
                pool.Seats.Add(seat);
            }

            seat.Credits = credits;
            GiveUpPlaces(seat, seat.Running - credits);
            if (seat.IsIdle)
                pool.Seats.Remove(seat);
            Resize(pool);
            SendWritten();
        }
    }

    /// <summary>The session has ended. What it has stays its worker's until the leases end.</summary>
    public void Leave(IWorkerSession session)
    {
        lock (_lock)
        {
            foreach (var pool in _pools.Values.ToList())
            {
                if (pool.Seats.Find(seat => seat.Session == session) is not { } seat)
                    continue;
                seat.IsOpen = false;
                pool.Seats.Remove(seat);
                GiveUpPlaces(seat, seat.Running);
                Resize(pool);
            }

            SendWritten();
        }
    }

    /// <summary>Takes the end of a delivery. False: it is not held any more, and the end does not count.</summary>
    /// <param name="target">Hears when the outcome is durable; not when it is false, or was released.</param>
    public bool Finish(DeliveryEnd end, IReplyTarget target, ulong tag)
    {
        lock (_lock)
        {
            if (!_held.ContainsKey(end.Id))
                return false;
            var outcome = end.Outcome switch
            {
                DeliveryOutcome.Success => Outcome.Success,
                DeliveryOutcome.Permanent => Outcome.FailedForGood(
                    FailureClass.Worker, end.Error ?? NoReason),
                _ => Outcome.Failed(FailureClass.Worker, end.Error ?? NoReason) with
                {
                    RetryAfterMs = (int)end.RetryAfterMs,
                },
            };
            if (end.Outcome == DeliveryOutcome.Released)
                Release(end.Id);
            else
                End(end.Id, outcome, end.Result, target, tag);
            return true;
        }
    }

    /// <summary>Begins a lease anew. False: the delivery is not held any more.</summary>
    public bool Extend(ulong id)
    {
        lock (_lock)
        {
            ref var held = ref CollectionsMarshal.GetValueRefOrNullRef(_held, id);
            if (Unsafe.IsNullRef(ref held))
                return false;
            held.LeaseEndsMs = NowMs() + _leaseMs;
            return true;
        }
    }

    /// <summary>Notes how far a delivery has come. False: it is not held any more.</summary>
    public bool SetProgress(ProgressRequest progress)
    {
        lock (_lock)
        {
            ref var held = ref CollectionsMarshal.GetValueRefOrNullRef(
                _held, progress.Id);
            if (Unsafe.IsNullRef(ref held))
                return false;
            held.Progress = progress.Fraction;
            held.Note = progress.Note;
            return true;
        }
    }

    /// <summary>What a worker has said of a task that it has; null when it has said nothing.</summary>
    public (double Fraction, string? Note)? ProgressOf(TaskKey task)
    {
        lock (_lock)
        {
            return _byTask.TryGetValue(task, out ulong id) && _held[id] is { Progress: >= 0 } held
                ? (held.Progress, held.Note)
                : null;
        }
    }

    /// <summary>A worker has the task.</summary>
    public bool Holds(TaskKey task)
    {
        lock (_lock)
            return _byTask.ContainsKey(task);
    }

    /// <summary>Some worker takes tasks of this name.</summary>
    public bool IsServed(string name)
    {
        lock (_lock)
            return _pools.TryGetValue(Lanes.OfTask(name), out var pool) && pool.Credits > 0;
    }

    public IReadOnlyList<WorkerStats> Describe()
    {
        lock (_lock)
        {
            return
            [
                .. _pools.Values.OrderBy(pool => pool.Name, StringComparer.Ordinal)
                    .Select(pool => new WorkerStats(
                        pool.Name, pool.Seats.Count(seat => seat.Credits > 0 && !seat.IsNode), pool.OwnPlaces,
                        pool.Running - pool.Seats.Sum(seat => seat.IsNode ? seat.Running : 0))),
            ];
        }
    }

    /// <summary>
    /// Delivers nothing more, and waits until the workers have ended what they have, up to the drain time. What they
    /// have then starts again after the restart, with the same attempt number.
    /// </summary>
    public async Task StopAsync(TimeSpan drain)
    {
        lock (_lock)
        {
            _isClosed = true;
            foreach (var pool in _pools.Values)
            {
                while (pool.Backlog.TryDequeue(out var dispatch))
                    ArrayPool<byte>.Shared.Return(dispatch.Body);
            }

            Guests.Close();
            SeeWhetherDrained();
        }

        try
        {
            await _drained.Task.WaitAsync(drain, _clock);
        }
        catch (TimeoutException)
        {
            lock (_lock)
            {
                _held.Clear();
                _byTask.Clear();
                Guests.Clear();
            }
        }

        Dispose();
    }

    public void Dispose() => _sweep?.Dispose();

    private long NowMs() => (long)_clock.GetElapsedTime(0).TotalMilliseconds;

    private Pool PoolOf(uint lane, string name)
    {
        if (_pools.TryGetValue(lane, out var pool))
            return pool;
        pool = new Pool(name, lane);
        _pools.Add(lane, pool);
        return pool;
    }

    private void Resize(Pool pool)
    {
        pool.CountPlaces();
        PlacesChanged(pool);
    }

    /// <summary>Other workers take as much as they say, whatever one has that takes less, or has gone.</summary>
    private void GiveUpPlaces(Seat seat, int count)
    {
        if (count <= 0)
            return; // Nearly always: other nodes say every second how many they take.
        foreach (ulong id in _held.Keys)
        {
            ref var held = ref CollectionsMarshal.GetValueRefOrNullRef(_held, id);
            if (count == 0 || held.Seat != seat || held.Share is null)
                continue;
            held.Share.GiveBack();
            held.Share = null;
            count--;
        }

        Guests.GiveUpPlaces(seat, count);
    }

    private void PlacesChanged(Pool pool)
    {
        if (pool.SumCredits())
        {
            foreach (var shard in _shards)
                shard.Inbox.PostCredits(pool.Lane, pool.Credits);
        }

        DeliverBacklog(pool);
        if (pool.Credits == 0)
            GiveBack(pool);
        if (pool.IsOver)
            _pools.Remove(pool.Lane);
        SeeWhetherDrained();
    }

    private void DeliverBacklog(Pool pool)
    {
        Guests.DeliverWaiting(pool);
        while (pool.Backlog.TryPeek(out var dispatch) && TryDeliver(pool, dispatch))
            pool.Backlog.Dequeue();
    }

    private bool TryDeliver(Pool pool, in Dispatch dispatch)
    {
        switch (_options.MayBegin(dispatch.Partition, dispatch.Epoch))
        {
            case GateAnswer.Wait:
                return false;
            case GateAnswer.Drop:
                GiveBack(dispatch);
                return true;
        }

        try
        {
            var task = WireContent.ReadTask(dispatch.Body.AsSpan(0, dispatch.BodyBytes), dispatch.Key.Hook);
            while (true)
            {
                if (pool.TakeSeat() is not { } seat)
                    return false;
                if (TryDeliver(seat, dispatch, task))
                    break;
                seat.IsOpen = false; // Its connection is being closed; it will leave.
            }
        }
        catch (PlanBodyDamagedException e)
        {
            var command = NewOutcome(CommandKind.AttemptFailed, dispatch);
            command.Failure = FailureClass.InvalidAction;
            command.Payload = ErrorText.Encode(e.Message, out command.PayloadBytes);
            Post(command);
        }

        ArrayPool<byte>.Shared.Return(dispatch.Body);
        return true;
    }

    private bool TryDeliver(Seat seat, in Dispatch dispatch, WireTask task)
    {
        ulong id = ++_nextId;
        if (!seat.Session.Deliver(id, dispatch, task.Name, task.Arguments, task.TimeoutMs))
            return false;
        long nowMs = NowMs();
        long storeMs = _options.NowMs();
        _options.Started(dispatch, storeMs);
        seat.Running++;
        seat.Pool.Running++;
        var share = seat.IsNode ? null : seat.Pool.Own;
        share?.Take();
        _held.Add(id, new Held
        {
            Dispatch = dispatch with { StartedMs = storeMs, Body = [] },
            LeaseEndsMs = nowMs + _leaseMs,
            TimeoutEndsMs = task.TimeoutMs > 0 ? nowMs + task.TimeoutMs : long.MaxValue,
            Seat = seat,
            Share = share,
            Progress = -1,
        });
        _byTask[dispatch.Key] = id;
        _written.Add(seat.Session);
        return true;
    }

    /// <summary>Nobody serves the name any more: what waits here waits in the engine again.</summary>
    private void GiveBack(Pool pool)
    {
        while (pool.Backlog.TryDequeue(out var dispatch))
            GiveBack(dispatch);
    }

    private void GiveBack(in Dispatch dispatch)
    {
        ArrayPool<byte>.Shared.Return(dispatch.Body);
        Post(NewOutcome(CommandKind.AttemptReleased, dispatch));
    }

    private void DropCancelled(Pool pool, TaskKey key)
    {
        for (int count = pool.Backlog.Count; count > 0; count--)
        {
            var dispatch = pool.Backlog.Dequeue();
            if (dispatch.Key != key)
            {
                pool.Backlog.Enqueue(dispatch);
                continue;
            }

            ArrayPool<byte>.Shared.Return(dispatch.Body);
            var command = NewOutcome(CommandKind.AttemptFailed, dispatch);
            command.Failure = FailureClass.Cancelled;
            command.Payload = ErrorText.Encode(
                "The plan was cancelled before a worker had a place for this attempt.", out command.PayloadBytes);
            Post(command);
        }
    }

    private static Command NewOutcome(CommandKind kind, in Dispatch dispatch) => new()
    {
        Kind = kind,
        Partition = dispatch.Partition,
        Key = dispatch.Key,
        Attempt = dispatch.Attempt,
        Epoch = dispatch.Epoch,
        Lane = dispatch.Lane,
        IsPulled = true,
        AtMs = dispatch.StartedMs,
    };

    private void Release(ulong id)
    {
        var held = Take(id);
        Post(NewOutcome(CommandKind.AttemptReleased, held.Dispatch));
        DeliverBacklog(held.Seat.Pool);
    }

    private void End(
        ulong id, Outcome outcome, byte[]? result = null, IReplyTarget? target = null, ulong tag = 0)
    {
        var held = Take(id);
        long storeMs = _options.NowMs();
        _options.Ended(held.Dispatch, outcome, storeMs);
        var kind = outcome.IsSuccess ? CommandKind.AttemptSucceeded : CommandKind.AttemptFailed;
        var command = NewOutcome(kind, held.Dispatch);
        command.AtMs = storeMs;
        command.Retryable = outcome.Retryable;
        command.RetryAfterMs = outcome.RetryAfterMs;
        command.Failure = outcome.Failure;
        command.ReplyTo = target;
        command.Tag = tag;
        if (outcome.Error is { } error)
        {
            command.Payload = ErrorText.Encode(ErrorText.Fit(error), out command.PayloadBytes);
        }
        else if (result is not null)
        {
            command.Payload = ArrayPool<byte>.Shared.Rent(Math.Max(1, result.Length));
            command.PayloadBytes = result.Length;
            result.CopyTo(command.Payload, 0);
        }

        Post(command);
        DeliverBacklog(held.Seat.Pool);
    }

    private Held Take(ulong id)
    {
        _held.Remove(id, out var held);
        _byTask.Remove(held.Dispatch.Key);
        held.Seat.Running--;
        held.Share?.GiveBack();
        var pool = held.Seat.Pool;
        pool.Running--;
        if (held.Seat.IsIdle)
            pool.Seats.Remove(held.Seat);
        if (pool.IsOver)
            _pools.Remove(pool.Lane);
        SeeWhetherDrained();
        return held;
    }

    private void SeeWhetherDrained()
    {
        if (_isClosed && _held.Count == 0 && Guests.IsDone)
            _drained.TrySetResult();
    }

    private void Post(in Command command) =>
        _shards[command.Partition % _shards.Count].Inbox.PostOutcome(command);

    private void Sweep()
    {
        lock (_lock)
        {
            long nowMs = NowMs();
            _ended.Clear();
            foreach (var (id, held) in _held)
            {
                if (nowMs >= held.LeaseEndsMs || nowMs >= held.TimeoutEndsMs)
                    _ended.Add(id);
            }

            foreach (ulong id in _ended)
                EndOverdue(id, nowMs);
            foreach (var pool in _pools.Values)
                DeliverBacklog(pool);
            SendWritten();
        }
    }

    private void SendWritten()
    {
        foreach (var session in _written)
            session.Send();
        _written.Clear();
    }

    private void EndOverdue(ulong id, long nowMs)
    {
        var held = _held[id];
        bool isTimeout = nowMs >= held.TimeoutEndsMs;
        held.Seat.Session.Revoke(id, isTimeout ? RevokeReason.TimedOut : RevokeReason.LeaseEnded);
        End(id, isTimeout
            ? Outcome.Failed(
                FailureClass.Timeout, "The attempt took longer than its time limit, and was taken from its worker.")
            : Outcome.Failed(FailureClass.WorkerLost, string.Create(
                CultureInfo.InvariantCulture,
                $"The worker did not extend its lease of {_leaseMs} ms: it died, or cannot be reached.")));
    }
}
