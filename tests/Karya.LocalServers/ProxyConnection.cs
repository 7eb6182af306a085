using System.Net;
using System.Net.Sockets;

namespace Karya.LocalServers;

/// <summary>One connection through a <see cref="CuttingProxy"/>. It stays readable after its end.</summary>
public sealed class ProxyConnection
{
    private readonly ProxyGate _gate;
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly ProxyDirection _toServer;
    private readonly ProxyDirection _toClient;
    private bool _open = true;

    /// <summary>The server's socket is connected by <see cref="RunAsync"/>.</summary>
    internal ProxyConnection(ProxyGate gate, ProxyLink toServer, ProxyLink toClient, Socket client, Socket server)
    {
        _gate = gate;
        _client = client;
        _server = server;
        _client.NoDelay = true;
        _server.NoDelay = true;
        _toServer = new ProxyDirection(gate, toServer, _client, _server);
        _toClient = new ProxyDirection(gate, toClient, _server, _client);
    }

    public bool IsOpen => _gate.Read(() => _open);

    /// <summary>Forwarded so far, client to server.</summary>
    public long ClientBytes => _gate.Read(() => _toServer.ForwardedBytes);

    /// <summary>Forwarded so far, server to client.</summary>
    public long ServerBytes => _gate.Read(() => _toClient.ForwardedBytes);

    /// <summary>Received from the client and kept back.</summary>
    public long ClientBytesHeld => _gate.Read(() => _toServer.WaitingBytes);

    /// <summary>Received from the server and kept back.</summary>
    public long ServerBytesHeld => _gate.Read(() => _toClient.WaitingBytes);

    /// <summary>Exactly so many more bytes reach the server, then both ends see a reset. With 0: now.</summary>
    public void CutAfterClientBytes(long count) => CutAfter(_toServer, count);

    /// <summary>Exactly so many more bytes reach the client, then both ends see a reset. With 0: now.</summary>
    public void CutAfterServerBytes(long count) => CutAfter(_toClient, count);

    /// <summary>Exactly so many more bytes reach the server; what follows is taken and kept back.</summary>
    public void HoldClientAfter(long count) => _gate.Change(() => _toServer.Cut = new Cut(count, () => { }));

    /// <summary>What the client sends is taken and kept back, its end included.</summary>
    public void HoldClient() => _gate.Change(() => _toServer.Held = true);

    /// <summary>What the server sends is taken and kept back, its end included.</summary>
    public void HoldServer() => _gate.Change(() => _toClient.Held = true);

    /// <summary>Lifts cuts and holds of this connection; what was kept back goes out.</summary>
    public void Release() => _gate.Change(() =>
    {
        foreach (var direction in (ProxyDirection[])[_toServer, _toClient])
        {
            direction.Held = false;
            direction.Cut = null;
        }
    });

    /// <summary>Both ends see a reset.</summary>
    public void Drop()
    {
        _gate.Change(() =>
        {
            _toServer.Abort();
            _toClient.Abort();
            _open = false;
        });
        foreach (var socket in (Socket[])[_client, _server])
            Reset(socket);
    }

    /// <summary>Ends when the connection has.</summary>
    internal async Task RunAsync(DnsEndPoint server)
    {
        try
        {
            await _server.ConnectAsync(server);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            Drop();
            return;
        }

        await Task.WhenAll(
            _toServer.ReadAsync(),
            _toClient.ReadAsync(),
            WriteAsync(_toServer, back: _toClient),
            WriteAsync(_toClient, back: _toServer));
        _client.Dispose();
        _server.Dispose();
        _gate.Change(() => _open = false);
    }

    /// <summary>That the receiver is gone is news that travels back, behind what it sent before.</summary>
    private async Task WriteAsync(ProxyDirection direction, ProxyDirection back)
    {
        try
        {
            if (!await direction.TryWriteAsync())
                Drop();
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            _gate.Change(back.Break);
        }
    }

    private void CutAfter(ProxyDirection direction, long count)
    {
        if (count == 0)
            Drop();
        else
            _gate.Change(() => direction.Cut = new Cut(count, Drop));
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);   // Closing is a reset then.
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // It was closed before, or never connected.
        }

        socket.Dispose();
    }
}
