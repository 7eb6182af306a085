using System.Diagnostics;
using Karya.Client.Connections;
using Karya.Client.Workers;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Karya.Client;

/// <summary>
/// Carries out tasks. Made by <see cref="KaryaClient.CreateWorker"/>; takes work from <see cref="Start"/> on, and
/// whenever its client is connected. At most as many runs of a name as it was given are under way at once.
/// </summary>
/// <remarks>
/// <para>Each task is leased: the worker extends the lease while the handler runs. When the connection breaks, handlers
/// go on, and their ends are told through the next one; when a lease could not be extended in time, the handler's token
/// fires, because another worker may have the task by then. So a task may run twice, and at the same time: handlers
/// should bear it.</para>
/// <para>Stopping: no new tasks are taken, running ones have <see cref="KaryaWorkerOptions.DrainTimeout"/> to end, then
/// their tokens fire. What stops at that is given back at once and costs no attempt. What does not stop within 5 s more
/// is not given back while it runs: its lease ends by itself.</para>
/// </remarks>
public sealed class KaryaWorker : IAsyncDisposable
{
    /// <summary>For handlers to stop after their tokens fired, and for the last ends to be told.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private static readonly Call Subscribing = Call.Change("Subscribe");
    private static readonly Call Progressing = Call.Change("Progress");

    private readonly ClusterLink _link;
    private readonly IReadOnlyDictionary<string, TaskHandler> _handlers;
    private readonly KaryaWorkerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<string, ILogger> _taskLoggers;
    private readonly IServiceScopeFactory? _scopes;
    private readonly FinishQueue _finishes;
    private readonly LeaseKeeper _leases;

    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, RunningTask> _held = [];
    private readonly CancellationTokenSource _stoppedSource = new();
    private readonly CancellationToken _stopped;
    private readonly TaskCompletionSource _draining = NewSignal();
    private readonly TaskCompletionSource _unsubscribed = NewSignal();
    private TaskCompletionSource _subscribed = NewSignal();
    private TaskCompletionSource? _noneRuns;
    private NodeConnection? _session;
    private TimeSpan _lease = TimeSpan.FromSeconds(30);
    private int _running;
    private Task? _loops;
    private Task? _stopping;

    internal KaryaWorker(
        ClusterLink link, IReadOnlyDictionary<string, TaskHandler> handlers, KaryaWorkerOptions options)
    {
        _link = link;
        _handlers = handlers;
        _options = options;
        _time = link.Time;
        _logger = link.Logger;
        _taskLoggers = handlers.Keys.ToDictionary(
            name => name, name => link.Options.LoggerFactory.CreateLogger($"Karya.Task.{name}"));
        _scopes = options.Services?.GetService<IServiceScopeFactory>();
        _stopped = _stoppedSource.Token;
        _finishes = new FinishQueue(this, link);
        _leases = new LeaseKeeper(this, link);
    }

    /// <summary>The node has the worker's names, and sends what is due.</summary>
    public bool IsSubscribed => Volatile.Read(ref _session) is { HasEnded: false } && !_draining.Task.IsCompleted;

    /// <summary>Handlers that run at present.</summary>
    public int Running => Volatile.Read(ref _running);

    internal bool IsStarted => Volatile.Read(ref _loops) is not null;

    internal TimeSpan Lease
    {
        get
        {
            lock (_lock)
                return _lease;
        }
    }

    internal long LeaseTicks => (long)(Lease.TotalSeconds * _time.TimestampFrequency);

    /// <summary>Begins to take tasks, as soon as there is a connection; does not wait for it.</summary>
    /// <exception cref="InvalidOperationException">
    /// Started before, or another worker of the same client serves one of the names.
    /// </exception>
    public void Start()
    {
        lock (_lock)
        {
            if (_loops is not null || _stopping is not null)
                throw new InvalidOperationException("A worker is started once.");
            _link.Add(this, _handlers.Keys);
            using var _ = ExecutionContext.SuppressFlow(); // Handlers must not inherit what the caller has in it.
            _loops = Task.WhenAll(
                Task.Run(() => SubscribeAsync(_stopped)),
                Task.Run(() => _finishes.RunAsync(_stopped)),
                Task.Run(() => _leases.RunAsync(_stopped)));
        }
    }

