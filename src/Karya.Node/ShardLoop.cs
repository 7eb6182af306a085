using System.Buffers;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Workers;

namespace Karya.Node;

/// <summary>
/// The thread of a shard: reads the clock once, lets the shard take its turn, performs what it asked for, sleeps until
/// something comes in or is due. The only thread that touches the shard.
/// </summary>
internal sealed class ShardLoop : IDisposable
{
    /// <summary>The longest sleep, so that <see cref="LastTurn"/> tells a live loop from a stuck one.</summary>
    private const long SleepMsMax = 1000;

    private readonly int _number;
    private readonly Shard _shard;
    private readonly DeadlineWaiter _waiter;
    private readonly TickClock _ticks;
    private readonly TimeProvider _clock;
    private readonly Journal _journal;
    private readonly Projector _projector;
    private readonly Loader _loader;
    private readonly Executor _executor;
    private readonly WorkerDesk _workers;
    private readonly IFiringRight _right;
    private readonly ClusterLoop? _cluster; // Null: nobody else is there, and no partition comes or goes.
    private readonly Forwarder? _forwarder; // There when the cluster is.
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private readonly List<(long Position, TaskCompletionSource Done)> _waitingForTables = [];
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lastTurn;
    private volatile bool _isClosed;
    private volatile bool _isStopping;

    public ShardLoop(
        int number, Shard shard, DeadlineWaiter waiter, TickClock ticks, TimeProvider clock, Journal journal,
        Projector projector, Loader loader, Executor executor, WorkerDesk workers, IFiringRight right,
        ClusterLoop? cluster = null, Forwarder? forwarder = null)
    {
        _number = number;
        _shard = shard;
        _waiter = waiter;
        _ticks = ticks;
        _clock = clock;
        _lastTurn = clock.GetTimestamp();
        _journal = journal;
        _projector = projector;
        _loader = loader;
        _executor = executor;
        _workers = workers;
        _right = right;
        _cluster = cluster;
        _forwarder = forwarder;
        _thread = new Thread(Run) { Name = $"karya-shard-{number}", IsBackground = true };
    }

    /// <summary>
    /// Completes with the reason when the shard's own checks failed: a bug, after which it must not go on.
    /// </summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>When the last turn was: a timestamp of the clock. Any thread may read it.</summary>
    public long LastTurn => Volatile.Read(ref _lastTurn);

    public void Start() => _thread.Start();

    /// <summary>Takes a turn soon: something has changed that no message tells of.</summary>
    public void Wake() => _waiter.Wake();

    /// <summary>Takes no more requests and starts no more attempts; outcomes are still recorded.</summary>
    public void Close()
    {
        _isClosed = true;
        _shard.Inbox.Close();
    }

    /// <summary>Completes when the tables contain everything that was acknowledged before the call.</summary>
    public Task WhenTablesCaughtUpAsync()
    {
        long position = _shard.Status.Position;
        if (_shard.Status.ProjectedPosition >= position)
            return Task.CompletedTask;

        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
            _waitingForTables.Add((position, done));
        _shard.Inbox.RequestProjection();
        return done.Task;
    }

    public void Dispose()
    {
        _isStopping = true;
        _waiter.Wake();
        if (_thread.IsAlive)
            _thread.Join();
    }

    private void Run()
    {
        try
        {
            while (!_isStopping)
            {
                long nowMs = _ticks.NowMs();
                Volatile.Write(ref _lastTurn, _clock.GetTimestamp());
                _shard.HoldFiring(!_right.IsTrusted);
                HandOut(_shard.Turn(nowMs));
                ReleaseWaiting();
                if (_shard.NextTurnMs > nowMs)
                    _waiter.Wait(Math.Min(_shard.NextTurnMs, nowMs + SleepMsMax));
            }
        }
        catch (Exception e) when (e is InvariantException or RecordDamagedException)
        {
            _failed.TrySetResult($"Shard {_number} found its own state wrong and stopped. {e.Message}");
        }
    }

    private void HandOut(EffectList effects)
    {
        if (effects.Chunk is { } chunk)
            _journal.Post(chunk);
        bool hasPulled = false;
        foreach (ref readonly var dispatch in effects.Dispatches.Span)
        {
            if (dispatch.IsPulled)
            {
                hasPulled = true;
                _workers.Post(dispatch);
                continue;
            }

            if (_executor.TryPost(dispatch))
                continue;
            Invariant.Check(_isClosed); // The shard hands out no more than the executor has places.
            ArrayPool<byte>.Shared.Return(dispatch.Body); // It starts again after the restart.
        }

        foreach (ref readonly var revocation in effects.Revocations.Span)
        {
            if (revocation.IsPulled)
                _workers.Revoke(revocation);
            else
                _executor.Revoke(revocation);
        }

        if (hasPulled || effects.Revocations.Count > 0)
            _workers.EndOfTurn();
        HandOutReplies(effects.Replies.Span);
        foreach (var request in effects.PlanRequests.Span)
            _loader.Post(_number, request);
        foreach (var request in effects.HorizonRequests.Span)
            _loader.Post(_number, request);
        if (effects.Projection is { } batch)
            _projector.Post(_number, batch);
        foreach (var notice in effects.Notices.Span)
            _cluster!.Noticed(notice);
        foreach (ref readonly var stray in effects.Strays.Span)
        {
            if (_forwarder is not null)
                _forwarder.Post(stray);
            else
                SubmitDesk.Drop(stray); // The tables could not be read; it is started again.
        }
    }

    private static void HandOutReplies(ReadOnlySpan<Reply> replies)
    {
        foreach (ref readonly var reply in replies)
            reply.Target.Complete(reply);

        IReplyTarget? last = null;
        foreach (ref readonly var reply in replies)
        {
            if (reply.Target != last)
                reply.Target.EndOfTurn();
            last = reply.Target;
        }
    }

    private void ReleaseWaiting()
    {
        lock (_lock)
        {
            if (_waitingForTables.Count == 0)
                return;
            long projected = _shard.Status.ProjectedPosition;
            for (int i = _waitingForTables.Count - 1; i >= 0; i--)
            {
                if (_waitingForTables[i].Position > projected)
                    continue;
                _waitingForTables[i].Done.TrySetResult();
                _waitingForTables.RemoveAt(i);
            }
        }
    }
}
