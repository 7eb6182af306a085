using System.Net;
using System.Net.Sockets;
using Karya.Node.Execution.Egress;
using Xunit;

namespace Karya.Node.Tests.Execution.Egress;

public sealed class EgressGateTests : IDisposable
{
    private readonly TcpListener _server = new(IPAddress.Loopback, 0);
    private readonly Dictionary<string, Queue<IPAddress[]>> _names = [];

    public EgressGateTests() => _server.Start();

    private int Port => ((IPEndPoint)_server.LocalEndpoint).Port;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("127.0.0.1", "loopback")]
    [InlineData("[::1]", "loopback")]
    [InlineData("0.0.0.0", "reserved")]
    [InlineData("[::]", "reserved")]
    [InlineData("169.254.169.254", "metadata")]
    [InlineData("metadata.google.internal", "metadata")]
    [InlineData("METADATA.google.internal.", "metadata")]
    [InlineData("10.0.0.1", "private")]
    [InlineData("[fe80::1]", "link-local")]
    [InlineData("[::ffff:10.0.0.1]", "private")]
    [InlineData("[2002:a00:1::]", "tunnel")]
    [InlineData("224.0.0.1", "multicast")]
    public async Task What_is_not_public_is_refused_and_the_error_says_what_it_is(string host, string kind)
    {
        var gate = new EgressGate(new EgressRules([], AllowsLoopback: false));

        var denied = await Assert.ThrowsAsync<EgressDeniedException>(
            async () => await gate.ConnectAsync(host, Port, Stopping));

        Assert.StartsWith($"egress denied: '{host}' ", denied.Message, StringComparison.Ordinal);
        Assert.Contains(kind, denied.Message, StringComparison.Ordinal);
        Assert.False(_server.Pending());
    }

    [Fact]
    public async Task A_network_that_is_named_is_allowed_but_never_metadata()
    {
        var gate = new EgressGate(new EgressRules(
            [IPNetwork.Parse("127.0.0.0/8"), IPNetwork.Parse("169.254.0.0/16")], AllowsLoopback: false));

        using var socket = await gate.ConnectAsync("127.0.0.1", Port, Stopping);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, Port), socket.RemoteEndPoint);
        Assert.Equal([IPAddress.Parse("169.254.1.1")], await gate.CheckAsync("169.254.1.1", 80, Stopping));
        await Assert.ThrowsAsync<EgressDeniedException>(
            async () => await gate.CheckAsync("169.254.169.254", 80, Stopping));
        await Assert.ThrowsAsync<EgressDeniedException>(
            async () => await gate.CheckAsync("::ffff:169.254.169.254", 80, Stopping));
    }

    [Fact]
    public async Task Of_several_addresses_only_those_that_are_allowed_are_called()
    {
        var gate = NewGate("mixed.test", ["10.0.0.1", "127.0.0.1", "169.254.169.254"]);

        using var socket = await gate.ConnectAsync("mixed.test", Port, Stopping);

        Assert.Equal(new IPEndPoint(IPAddress.Loopback, Port), socket.RemoteEndPoint);
        Assert.Equal([IPAddress.Loopback], await gate.CheckAsync("mixed.test", Port, Stopping));
    }

    [Fact]
    public async Task A_name_that_means_something_else_the_next_time_is_checked_again_and_each_lookup_is_used_once()
    {
        var gate = NewGate("rebinding.test", ["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]);

        using var first = await gate.ConnectAsync("rebinding.test", Port, Stopping);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, Port), first.RemoteEndPoint);
        var denied = await Assert.ThrowsAsync<EgressDeniedException>(
            async () => await gate.ConnectAsync("rebinding.test", Port, Stopping));
        Assert.Contains("10.0.0.1", denied.Message, StringComparison.Ordinal);
        using var third = await gate.ConnectAsync("rebinding.test", Port, Stopping);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, Port), third.RemoteEndPoint);
    }

    [Fact]
    public async Task An_address_that_does_not_answer_is_passed_over()
    {
        var gate = NewGate("two.test", ["::1", "127.0.0.1"]); // Nothing listens on IPv6.

        using var socket = await gate.ConnectAsync("two.test", Port, Stopping);

        Assert.Equal(new IPEndPoint(IPAddress.Loopback, Port), socket.RemoteEndPoint);
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("localhost", "127.0.0.1")]
    [InlineData("*", "127.0.0.7")]
    [InlineData("127.0.0.1", "::ffff:127.0.0.1")]
    public async Task The_nodes_own_servers_are_never_called(string listens, string called)
    {
        var gate = new EgressGate(Rules.Local)
        {
            OwnServers = [new OwnServer(listens, Port, "the node's own HTTP")],
        };

        var denied = await Assert.ThrowsAsync<EgressDeniedException>(
            async () => await gate.ConnectAsync(called, Port, Stopping));

        Assert.Contains("the node's own HTTP (own listener)", denied.Message, StringComparison.Ordinal);
        Assert.Equal([IPAddress.Parse("127.0.0.1")], await gate.CheckAsync("127.0.0.1", Port + 1, Stopping));
    }

    [Fact]
    public async Task A_name_without_an_address_is_no_refusal()
    {
        var gate = new EgressGate(
            Rules.Local, (_, _) => throw new SocketException((int)SocketError.HostNotFound));

        await Assert.ThrowsAsync<SocketException>(
            async () => await gate.ConnectAsync("nowhere.test", Port, Stopping));
    }

    public void Dispose() => _server.Dispose();

    private EgressGate NewGate(string name, params string[][] answers)
    {
        _names.Add(name, new Queue<IPAddress[]>(
            answers.Select(addresses => addresses.Select(IPAddress.Parse).ToArray())));
        return new EgressGate(Rules.Local, (host, _) =>
        {
            var left = _names[host];
            return Task.FromResult(left.Count > 1 ? left.Dequeue() : left.Peek());
        });
    }
}
