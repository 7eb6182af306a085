using System.Net;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging;

namespace Karya.Client.Connections;

/// <summary>
/// Keeps a connection to one of the nodes, for ever, and puts requests on it. Thread-safe. Connecting begins with the
/// first need; requests wait for it. A request whose connection broke goes onto the next one if nothing of it was sent,
/// or if it may be carried out twice.
/// </summary>
internal sealed class ClusterLink : IAsyncDisposable
{
    private readonly KaryaClientOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dialer _dialer;
    private readonly OwnerRoutes _routes;
    private readonly CancellationTokenSource _disposing = new();
    private readonly CancellationToken _disposed;
    private readonly Lock _lock = new();
    private readonly Dictionary<NodeConnection, Task> _open = [];

    private TaskCompletionSource<NodeConnection> _ready = NewReady();
    private NodeConnection? _current;
    private Task? _keeping;
    private bool _wasConnected;
    private bool _isDisposed;
    private KaryaWorker[] _workers = [];
    private PartitionMap? _map;
    private string? _lastEndpoint;
    private string _lastFailure = "none was tried yet";

    public ClusterLink(KaryaClientOptions options)
    {
        _options = options;
        _time = options.TimeProvider;
        _logger = options.LoggerFactory.CreateLogger("Karya.Client");
        _dialer = new Dialer(options, this);
        _disposed = _disposing.Token;
        _routes = new OwnerRoutes(_dialer, _time, _disposed) { Run = RunBesideAsync };
    }

    public KaryaClientOptions Options => _options;

    public TimeProvider Time => _time;

    public ILogger Logger => _logger;

    public bool IsDisposed => Volatile.Read(ref _isDisposed);

    /// <summary>The connection that requests go to at present; null when there is none.</summary>
    public NodeConnection? Current => Volatile.Read(ref _current);

    /// <summary>To owners of plans.</summary>
    public OwnerRoutes Routes => _routes;

    /// <summary>What went wrong last, for people.</summary>
    public string LastFailure => Volatile.Read(ref _lastFailure);

    /// <summary>Tries every seed once.</summary>
    /// <exception cref="KaryaConnectionException">None answered; the message has each one's reason.</exception>
    public async Task ConnectOnceAsync(CancellationToken cancellationToken)
    {
        var connection = await TryNodesAsync(cancellationToken).ConfigureAwait(false) ??
            throw new KaryaConnectionException(ErrorCode.Unavailable, $"No node answers. {LastFailure}")
            {
                IsTransient = true,
            };
        lock (_lock)
        {
            // Loops must not inherit what their first caller has in its context, such as an activity.
            using var _ = ExecutionContext.SuppressFlow();
            Publish(connection);
            _keeping ??= Task.Run(() => KeepConnectedAsync(connection), CancellationToken.None);
        }
    }

    /// <summary>Waits for a connection, as long as it takes.</summary>
    public Task<NodeConnection> ConnectionAsync(CancellationToken cancellationToken)
    {
        Begin();
        return Volatile.Read(ref _ready).Task.WaitAsync(cancellationToken);
    }

    /// <summary>Waits for a connection, up to the time-out of requests.</summary>
    public ValueTask<NodeConnection> ConnectionWithinAsync(string operation, CancellationToken cancellationToken) =>
        ReadyAsync(Call.Read(operation), new Deadline(_time, _options.RequestTimeout), cancellationToken);

