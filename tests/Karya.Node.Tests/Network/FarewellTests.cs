using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>What ends a connection, and with which reason.</summary>
public sealed class FarewellTests(SharedNode node) : IClassFixture<SharedNode>
{
    private const int LengthMax = 1024 * 1024;

    /// <summary>Bytes instead of a hello, and the reason.</summary>
    public static TheoryData<string, byte[], ErrorCode> FirstBytes => new()
    {
        { "not a hello", Frames.Of(1, new Ping()), ErrorCode.HelloRequired },
        { "an unknown opcode", Frames.Raw(0x7E, 1, 0x90), ErrorCode.HelloRequired },
        { "versions to come", Frames.Of(1, new Hello(2, 255, "later", null)), ErrorCode.ProtocolVersion },
        { "versions of the past", Frames.Of(1, new Hello(0, 0, "earlier", null)), ErrorCode.ProtocolVersion },
        { "a hello that is none", Frames.Raw(0x01, 1, 0x93, 1, 1, 0xC0), ErrorCode.Malformed },
        { "a hello of no bytes", Frames.Raw(0x01, 1), ErrorCode.Malformed },
        { "GET", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray(), ErrorCode.NotKaryaProtocol },
        { "POST", "POST /v1 HTTP/1.1\r\n"u8.ToArray(), ErrorCode.NotKaryaProtocol },
        { "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray(), ErrorCode.NotKaryaProtocol },
        { "TLS", [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00], ErrorCode.NotKaryaProtocol },
        { "a length of 0", [0, 0, 0, 0], ErrorCode.FrameEmpty },
        { "a length without a header", [0, 0, 0, 5], ErrorCode.FrameTooShort },
        { "more than a hello takes", [0, 0, 4, 1], ErrorCode.FrameTooLarge },
        { "the greatest length", [0xFF, 0xFF, 0xFF, 0xFF], ErrorCode.FrameTooLarge },
    };

    /// <summary>Bytes after the hello.</summary>
    public static TheoryData<string, byte[], ErrorCode> LaterBytes => new()
    {
        { "a length of 0", [0, 0, 0, 0], ErrorCode.FrameEmpty },
        { "a length without a header", [0, 0, 0, 1], ErrorCode.FrameTooShort },
        { "one byte too many", Length(LengthMax + 1), ErrorCode.FrameTooLarge },
        { "the greatest length", [0xFF, 0xFF, 0xFF, 0xFF], ErrorCode.FrameTooLarge },
        { "another hello", Frames.Hello, ErrorCode.HelloRequired },
        { "correlation 0", Frames.Of(0, new Ping()), ErrorCode.Malformed },
        { "another version", Frames.Raw(7, 2, (byte)Opcode.Ping, 1, [0x90]), ErrorCode.ProtocolVersion },
        { "version 0", Frames.Raw(7, 0, (byte)Opcode.Ping, 1, [0x90]), ErrorCode.ProtocolVersion },
    };

    [Theory]
    [MemberData(nameof(FirstBytes), DisableDiscoveryEnumeration = true)]
    public async Task What_is_no_greeting_is_answered_with_a_reason_and_the_end(
        string what, byte[] bytes, ErrorCode expected)
    {
        await using var peer = node.NewPeer();
        await peer.SendAsync(bytes);
        var error = await peer.FarewellAsync();
        Assert.True(expected == error.Code, $"{what}: {error}");
        if (expected == ErrorCode.ProtocolVersion)
            Assert.Contains("1 to 1", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(LaterBytes), DisableDiscoveryEnumeration = true)]
    public async Task What_is_no_frame_is_answered_with_a_reason_and_the_end(
        string what, byte[] bytes, ErrorCode expected)
    {
        await using var peer = await node.GreetedAsync();
        await peer.SendAsync(bytes);
        var error = await peer.FarewellAsync();
        Assert.True(expected == error.Code, $"{what}: {error}");
    }

    [Fact]
    public async Task The_welcome_names_the_limits()
    {
        await using var peer = node.NewPeer();
        var welcome = await peer.GreetAsync();
        Assert.Equal((LengthMax, 256, 60_000L), (
            welcome.Limits.FrameLengthMax, welcome.Limits.InFlightMax, welcome.Limits.IdleMs));
        Assert.Equal(1, welcome.Version);
    }

    [Fact]
    public async Task Only_the_length_is_looked_at_before_a_frame_is_there()
    {
        await using var peer = await node.GreetedAsync();
        long before = GC.GetAllocatedBytesForCurrentThread();
        await peer.SendAsync(Length(LengthMax + 1)); // Read on this thread.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64 * 1024);
        Assert.Equal(ErrorCode.FrameTooLarge, (await peer.FarewellAsync()).Code);
    }

    [Fact]
    public async Task A_frame_of_the_greatest_length_is_served()
    {
        await using var peer = await node.GreetedAsync();
        await peer.SendAsync(Frames.Raw((byte)Opcode.CreateUser, 5, new byte[LengthMax - FrameHeader.LengthMin]));
        Assert.Equal(ErrorCode.Malformed, (await peer.ReceiveAsync())!.Error.Code);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(6, new Ping())).Opcode);
    }

    [Fact]
    public async Task A_peer_that_does_not_greet_in_time_is_sent_away()
    {
        await using var peer = node.NewPeer();
        node.Pass(peer, TimeSpan.FromSeconds(4.9));
        await peer.SendAsync(Frames.Hello.AsMemory(0, 10));
        node.Pass(peer, TimeSpan.FromSeconds(0.2));
        Assert.Equal(ErrorCode.HelloTimeout, (await peer.FarewellAsync()).Code);
    }

    [Fact]
    public async Task A_frame_that_comes_byte_by_byte_runs_out_of_time()
    {
        await using var peer = await node.GreetedAsync();
        byte[] frame = Frames.Of(2, new FindUserRequest("somebody"));
        for (int i = 0; i < 10; i++)
        {
            await peer.SendAsync(frame.AsMemory(i, 1));
            node.Pass(peer, TimeSpan.FromSeconds(1));
        }

        await peer.SendAsync(frame.AsMemory(10, 1));
        node.Pass(peer, TimeSpan.FromSeconds(0.1));
        Assert.Equal(ErrorCode.FrameTimeout, (await peer.FarewellAsync()).Code);
    }

    [Fact]
    public async Task A_frame_has_its_time_from_its_own_first_byte()
    {
        await using var peer = await node.GreetedAsync();
        byte[] ping = Frames.Of(2, new Ping());
        await peer.SendAsync(ping.AsMemory(0, 5));
        node.Pass(peer, TimeSpan.FromSeconds(9));
        await peer.SendAsync(new[] { ping[5..], ping[..5] }.SelectMany(part => part).ToArray());
        node.Pass(peer, TimeSpan.FromSeconds(9));
        await peer.SendAsync(ping.AsMemory(5));
        Assert.Equal(2u, (await peer.ReceiveAsync())!.Correlation);
        Assert.Equal(2u, (await peer.ReceiveAsync())!.Correlation);
    }

    [Fact]
    public async Task Silence_ends_a_connection_and_a_ping_keeps_it()
    {
        await using var peer = await node.GreetedAsync();
        node.Pass(peer, TimeSpan.FromSeconds(59));
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(2, new Ping())).Opcode);
        node.Pass(peer, TimeSpan.FromSeconds(59));
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(2, new Ping())).Opcode);
        node.Pass(peer, TimeSpan.FromSeconds(60.1));
        Assert.Equal(ErrorCode.IdleTimeout, (await peer.FarewellAsync()).Code);
    }

    [Fact]
    public async Task A_peer_that_stays_silent_after_the_reason_is_cut_off()
    {
        await using var peer = await node.GreetedAsync();
        node.Pass(peer, TimeSpan.FromSeconds(61));
        Assert.False(peer.IsAborted);
        node.Pass(peer, TimeSpan.FromSeconds(1.1));
        Assert.True(peer.IsAborted);
        await peer.Ended.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_fault_of_the_node_ends_the_connection_and_is_logged()
    {
        await using var peer = await node.GreetedAsync();
        var trap = new FaultTrap();
        var broken = node.Parts with
        {
            NowMs = () => throw new InvalidOperationException("The clock is broken."),
            Log = trap,
        };
        await using var unlucky = new PipePeer(broken, SharedNode.Options, node.Clock);
        await unlucky.SendAsync(Frames.Hello);
        Assert.Equal(ErrorCode.Internal, (await unlucky.FarewellAsync()).Code);
        Assert.Contains("broken", Assert.Single(trap.Faults), StringComparison.Ordinal);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(2, new Ping())).Opcode);
    }

    private static byte[] Length(int length) => [.. BitConverter.GetBytes(length).Reverse()];
}
