using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Karya.LocalServers.Tests;

public sealed class CuttingProxyTests : IDisposable
{
    private static readonly TimeSpan StepMax = TimeSpan.FromSeconds(30);

    private readonly ListeningServer _listener = new();
    private readonly CuttingProxy _proxy;
    private readonly CancellationTokenSource _deadline = new(StepMax);

    public CuttingProxyTests() => _proxy = new CuttingProxy("127.0.0.1", _listener.Port);

    private CancellationToken Stopping => _deadline.Token;

    public void Dispose()
    {
        _proxy.Dispose();
        _listener.Dispose();
        _deadline.Dispose();
    }

    [Fact]
    public async Task Bytes_and_ends_pass_both_ways_and_are_counted()
    {
        var (client, server) = await ConnectAsync();

        await SendAsync(client, Numbered(100_000));
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(Numbered(100_000), await ReadToEndAsync(server));
        await SendAsync(server, Numbered(7));
        server.Shutdown(SocketShutdown.Send);
        Assert.Equal(Numbered(7), await ReadToEndAsync(client));

        await _proxy.UntilAsync(() => !_proxy.Connections[0].IsOpen);
        Assert.Equal((100_000, 7), (_proxy.ClientBytes, _proxy.ServerBytes));
        Assert.Equal((100_000, 7), (_proxy.Connections[0].ClientBytes, _proxy.Connections[0].ServerBytes));
    }

    [Fact]
    public async Task What_has_arrived_is_counted()
    {
        var (client, server) = await ConnectAsync();
        for (int exchange = 1; exchange <= 2000; exchange++)
        {
            await SendAsync(client, Numbered(10));
            await ReadAsync(server, 10);
            Assert.Equal(10 * exchange, _proxy.ClientBytes);
            await SendAsync(server, Numbered(7));
            await ReadAsync(client, 7);
            Assert.Equal(7 * exchange, _proxy.ServerBytes);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(99)]
    [InlineData(70_000)]
    public async Task A_cut_lets_exactly_so_many_bytes_of_the_client_pass(int count)
    {
        var (client, server) = await ConnectAsync();
        await SendAsync(client, Numbered(10));
        Assert.Equal(Numbered(10), await ReadAsync(server, 10));

        _proxy.Connections[0].CutAfterClientBytes(count);
        await SendUntilResetAsync(client, Numbered(100_000));

        await _proxy.UntilAsync(() => !_proxy.Connections[0].IsOpen);   // We read only after the reset.
        Assert.Equal(Numbered(100_000)[..count], await ReadToResetAsync(server));
        Assert.Empty(await ReadToResetAsync(client));
        Assert.Equal(10 + count, _proxy.Connections[0].ClientBytes);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(99)]
    [InlineData(70_000)]
    public async Task A_cut_lets_exactly_so_many_bytes_of_the_server_pass(int count)
    {
        var (client, server) = await ConnectAsync();

        _proxy.Connections[0].CutAfterServerBytes(count);
        await SendUntilResetAsync(server, Numbered(100_000));

        await _proxy.UntilAsync(() => !_proxy.Connections[0].IsOpen);
        Assert.Equal(Numbered(100_000)[..count], await ReadToResetAsync(client));
        Assert.Empty(await ReadToResetAsync(server));
        Assert.Equal(count, _proxy.ServerBytes);
    }

    [Fact]
    public async Task Every_single_byte_of_an_exchange_can_be_the_last()
    {
        for (int count = 0; count < 40; count++)
        {
            var (client, server) = await ConnectAsync();
            _proxy.Connections[^1].CutAfterClientBytes(count);
            await SendUntilResetAsync(client, Numbered(40));
            Assert.Equal(Numbered(40)[..count], await ReadToResetAsync(server));
        }
    }

    [Fact]
    public async Task A_cut_of_the_proxy_counts_all_connections_together_kills_all_and_is_over()
    {
        var (first, firstServer) = await ConnectAsync();
        var (second, secondServer) = await ConnectAsync();

        _proxy.CutAfterClientBytes(15);
        await SendAsync(first, Numbered(10));
        await _proxy.UntilAsync(() => _proxy.ClientBytes == 10);
        await SendUntilResetAsync(second, Numbered(10));

        Assert.Equal(Numbered(10), await ReadToResetAsync(firstServer));
        Assert.Equal(Numbered(5), await ReadToResetAsync(secondServer));
        var (third, thirdServer) = await ConnectAsync();
        await SendAsync(third, Numbered(30));
        Assert.Equal(Numbered(30), await ReadAsync(thirdServer, 30));
    }

    [Fact]
    public async Task A_cut_of_the_proxy_reaches_connections_to_come()
    {
        _proxy.CutAfterServerBytes(3);
        var (client, server) = await ConnectAsync();

        await SendUntilResetAsync(server, Numbered(5));

        Assert.Equal(Numbered(3), await ReadToResetAsync(client));
    }

    [Fact]
    public async Task A_chosen_connection_dies_alone()
    {
        var (first, _) = await ConnectAsync();
        var (second, secondServer) = await ConnectAsync();

        _proxy.Connections[0].Drop();

        Assert.Empty(await ReadToResetAsync(first));
        await SendAsync(second, Numbered(5));
        Assert.Equal(Numbered(5), await ReadAsync(secondServer, 5));
    }

    [Fact]
    public async Task A_held_server_is_read_and_kept_back_until_it_is_released()
    {
        var (client, server) = await ConnectAsync();

        _proxy.HoldServer();
        await SendAsync(server, Numbered(300_000));
        server.Shutdown(SocketShutdown.Send);
        await _proxy.UntilAsync(() => _proxy.Connections[0].ServerBytesHeld == 300_000);
        await SendAsync(client, Numbered(5));
        Assert.Equal(Numbered(5), await ReadAsync(server, 5));
        Assert.Equal(0, client.Available);
        Assert.Equal(0, _proxy.ServerBytes);
        _proxy.ReleaseAll();

        Assert.Equal(Numbered(300_000), await ReadToEndAsync(client));
    }

    [Fact]
    public async Task A_held_client_is_not_heard_on_old_and_new_connections()
    {
        var (first, firstServer) = await ConnectAsync();

        _proxy.HoldClient();
        var (second, secondServer) = await ConnectAsync();
        await SendAsync(first, Numbered(5));
        await SendAsync(second, Numbered(6));
        await _proxy.UntilAsync(() => _proxy.Connections.Sum(connection => connection.ClientBytesHeld) == 11);
        Assert.Equal((0, 0), (firstServer.Available, secondServer.Available));
        _proxy.ReleaseAll();

        Assert.Equal(Numbered(5), await ReadAsync(firstServer, 5));
        Assert.Equal(Numbered(6), await ReadAsync(secondServer, 6));
    }

    [Fact]
    public async Task A_black_hole_hides_that_the_server_died()
    {
        var (client, server) = await ConnectAsync();
        await SendAsync(server, Numbered(1));
        Assert.Equal(Numbered(1), await ReadAsync(client, 1));   // The proxy knows that it is connected.

        _proxy.Connections[0].HoldServer();
        server.LingerState = new LingerOption(enable: true, seconds: 0);
        server.Dispose();
        var answer = ReadToResetAsync(client);
        await SendAsync(client, Numbered(5));
        await _proxy.UntilAsync(() => _proxy.ClientBytes == 5);   // Sent to nobody, which only the server could tell.
        Assert.True(_proxy.Connections[0].IsOpen);
        Assert.False(answer.IsCompleted);
        _proxy.ReleaseAll();

        Assert.Empty(await answer);
    }

    [Fact]
    public async Task A_proxy_that_refuses_lets_open_connections_live_and_takes_new_ones_when_released()
    {
        var (client, server) = await ConnectAsync();

        _proxy.RefuseNew();
        var refusal = await Assert.ThrowsAsync<SocketException>(ConnectAsync);
        Assert.Equal(SocketError.ConnectionRefused, refusal.SocketErrorCode);
        await SendAsync(client, Numbered(5));
        Assert.Equal(Numbered(5), await ReadAsync(server, 5));
        _proxy.ReleaseAll();

        await ConnectAsync();
    }

    [Fact]
    public async Task A_client_is_reset_when_the_server_is_not_there()
    {
        _listener.Dispose();
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        // The reset may be quicker than the news that the connection is there.
        var reset = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            await client.ConnectAsync(IPAddress.Loopback, _proxy.Port, Stopping);
            await client.ReceiveAsync(new byte[1], Stopping);
        });
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    [Fact]
    public async Task All_connections_can_be_dropped_at_once_and_dropping_ends_all_holds()
    {
        var (first, firstServer) = await ConnectAsync();
        var (second, _) = await ConnectAsync();
        _proxy.HoldServer();
        await SendAsync(firstServer, Numbered(5));

        _proxy.DropAll();

        Assert.Empty(await ReadToResetAsync(first));
        Assert.Empty(await ReadToResetAsync(second));
        Assert.All(_proxy.Connections, connection => Assert.False(connection.IsOpen));
    }

