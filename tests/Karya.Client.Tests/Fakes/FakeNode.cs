using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Karya.Protocol.Messages;

namespace Karya.Client.Tests.Fakes;

/// <summary>A node without anything behind it: greets, and leaves the rest to the test.</summary>
internal sealed class FakeNode : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Channel<FakeConnection> _greeted = Channel.CreateUnbounded<FakeConnection>();
    private readonly List<FakeConnection> _all = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;

    public FakeNode()
    {
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptManyAsync();
    }

    public int Port { get; }

    public ServerAddress Address => ServerAddress.Parse($"karya://127.0.0.1:{Port}");

    public ConnectionLimits Limits { get; set; } = new(4 * 1024 * 1024, 256, 30_000, 30_000);

    public long StoreTimeMs { get; set; } = 1_767_225_600_000; // 1 January 2026, as WatchedTime begins.

    public IReadOnlyList<NodeEndpoint>? MapNodes { get; set; }

    /// <summary>Of all partitions: the place of their owner among the nodes.</summary>
    public int Owner { get; set; }

    /// <summary>Instead of a greeting.</summary>
    public ErrorMessage? Refusal { get; set; }

    /// <summary>A client with that address and no patience for the time of tests.</summary>
    public KaryaClient Client(Action<KaryaClientOptions>? configure = null)
    {
        var options = new KaryaClientOptions { Address = Address };
        configure?.Invoke(options);
        return new KaryaClient(options);
    }

    /// <summary>The next connection that was greeted.</summary>
    public Task<FakeConnection> AcceptAsync() =>
        _greeted.Reader.ReadAsync().Soonly("a connection to the node");

    public async ValueTask DisposeAsync()
    {
        if (_accepting.IsCompleted)
            return; // A test has disposed it already.
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting;
        FakeConnection[] all;
        lock (_all)
            all = [.. _all];
        foreach (var connection in all)
            await connection.DisposeAsync();
        _stopping.Dispose();
    }

    private async Task AcceptManyAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync(_stopping.Token);
                var connection = new FakeConnection(socket);
                lock (_all)
                    _all.Add(connection);
                _ = GreetAsync(connection);
            }
        }
        catch (Exception) when (_stopping.IsCancellationRequested)
        {
            // The test is over.
        }
    }

    private async Task GreetAsync(FakeConnection connection)
    {
        var (id, hello) = await connection.ExpectAsync<Hello>();
        connection.Hello = hello;
        if (Refusal is { } refusal)
        {
            await connection.ReplyAsync(id, refusal);
            await connection.DisposeAsync();
            return;
        }

        int[] owners = [.. Enumerable.Repeat(Owner, 16)];
        var map = new PartitionMap(1, MapNodes ?? [new NodeEndpoint("127.0.0.1", Port)], owners);
        await connection.ReplyAsync(id, new Welcome(1, "node-1", "0.1.0", StoreTimeMs, Limits, map));
        _greeted.Writer.TryWrite(connection);
    }
}
