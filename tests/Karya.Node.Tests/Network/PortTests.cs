using System.Net.Sockets;
using Karya.Node.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>Connections as the listener counts, watches and ends them; on real sockets.</summary>
public sealed class PortTests(SharedNode node) : IClassFixture<SharedNode>
{
    private static NetworkOptions Options => SharedNode.Options;

    [Fact]
    public async Task One_connection_too_many_is_told_so_and_a_closed_one_makes_room()
    {
        await using var port = await PortRig.StartAsync(node, Options with { ConnectionsMax = 2 });
        await using var first = await SocketPeer.GreetedAsync(port.Endpoint);
        await using var second = await SocketPeer.GreetedAsync(port.Endpoint);
        await using (var third = await SocketPeer.ConnectAsync(port.Endpoint))
        {
            var error = (await third.ReceiveAsync())!.Error;
            Assert.Equal(ErrorCode.TooManyConnections, error.Code);
            Assert.Contains("tcp.connectionsMax", error.Message, StringComparison.Ordinal);

            // The others are served; and the place of one that goes is free, though the third lingers.
            Assert.Equal(Opcode.Ping | Opcode.Reply, (await first.AskAsync(2, new Ping())).Opcode);
            await second.DisposeAsync();
            await port.CountAsync(1);
            await using var fourth = await SocketPeer.GreetedAsync(port.Endpoint);
            Assert.Equal(Opcode.Ping | Opcode.Reply, (await fourth.AskAsync(2, new Ping())).Opcode);
        }
    }

    [Fact]
    public async Task One_connection_too_many_of_an_address_is_told_so_and_makes_no_difference_to_others()
    {
        await using var port = await PortRig.StartAsync(node, Options with { PerAddressMax = 1 });
        await using var first = await SocketPeer.GreetedAsync(port.Endpoint);
        await using var second = await SocketPeer.ConnectAsync(port.Endpoint);
        var error = (await second.ReceiveAsync())!.Error;
        Assert.Equal(ErrorCode.TooManyConnections, error.Code);
        Assert.Contains("tcp.connectionsPerAddressMax", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, port.Listener.Count);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await first.AskAsync(2, new Ping())).Opcode);
    }

    [Fact]
    public async Task More_that_are_turned_away_than_there_may_be_are_cut_off_without_a_word()
    {
        await using var port = await PortRig.StartAsync(node, Options with { ConnectionsMax = 1 });
        await using var first = await SocketPeer.GreetedAsync(port.Endpoint);
        await using var refused = await SocketPeer.ConnectAsync(port.Endpoint);
        Assert.Equal(ErrorCode.TooManyConnections, (await refused.ReceiveAsync())!.Error.Code);
        try
        {
            await using var cut = await SocketPeer.ConnectAsync(port.Endpoint);
            Assert.Null(await cut.ReceiveAsync());
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            // Reset before the connect was through, or before anything was read.
        }

        Assert.Equal(Opcode.Ping | Opcode.Reply, (await first.AskAsync(2, new Ping())).Opcode);
    }

    [Fact]
    public async Task The_listener_watches_over_the_time_of_its_peers()
    {
        await using var port = await PortRig.StartAsync(node);
        await using var silent = await SocketPeer.ConnectAsync(port.Endpoint);
        await using var greeted = await SocketPeer.GreetedAsync(port.Endpoint);
        await port.CountAsync(2);
        port.Clock.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(ErrorCode.HelloTimeout, (await silent.ReceiveAsync())!.Error.Code);
        port.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(await silent.ReceiveAsync());
        await port.CountAsync(1);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await greeted.AskAsync(2, new Ping())).Opcode);

        // A peer whose machine has gone says nothing, not even goodbye.
        port.Clock.Advance(TimeSpan.FromSeconds(61));
        port.Clock.Advance(TimeSpan.FromSeconds(2));
        await port.CountAsync(0);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: karya\r\n\r\n")]
    [InlineData("\u0016\u0003\u0001\u0002\u0000\u0001")]
    public async Task Other_protocols_are_told_so(string text)
    {
        await using var port = await PortRig.StartAsync(node);
        await using (var peer = await SocketPeer.ConnectAsync(port.Endpoint))
        {
            await peer.SendAsync(System.Text.Encoding.Latin1.GetBytes(text));
            Assert.Equal(ErrorCode.NotKaryaProtocol, (await peer.ReceiveAsync())!.Error.Code);
        }

        await port.CountAsync(0);
        Assert.Empty(node.Trap.Faults);
    }

    [Fact]
    public async Task Peers_that_go_in_any_way_leave_nothing_behind()
    {
        await using var port = await PortRig.StartAsync(node);
        byte[] submit = Frames.Of(2, new SubmitRequest(Frames.Far(node.User), Durability.Durable, null));
        for (int i = 0; i < 20; i++)
        {
            await using var peer = await SocketPeer.GreetedAsync(port.Endpoint);
            await peer.SendAsync(submit.AsMemory(0, i % 2 == 0 ? submit.Length : submit.Length - 1));
            if (i % 4 < 2)
                peer.Reset();
            else
                peer.FinishSending();
        }

        await port.CountAsync(0);
        Assert.Empty(node.Trap.Faults);
    }

    [Fact]
    public async Task A_peer_that_never_reads_is_cut_off_and_the_others_are_served()
    {
        await using var port = await PortRig.StartAsync(node);
        await using var deaf = await SocketPeer.GreetedAsync(port.Endpoint);
        await using var other = await SocketPeer.GreetedAsync(port.Endpoint);
        var plans = Enumerable.Repeat(new byte[] { 0xC4, 0 }, ProtocolLimits.PlansPerRequestMax);
        byte[] body = [0x92, 0, 0xDC, 0x27, 0x10, .. plans.SelectMany(plan => plan)];
        for (uint i = 2; i < 40; i++)
            await deaf.SendAsync(Frames.Raw((byte)Opcode.SubmitMany, i, body));
        await Joined.Until.AskAsync(
            async () =>
            {
                port.Clock.Advance(TimeSpan.FromMilliseconds(250));
                await other.AskAsync(2, new Ping());
                return port.Listener.Count;
            },
            count => count == 1, "the peer is cut off");
    }

    [Fact]
    public async Task Who_comes_while_the_node_stops_is_sent_away_and_what_is_open_is_answered()
    {
        await using var port = await PortRig.StartAsync(node);
        await using var peer = await SocketPeer.GreetedAsync(port.Endpoint);
        port.Listener.SayGoodbye("A rest.", TimeSpan.FromSeconds(5));
        Assert.Equal(new GoingAway("A rest.", 5000), (await peer.ReceiveAsync())!.As<GoingAway>());
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(2, new Ping())).Opcode);
        await using var late = await SocketPeer.ConnectAsync(port.Endpoint);
        Assert.Equal(ErrorCode.GoingAway, (await late.ReceiveAsync())!.Error.Code);
    }
}