    /// <summary>
    /// Drains: see the remarks of the type. Cancelling the token makes it short: running handlers are told to stop.
    /// </summary>
    public Task StopAsync(CancellationToken cancellationToken = default)
    {
        lock (_lock)
            return _stopping ??= DrainAsync(cancellationToken);
    }

    /// <summary>Drains.</summary>
    public async ValueTask DisposeAsync() => await StopAsync().ConfigureAwait(false);

    internal bool Serves(string name) => _handlers.ContainsKey(name);

    internal IReadOnlyList<RunningTask> Held()
    {
        lock (_lock)
            return [.. _held.Values];
    }

    /// <summary>Where to talk of a delivery: its own connection while that lives, else the one subscribed on.</summary>
    internal NodeConnection? WayFor(RunningTask task)
    {
        if (!task.Connection.HasEnded)
            return task.Connection;
        var session = Volatile.Read(ref _session);
        return session is { HasEnded: false } ? session : null;
    }

    internal async ValueTask<NodeConnection> WayForAsync(RunningTask task, CancellationToken stopping)
    {
        while (true)
        {
            var subscribed = Volatile.Read(ref _subscribed).Task;
            if (WayFor(task) is { } way)
                return way;
            await subscribed.WaitAsync(stopping).ConfigureAwait(false);
        }
    }

    /// <summary>On the reader loop of a connection.</summary>
    internal void Take(NodeConnection connection, Delivery delivery)
    {
        RunningTask? replaced;
        var task = new RunningTask(this, connection, delivery, _time.GetTimestamp() + LeaseTicks);
        lock (_lock)
        {
            if (_draining.Task.IsCompleted)
            {
                ClusterLink.GiveBack(connection, delivery.Id);
                return;
            }

            _held.Remove(delivery.Id, out replaced);
            _held.Add(delivery.Id, task);
            _running++;
        }

        // A node that was started anew may use the same number for another delivery: the old one is not ours any more.
        if (replaced is not null)
            Lose(replaced, TaskCancelReason.LeaseLost);
        connection.Hold();
        _ = Task.Run(() => RunAsync(task));
    }

    /// <summary>On the reader loop of a connection.</summary>
    internal void Take(Revoke revoke)
    {
        RunningTask? task;
        lock (_lock)
            _held.TryGetValue(revoke.Id, out task);
        if (task is null)
            return;
        Lose(task, revoke.Reason switch
        {
            RevokeReason.Cancelled => TaskCancelReason.PlanCancelled,
            RevokeReason.TimedOut => TaskCancelReason.TimedOut,
            _ => TaskCancelReason.LeaseLost,
        });
    }

    internal void Lose(RunningTask task, TaskCancelReason reason)
    {
        if (task.Cancel(reason))
            Log.Lost(_logger, task.Delivery.Name, task.Delivery.Task, reason);
    }

    /// <summary>The node has answered to its end. Until then its lease is extended.</summary>
    internal void OnTold(RunningTask task)
    {
        lock (_lock)
            ForgetLocked(task);
        task.Connection.LetGo();
    }

    internal void OnEndedTooLate(RunningTask task, bool mayHaveCounted)
    {
        if (!mayHaveCounted && !task.IsLost)
            Log.EndedTooLate(_logger, task.Delivery.Name, task.Delivery.Task);
    }