    [Fact]
    public async Task A_disposed_proxy_closes_its_port_and_its_connections()
    {
        var (client, _) = await ConnectAsync();

        _proxy.Dispose();

        Assert.Empty(await ReadToResetAsync(client));
        await Assert.ThrowsAsync<SocketException>(ConnectAsync);
    }

    private Task<(Socket Client, Socket Server)> ConnectAsync() => _listener.ConnectAsync(_proxy, Stopping);

    private static byte[] Numbered(int count) => [.. Enumerable.Range(0, count).Select(index => (byte)index)];

    private async Task SendAsync(Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent), Stopping);
    }

    /// <summary>The cut may come before the last byte was sent.</summary>
    private async Task SendUntilResetAsync(Socket socket, byte[] bytes)
    {
        try
        {
            await SendAsync(socket, bytes);
        }
        catch (SocketException)
        {
            // What the receiver got is asserted there.
        }
    }

    private async Task<byte[]> ReadAsync(Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        for (int read = 0; read < count;)
        {
            int more = await socket.ReceiveAsync(bytes.AsMemory(read), Stopping);
            Assert.True(more > 0, $"The stream ended after {read} of {count} bytes.");
            read += more;
        }

        return bytes;
    }

    private async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        List<byte> bytes = [];
        byte[] buffer = new byte[8192];
        while (await socket.ReceiveAsync(buffer, Stopping) is > 0 and int count)
            bytes.AddRange(buffer.AsSpan(0, count));
        return [.. bytes];
    }

    /// <summary>What can be read before the reset, which must come.</summary>
    private async Task<byte[]> ReadToResetAsync(Socket socket)
    {
        List<byte> bytes = [];
        byte[] buffer = new byte[8192];
        var reset = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (await socket.ReceiveAsync(buffer, Stopping) is > 0 and int count)
                bytes.AddRange(buffer.AsSpan(0, count));
        });
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
        return [.. bytes];
    }
}