    /// <summary>
    /// Puts a request on the connection to its plan's owner if there is one, else on the current one, and waits for its
    /// answer, up to the time-out.
    /// </summary>
    public async Task<TReply> AskAsync<TRequest, TReply>(
        Call call, TRequest request, CancellationToken cancellationToken)
        where TRequest : IMessage<TRequest>
        where TReply : IMessage<TReply>
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var measure = RequestMeasure.Begin(call.Operation, _time);
        var deadline = new Deadline(_time, _options.RequestTimeout);
        try
        {
            while (true)
            {
                var connection = RouteOf(call)
                    ?? await ReadyAsync(call, deadline, cancellationToken).ConfigureAwait(false);
                measure.On(connection);
                try
                {
                    return await AskOnAsync<TRequest, TReply>(connection, call, request, deadline, cancellationToken)
                        .ConfigureAwait(false);
                }
                catch (ConnectionLostException lost) when (!lost.WasSent || call.IsRepeatable)
                {
                    if (IsDisposed)
                        throw lost.Reason;
                    measure.Again();
                }
                catch (ConnectionLostException lost)
                {
                    throw Unknown(call, connection, lost);
                }
                catch (KaryaException e) when (e.Code == ErrorCode.GoingAway)
                {
                    connection.Retire(); // It said so to this request first; nothing was done.
                    measure.Again();
                }
            }
        }
        catch (Exception e)
        {
            measure.Failed(e);
            throw;
        }
    }

    /// <summary>Puts a request on this connection and no other.</summary>
    /// <exception cref="ConnectionLostException">The connection ended first.</exception>
    /// <exception cref="KaryaTimeoutException">No answer in time.</exception>
    public async Task<TReply> AskOnAsync<TRequest, TReply>(
        NodeConnection connection, Call call, TRequest request, Deadline deadline, CancellationToken cancellationToken)
        where TRequest : IMessage<TRequest>
        where TReply : IMessage<TReply>
    {
        if (!connection.TryTakeSlot())
            await WaitForSlotAsync(connection, call, deadline, cancellationToken).ConfigureAwait(false);

        PendingRequest<TReply> pending;
        try
        {
            pending = connection.Begin<TRequest, TReply>(request);
        }
        catch
        {
            connection.ReturnSlot();
            throw;
        }

        try
        {
            return await pending.Reply.WaitAsync(deadline.Left, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw TimeoutText.NoAnswer(call, connection, deadline, _time.GetElapsedTime(pending.BegunAt));
        }
    }

    public void Add(KaryaWorker worker, IEnumerable<string> names)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(IsDisposed, typeof(KaryaClient));
            foreach (string name in names)
            {
                if (Array.Exists(_workers, other => other.Serves(name)))
                    throw new InvalidOperationException($"Another worker of this client serves '{name}' already.");
            }

            _workers = [.. _workers, worker];
        }
    }

    public void Remove(KaryaWorker worker)
    {
        lock (_lock)
            _workers = [.. _workers.Where(other => other != worker)];
    }

    public void OnMap(PartitionMap map)
    {
        lock (_lock)
        {
            if (_map is null || map.Version > _map.Version)
                _map = map;
        }
    }

    public void OnGoingAway(NodeConnection connection, GoingAway message) =>
        Log.GoingAway(_logger, connection.Node, message.Reason);

    /// <summary>Nothing new may be asked on it.</summary>
    public void OnRetired(NodeConnection connection)
    {
        lock (_lock)
        {
            if (_current != connection)
                return;
            _current = null;
            if (!IsDisposed)
                Volatile.Write(ref _ready, NewReady());
        }
    }

    public void OnEnded(NodeConnection connection, Exception reason)
    {
        OnRetired(connection);
        Volatile.Write(ref _lastFailure, $"{connection.Node}: {reason.Message}");
        if (!IsDisposed)
            Log.Disconnected(_logger, connection.Node, reason.Message);
    }

    public void OnDelivery(NodeConnection connection, Delivery delivery)
    {
        if (Array.Find(Volatile.Read(ref _workers), worker => worker.Serves(delivery.Name)) is { } serving)
        {
            serving.Take(connection, delivery);
            return;
        }

        Log.NobodyServes(_logger, delivery.Name);
        GiveBack(connection, delivery.Id);
    }

    public void OnRevoke(Revoke revoke)
    {
        foreach (var worker in Volatile.Read(ref _workers))
            worker.Take(revoke);
    }

    /// <summary>Ends the connections. Requests that wait fail.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? keeping;
        lock (_lock)
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            keeping = _keeping;
            _current = null;
            _ready = NewReady();
            _ready.TrySetException(Disposed());
            _ = _ready.Task.Exception;
        }

        await _disposing.CancelAsync().ConfigureAwait(false);
        await EndAllAsync().ConfigureAwait(false);
        await _routes.WhenQuietAsync().ConfigureAwait(false);
        await EndAllAsync().ConfigureAwait(false); // What was being made.
        if (keeping is not null)
            await keeping.ConfigureAwait(false);
        _disposing.Dispose();
    }

    /// <summary>A delivery that nobody here can carry out. Best effort: its lease ends anyway.</summary>
    public static void GiveBack(NodeConnection connection, ulong deliveryId)
    {
        if (!connection.TryTakeSlot())
            return;
        try
        {
            connection.Begin<FinishRequest, FinishReply>(
                new FinishRequest([new DeliveryEnd(deliveryId, DeliveryOutcome.Released, null, null, 0)]));
        }
        catch (ConnectionLostException)
        {
            connection.ReturnSlot();
        }
    }

    private async Task EndAllAsync()
    {
        KeyValuePair<NodeConnection, Task>[] open;
        lock (_lock)
            open = [.. _open];
        foreach (var (connection, _) in open)
            connection.End(Disposed());
        foreach (var (_, loops) in open)
            await loops.ConfigureAwait(false);
    }

    private static TaskCompletionSource<NodeConnection> NewReady() =>
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static KaryaConnectionException Disposed() => new(ErrorCode.Unavailable, "The client was disposed.");

    private void Begin()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, typeof(KaryaClient));
        if (Volatile.Read(ref _keeping) is not null)
            return;
        lock (_lock)
        {
            if (_keeping is not null)
                return;
            using var _ = ExecutionContext.SuppressFlow();
            _keeping = Task.Run(() => KeepConnectedAsync(null), CancellationToken.None);
        }
    }

    private async ValueTask<NodeConnection> ReadyAsync(
        Call call, Deadline deadline, CancellationToken cancellationToken)
    {
        Begin();
        var ready = Volatile.Read(ref _ready).Task;
        try
        {
            return await ready.WaitAsync(deadline.Left, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new KaryaConnectionException(
                ErrorCode.Unavailable,
                $"{call.Operation}: no connection to {_options.Address} within " +
                $"{deadline.Limit.TotalSeconds:0.###} s. Nothing was sent. The last failure: {LastFailure}")
            {
                IsTransient = true,
            };
        }
    }

    private async ValueTask WaitForSlotAsync(
        NodeConnection connection, Call call, Deadline deadline, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(deadline.Left, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            if (await connection.TakeSlotAsync(either.Token).ConfigureAwait(false))
                return;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw TimeoutText.NoTurn(call, connection, deadline);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }

        throw new ConnectionLostException(
            new KaryaConnectionException(ErrorCode.Unavailable, $"The connection to {connection.Node} ended."), false);
    }

    private static KaryaConnectionException Unknown(
        Call call, NodeConnection connection, ConnectionLostException lost) =>
        new(
            ErrorCode.Unknown,
            $"{call.Operation}: the connection to {connection.Node} ended before the answer came: " +
            $"{lost.Reason.Message} {call.Advice}",
            connection.Node,
            lost.Reason);

    /// <summary>Runs until the client is disposed.</summary>
    /// <param name="connection">One that is published already.</param>
    private async Task KeepConnectedAsync(NodeConnection? connection)
    {
        var backoff = new Backoff(new Random());
        try
        {
            while (!IsDisposed)
            {
                if (connection is null)
                {
                    connection = await TryNodesAsync(_disposed).ConfigureAwait(false);
                    if (connection is not null)
                        Publish(connection);
                }

                if (connection is not null)
                {
                    long since = _time.GetTimestamp();
                    await connection.Retired.ConfigureAwait(false);
                    backoff.Worked(_time.GetElapsedTime(since));
                    connection = null;
                }

                if (IsDisposed)
                    return;
                var pause = backoff.Next();
                Log.NotConnected(_logger, (long)pause.TotalMilliseconds, LastFailure);
                await Task.Delay(pause, _time, _disposed).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (IsDisposed)
        {
            // This is how it ends.
        }
    }

    private void Publish(NodeConnection connection)
    {
        Log.Connected(_logger, connection.Node, connection.Welcome.Version);
        if (_wasConnected)
            Telemetry.Reconnects.Add(1);
        _wasConnected = true;
        OnMap(connection.Welcome.Map);
        bool isTooLate;
        lock (_lock)
        {
            isTooLate = IsDisposed;
            _open[connection] = RunAsync(connection);
            if (!isTooLate && !connection.HasEnded)
            {
                _current = connection;
                _ready.TrySetResult(connection);
            }
        }

        if (isTooLate)
            connection.End(Disposed());
    }

    /// <summary>The connection to the owner of a plan; null for the current one, whatever it is.</summary>
    private NodeConnection? RouteOf(in Call call)
    {
        if (call.Plan is not { } plan || Volatile.Read(ref _map) is not { Nodes.Count: > 1 } map
            || Current is not { } current)
        {
            return null;
        }

        var owner = OwnerRoutes.OwnerOf(map, plan);
        return owner == OwnerRoutes.PlaceOf(current) || !CanBeDialled(owner) ? null : _routes.Find(owner);
    }

    /// <summary>Runs a connection that is not the current one.</summary>
    private Task RunBesideAsync(NodeConnection connection)
    {
        OnMap(connection.Welcome.Map);
        bool isTooLate;
        Task running;
        lock (_lock)
        {
            isTooLate = IsDisposed;
            running = _open[connection] = RunAsync(connection);
        }

        if (isTooLate)
            connection.End(Disposed());
        return running;
    }

    private async Task RunAsync(NodeConnection connection)
    {
        await connection.RunAsync().ConfigureAwait(false);
        lock (_lock)
            _open.Remove(connection);
    }

    /// <summary>
    /// The first of all known nodes that answers, beginning behind the one we had last; null when none does.
    /// </summary>
    private async Task<NodeConnection?> TryNodesAsync(CancellationToken cancellationToken)
    {
        var failures = new List<string>();
        foreach (var node in Candidates())
        {
            try
            {
                var connection = await _dialer.ConnectAsync(node, cancellationToken).ConfigureAwait(false);
                _lastEndpoint = connection.Endpoint;
                return connection;
            }
            catch (KaryaException e)
            {
                failures.Add(e.Message.EndsWith('.') ? e.Message : e.Message + ".");
            }
        }

        Volatile.Write(ref _lastFailure, string.Join(' ', failures));
        return null;
    }

    private List<DnsEndPoint> Candidates()
    {
        List<DnsEndPoint> nodes = [.. _options.Address.Nodes];
        foreach (var node in Volatile.Read(ref _map)?.Nodes ?? [])
        {
            if (!CanBeDialled(node))
                continue;
            var endpoint = new DnsEndPoint(node.Host.Trim('[', ']'), node.Port);
            if (!nodes.Contains(endpoint))
                nodes.Add(endpoint);
        }

        int last = nodes.FindIndex(node => $"{node.Host}:{node.Port}" == _lastEndpoint);
        return [.. nodes.Skip(last + 1), .. nodes.Take(last + 1)];
    }

    /// <summary>A node that listens on every address names none that could be dialled.</summary>
    private static bool CanBeDialled(NodeEndpoint node) =>
        node.Port != 0 && node.Host is not ("" or "*" or "0.0.0.0" or "::" or "[::]");
}