    internal async Task SendProgressAsync(RunningTask task, ProgressRequest progress)
    {
        if (WayFor(task) is not { } connection)
            return;
        try
        {
            var reply = await _link.AskOnAsync<ProgressRequest, ProgressReply>(
                connection, Progressing, progress, new Deadline(_time, _link.Options.RequestTimeout), _stopped)
                .ConfigureAwait(false);
            if (!reply.Held && IsHeld(task))
                Lose(task, TaskCancelReason.LeaseLost);
        }
        catch (Exception e) when (e is KaryaException or ConnectionLostException or OperationCanceledException)
        {
            // Progress is for the eyes of people: the next one will do.
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool IsHeld(RunningTask task)
    {
        lock (_lock)
            return _held.TryGetValue(task.Delivery.Id, out var held) && held == task;
    }

    private void ForgetLocked(RunningTask task)
    {
        if (_held.TryGetValue(task.Delivery.Id, out var held) && held == task)
            _held.Remove(task.Delivery.Id);
    }

    private async Task RunAsync(RunningTask task)
    {
        var delivery = task.Delivery;
        var handler = _handlers[delivery.Name];
        long start = _time.GetTimestamp();
        using var activity = Telemetry.Source.StartActivity($"karya task {delivery.Name}", ActivityKind.Consumer);
        activity?.SetTag("karya.plan", Uuids.ToGuid(delivery.Plan)).SetTag("karya.attempt", delivery.Attempt);

        var end = await OutcomeAsync(task, handler, activity).ConfigureAwait(false);
        Telemetry.TaskDuration.Record(
            _time.GetElapsedTime(start).TotalSeconds,
            new("task", delivery.Name), new("outcome", OutcomeName(task, end)));
        OnEnded(task, end);
    }

    private async Task<DeliveryEnd> OutcomeAsync(RunningTask task, TaskHandler handler, Activity? activity)
    {
        ulong id = task.Delivery.Id;
        try
        {
            byte[]? result = await RunInScopeAsync(task, handler).ConfigureAwait(false);
            if (result is null || result.Length <= ProtocolLimits.ResultBytesMax)
                return new DeliveryEnd(id, DeliveryOutcome.Success, result, null, 0);
            throw new PermanentTaskException(
                $"The handler of '{handler.Name}' returned {result.Length} bytes; at most " +
                $"{ProtocolLimits.ResultBytesMax} are kept. Put large results elsewhere and return where they are.");
        }
        catch (OperationCanceledException) when (task.CancelReason != TaskCancelReason.None)
        {
            return new DeliveryEnd(id, DeliveryOutcome.Released, null, null, 0);
        }
        catch (Exception e)
        {
            activity?.SetStatus(ActivityStatusCode.Error, e.Message);
            Log.Failed(
                _logger, e, task.Delivery.Name, task.Delivery.Task, task.Delivery.Attempt, task.Delivery.AttemptsMax);
            return ErrorEnds.From(id, e);
        }
    }

    private async Task<byte[]?> RunInScopeAsync(RunningTask task, TaskHandler handler)
    {
        if (_scopes is null)
            return await RunAsync(task, handler, EmptyProvider.Instance).ConfigureAwait(false);
        var scope = _scopes.CreateAsyncScope();
        await using (scope.ConfigureAwait(false))
            return await RunAsync(task, handler, scope.ServiceProvider).ConfigureAwait(false);
    }

    private ValueTask<byte[]?> RunAsync(RunningTask task, TaskHandler handler, IServiceProvider services)
    {
        var now = _time.GetUtcNow() + task.Connection.StoreAhead;
        var lateness = now - DateTimeOffset.UnixEpoch - TimeSpan.FromMilliseconds(task.Delivery.DueMs);
        var context = new TaskContext(
            task, services, _taskLoggers[handler.Name], lateness > TimeSpan.Zero ? lateness : TimeSpan.Zero);
        return handler.RunAsync(task.Delivery.Arguments, context, task.Token);
    }

    /// <summary>Counts as running until its end is on its way: who waits until none runs may rely on that.</summary>
    private void OnEnded(RunningTask task, DeliveryEnd end)
    {
        bool isLost;
        lock (_lock)
        {
            isLost = task.IsLost;
            if (isLost)
                ForgetLocked(task);
        }

        // Of what is lost the node wants to hear nothing: the credit is back already.
        if (isLost)
            task.Connection.LetGo();
        else
            _finishes.Add(task, end);

        TaskCompletionSource? noneRuns = null;
        lock (_lock)
        {
            if (--_running == 0)
                noneRuns = _noneRuns;
        }

        noneRuns?.TrySetResult();
    }

    private static string OutcomeName(RunningTask task, DeliveryEnd end) =>
        task.IsLost ? "lost" : end.Outcome switch
        {
            DeliveryOutcome.Success => "success",
            DeliveryOutcome.Failure => "failure",
            DeliveryOutcome.Permanent => "permanent",
            _ => "released",
        };

    /// <summary>
    /// Subscribes on every connection that comes; while draining with no credits, for the ends of what runs.
    /// </summary>
    private async Task SubscribeAsync(CancellationToken stopped)
    {
        var backoff = new Backoff(new Random());
        try
        {
            while (true)
            {
                var connection = await _link.ConnectionAsync(stopped).ConfigureAwait(false);
                bool isDraining = _draining.Task.IsCompleted;
                if (await TrySubscribeAsync(connection, isDraining, stopped).ConfigureAwait(false) is { } failure)
                {
                    var pause = backoff.Next();
                    Log.SubscribeFailed(_logger, (long)pause.TotalMilliseconds, failure);
                    await Task.Delay(pause, _time, stopped).ConfigureAwait(false);
                    continue;
                }

                if (isDraining)
                    _unsubscribed.TrySetResult();
                long since = _time.GetTimestamp();
                var next = isDraining ? connection.Retired : Task.WhenAny(connection.Retired, _draining.Task);
                await next.WaitAsync(stopped).ConfigureAwait(false);
                backoff.Worked(_time.GetElapsedTime(since));
            }
        }
        catch (Exception e) when (stopped.IsCancellationRequested || e is ObjectDisposedException)
        {
            // This is how it ends.
        }
    }

    /// <returns>Why not; null when it is done.</returns>
    private async Task<string?> TrySubscribeAsync(
        NodeConnection connection, bool isDraining, CancellationToken stopped)
    {
        NameCredits[] names =
            [.. _handlers.Values.Select(handler => new NameCredits(handler.Name, isDraining ? 0 : handler.Credits))];
        lock (_lock)
            _lease = TimeSpan.FromMilliseconds(connection.Welcome.Limits.LeaseMs); // Deliveries may overtake the reply.
        try
        {
            var reply = await _link.AskOnAsync<SubscribeRequest, SubscribeReply>(
                connection, Subscribing, new SubscribeRequest(names),
                new Deadline(_time, _link.Options.RequestTimeout), stopped).ConfigureAwait(false);
            OnSubscribed(connection, reply.LeaseMs);
            if (!isDraining)
                Log.Subscribed(_logger, string.Join(", ", _handlers.Keys), connection.Node, reply.LeaseMs);
            return null;
        }
        catch (Exception e) when (e is KaryaException or ConnectionLostException)
        {
            return e.Message;
        }
    }

    private void OnSubscribed(NodeConnection connection, long leaseMs)
    {
        TaskCompletionSource subscribed;
        bool hasOlder;
        lock (_lock)
        {
            hasOlder = _held.Values.Any(task => task.Connection != connection);
            _lease = TimeSpan.FromMilliseconds(leaseMs);
            Volatile.Write(ref _session, connection);
            subscribed = _subscribed;
            Volatile.Write(ref _subscribed, NewSignal());
        }

        subscribed.TrySetResult();
        _leases.OnSubscribed(isUrgent: hasOlder);
    }

    private async Task DrainAsync(CancellationToken cancellationToken)
    {
        await Task.Yield(); // The caller holds the lock.
        _draining.TrySetResult();
        if (!IsStarted)
            return;

        await QuietAsync(_options.DrainTimeout, cancellationToken).ConfigureAwait(false);
        foreach (var task in Held())
            task.Cancel(TaskCancelReason.Shutdown);
        await QuietAsync(Grace, CancellationToken.None).ConfigureAwait(false);
        if (Running > 0)
            Log.LeftToLeases(_logger, Running);
        var last = _finishes.IdleAsync();
        if (Volatile.Read(ref _session) is { HasEnded: false }) // Else the node knows that nobody serves the names.
            last = Task.WhenAll(last, _unsubscribed.Task);
        await last.WaitAsync(Grace, _time, CancellationToken.None)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        await _stoppedSource.CancelAsync().ConfigureAwait(false);
        await _loops!.ConfigureAwait(false);
        _link.Remove(this);
        _stoppedSource.Dispose();
    }

    /// <summary>Waits until no handler runs, but not longer than that.</summary>
    private async Task QuietAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        Task noneRuns;
        lock (_lock)
        {
            if (_running == 0)
                return;
            _noneRuns ??= NewSignal();
            noneRuns = _noneRuns.Task;
        }

        await noneRuns.WaitAsync(timeout, _time, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
