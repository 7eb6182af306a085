using System.Net;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Karya.Node.Network;

/// <summary>
/// The TCP side of a node: accepts peers, counts them, turns away those that are too many, and watches over their time.
/// </summary>
/// <remarks>
/// Call <see cref="StartAsync"/> once, <see cref="SayGoodbye"/> when the node begins to stop, <see cref="StopAsync"/>
/// once. Kestrel's transport is used bare: it brings sockets and pipes, and takes TLS.
/// </remarks>
internal sealed class Listener : IAsyncDisposable
{
    private static readonly TimeSpan CheckPeriod = TimeSpan.FromMilliseconds(250);

    private readonly NetworkOptions _options;
    private readonly NodeParts _node;
    private readonly TimeProvider _clock;
    private readonly ILoggerFactory _loggers;
    private readonly Lock _lock = new();
    private readonly HashSet<Connection> _connections = [];
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private int _refused; // Of the connections, those that are told so and closed.
    private int _isChecking;
    private KestrelServer? _server;
    private ITimer? _checks;
    private GoingAway? _goodbye;

    public Listener(NetworkOptions options, NodeParts node, ILoggerFactory loggers, TimeProvider clock)
    {
        _options = options;
        _node = node;
        _loggers = loggers;
        _clock = clock;
    }

    /// <summary>Connections that are served; those that are being turned away are not counted.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _connections.Count - _refused;
        }
    }

    /// <summary>Binds every endpoint. Throws <see cref="IOException"/> when an address is in use or not ours.</summary>
    /// <returns>The endpoints that are bound, with the ports that were taken for port 0.</returns>
    public async Task<IReadOnlyList<IPEndPoint>> StartAsync(CancellationToken stopping)
    {
        var kestrel = new KestrelServerOptions();
        var bound = new List<ListenOptions>();
        foreach (var endpoint in _options.Endpoints)
        {
            kestrel.Listen(endpoint, listen =>
            {
                bound.Add(listen);
                listen.Run(ServeAsync);
            });
        }

        var transport = new SocketTransportFactory(Options.Create(new SocketTransportOptions()), _loggers);
        _server = new KestrelServer(Options.Create(kestrel), transport, _loggers);
        await _server.StartAsync(new NoHttp(), stopping);
        _checks = _clock.CreateTimer(_ => Check(), null, CheckPeriod, CheckPeriod);
        return [.. bound.Select(listen => listen.IPEndPoint!)];
    }

    /// <summary>Tells all peers that the node stops. What is open is still answered.</summary>
    public void SayGoodbye(string reason, TimeSpan drain)
    {
        _goodbye = new GoingAway(reason, (long)drain.TotalMilliseconds);
        foreach (var connection in Connections())
            connection.SayGoodbye(_goodbye);
    }

    /// <summary>Tells all clients which node has which partition now.</summary>
    public void Push(PartitionMap map)
    {
        foreach (var connection in Connections())
            connection.Push(map);
    }

    /// <summary>Ends all connections, once what is written for them is sent.</summary>
    public async Task StopAsync(CancellationToken impatient)
    {
        if (_server is null)
            return;
        foreach (var connection in Connections())
            connection.Close(PeerErrors.Of(ErrorCode.GoingAway, _goodbye?.Reason ?? "The node stops."));
        await _server.StopAsync(impatient);
        if (_checks is not null)
            await _checks.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_checks is not null)
            await _checks.DisposeAsync();
        _server?.Dispose();
    }

    private Connection[] Connections()
    {
        lock (_lock)
            return [.. _connections];
    }

    private void Check()
    {
        // A timer does not wait for its callback: on a busy machine the next one would begin beside this one.
        if (Interlocked.Exchange(ref _isChecking, 1) != 0)
            return;
        long nowMs = (long)_clock.GetElapsedTime(0).TotalMilliseconds;
        foreach (var connection in Connections())
            connection.CheckTime(nowMs);
        Volatile.Write(ref _isChecking, 0);
    }

    private async Task ServeAsync(ConnectionContext transport)
    {
        var address = (transport.RemoteEndPoint as IPEndPoint)?.Address ?? IPAddress.None;
        using var connection = new Connection(transport, _options, _node, () => Count, _clock);
        if (!TryAdd(connection, address, out var refusal))
        {
            transport.Abort(new ConnectionAbortedException("Too many are being turned away already."));
            return;
        }

        if (refusal is not null)
            connection.Close(refusal);
        else if (_goodbye is { } goodbye)
            connection.Close(PeerErrors.Of(ErrorCode.GoingAway, goodbye.Reason));
        try
        {
            await connection.RunAsync();
        }
        finally
        {
            Remove(connection, address, refusal is not null);
        }
    }

    /// <summary>
    /// Takes a connection, if only to tell why it is refused. Those that are refused take nobody's place; as many of
    /// them as there may be connections are told, more are not worth the memory.
    /// </summary>
    private bool TryAdd(Connection connection, IPAddress address, out ErrorMessage? refusal)
    {
        lock (_lock)
        {
            refusal = RefusalOf(address);
            if (refusal is null)
                _byAddress[address] = _byAddress.GetValueOrDefault(address) + 1;
            else if (_refused == _options.ConnectionsMax)
                return false;
            else
                _refused++;
            _connections.Add(connection);
            return true;
        }
    }

    private ErrorMessage? RefusalOf(IPAddress address)
    {
        if (_connections.Count - _refused >= _options.ConnectionsMax)
        {
            return PeerErrors.Of(
                ErrorCode.TooManyConnections,
                $"The node has {_options.ConnectionsMax} connections already (tcp.connectionsMax).");
        }

        return _byAddress.GetValueOrDefault(address) >= _options.PerAddressMax
            ? PeerErrors.Of(
                ErrorCode.TooManyConnections,
                $"Your address has {_options.PerAddressMax} connections already (tcp.connectionsPerAddressMax).")
            : null;
    }

    private void Remove(Connection connection, IPAddress address, bool isRefused)
    {
        lock (_lock)
        {
            _connections.Remove(connection);
            if (isRefused)
                _refused--;
            else if (--_byAddress[address] == 0)
                _byAddress.Remove(address);
        }
    }

    /// <summary>Kestrel wants an application for HTTP; no connection here ever gets to it.</summary>
    private sealed class NoHttp : IHttpApplication<IFeatureCollection>
    {
        public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

        public Task ProcessRequestAsync(IFeatureCollection context) => Task.CompletedTask;

        public void DisposeContext(IFeatureCollection context, Exception? exception)
        {
        }
    }
}
