using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace Karya.LocalServers;

/// <summary>
/// A network that breaks on command: listens on a loopback port and forwards every connection to a server. It counts
/// bytes, so that a test can measure an exchange first and then cut at each of its bytes. What is asked of the proxy
/// goes for all connections, what is asked of a <see cref="ProxyConnection"/> for that one. Thread-safe.
/// </summary>
public sealed class CuttingProxy : IDisposable
{
    private static readonly TimeSpan WaitMax = TimeSpan.FromSeconds(30);

    private readonly DnsEndPoint _server;
    private readonly ProxyGate _gate = new();
    private readonly ProxyLink _toServer = new();
    private readonly ProxyLink _toClient = new();
    private readonly List<ProxyConnection> _connections = [];
    private readonly List<Task> _running = [];
    private Socket? _listener;
    private bool _disposed;

    public CuttingProxy(string host, int port)
    {
        _server = new DnsEndPoint(host, port);
        Port = LocalPorts.FindFree();
        Listen();
    }

    public int Port { get; }

    /// <summary>All that there ever were, in the order of their coming.</summary>
    public IReadOnlyList<ProxyConnection> Connections => _gate.Read(() => _connections.ToArray());

    /// <summary>Forwarded so far by all connections, client to server.</summary>
    public long ClientBytes => _gate.Read(() => _connections.Sum(connection => connection.ClientBytes));

    /// <summary>Forwarded so far by all connections, server to client.</summary>
    public long ServerBytes => _gate.Read(() => _connections.Sum(connection => connection.ServerBytes));

    /// <summary>
    /// Exactly so many more bytes reach the server, over all connections, those to come included; then all that are
    /// open see a reset, once. With 0: now.
    /// </summary>
    public void CutAfterClientBytes(long count) => CutAfter(_toServer, count);

    /// <summary>The same for what the server sends.</summary>
    public void CutAfterServerBytes(long count) => CutAfter(_toClient, count);

    /// <summary>What clients send is taken and kept back, on connections to come as well.</summary>
    public void HoldClient() => _gate.Change(() => _toServer.Held = true);

    /// <summary>What the server sends is taken and kept back, on connections to come as well.</summary>
    public void HoldServer() => _gate.Change(() => _toClient.Held = true);

    /// <summary>Whoever connects is refused, as if no server were there. Open connections live on.</summary>
    public void RefuseNew() => _gate.Change(() =>
    {
        _listener?.Dispose();
        _listener = null;
    });

    /// <summary>Lifts all that is in force, here and on each connection; what was kept back goes out.</summary>
    public void ReleaseAll()
    {
        _gate.Change(() =>
        {
            foreach (var link in (ProxyLink[])[_toServer, _toClient])
            {
                link.Held = false;
                link.Cut = null;
            }
        });
        foreach (var connection in Connections)
            connection.Release();
        Listen();
    }

    /// <summary>All open connections see a reset. New ones are welcome.</summary>
    public void DropAll()
    {
        foreach (var connection in Connections)
            connection.Drop();
    }

    /// <summary>Waits until something is true of this proxy or its connections.</summary>
    public async Task UntilAsync(
        Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string name = "")
    {
        using var deadline = new CancellationTokenSource(WaitMax);
        try
        {
            await _gate.UntilAsync(condition, deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"In {WaitMax.TotalSeconds} s this did not become true: {name}");
        }
    }

    public void Dispose()
    {
        _gate.Change(() => _disposed = true);
        RefuseNew();
        DropAll();
        Task.WaitAll(_gate.Read(() => _running.ToArray()));
    }

    private void Listen() => _gate.Change(() =>
    {
        if (_listener is not null || _disposed)
            return;
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, Port));
        listener.Listen();
        _listener = listener;
        _running.Add(Task.Run(() => AcceptAsync(listener)));
    });

    private async Task AcceptAsync(Socket listener)
    {
        try
        {
            while (true)
            {
                var client = await listener.AcceptAsync();
                _gate.Change(() => Add(client));
            }
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // The listener was closed.
        }
    }

    private void Add(Socket client)
    {
        var server = new Socket(SocketType.Stream, ProtocolType.Tcp);
        var connection = new ProxyConnection(_gate, _toServer, _toClient, client, server);
        _connections.Add(connection);
        if (_disposed)
            connection.Drop();
        else
            _running.Add(Task.Run(() => connection.RunAsync(_server)));
    }

    private void CutAfter(ProxyLink link, long count)
    {
        if (count == 0)
        {
            DropAll();
            return;
        }

        Cut? cut = null;
        cut = new Cut(count, () => Reach(link, cut!));
        _gate.Change(() => link.Cut = cut);
    }

    /// <summary>A cut that was lifted or replaced after its last byte was on its way does nothing.</summary>
    private void Reach(ProxyLink link, Cut cut)
    {
        bool inForce = false;
        _gate.Change(() =>
        {
            inForce = link.Cut == cut;
            if (inForce)
                link.Cut = null;
        });
        if (inForce)
            DropAll();
    }
}
