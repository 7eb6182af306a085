using System.Net;
using System.Net.Sockets;

namespace Karya.LocalServers.Tests;

/// <summary>A listener behind a proxy: the test holds both ends of every connection.</summary>
internal sealed class ListeningServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<Socket> _sockets = [];

    public ListeningServer() => _listener.Start();

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>A new connection through the proxy.</summary>
    public async Task<(Socket Client, Socket Server)> ConnectAsync(CuttingProxy proxy, CancellationToken stopping)
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(client);
        await client.ConnectAsync(IPAddress.Loopback, proxy.Port, stopping);
        var server = await _listener.AcceptSocketAsync(stopping);
        _sockets.Add(server);
        return (client, server);
    }

    public void Dispose()
    {
        _sockets.ForEach(socket => socket.Dispose());
        _listener.Dispose();
    }
}
