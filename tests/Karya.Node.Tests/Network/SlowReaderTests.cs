using Karya.Protocol;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>Peers that ask and do not listen.</summary>
public sealed class SlowReaderTests(SharedNode node) : IClassFixture<SharedNode>
{
    [Fact]
    public async Task A_peer_that_reads_nothing_for_too_long_is_cut_off()
    {
        await using var peer = await node.GreetedAsync();
        await peer.SendAsync(Many(1)); // Its reply is longer than what the transport takes.
        await WaitsAsync(peer);
        node.Pass(peer, TimeSpan.FromSeconds(29.9));
        Assert.False(peer.IsAborted);
        node.Pass(peer, TimeSpan.FromSeconds(0.2));
        Assert.True(peer.IsAborted);
        await peer.Ended.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_peer_that_reads_slowly_keeps_its_connection()
    {
        await using var peer = await node.GreetedAsync(SharedNode.Options with { Idle = TimeSpan.FromHours(1) });
        await peer.SendAsync(Many(1));
        await WaitsAsync(peer);
        long bytes = 0;
        for (int i = 0; i < 8; i++)
        {
            node.Pass(peer, TimeSpan.FromSeconds(20));
            bytes += await peer.ReadSomeAsync(64 * 1024);
            await WaitsAsync(peer);
        }

        Assert.False(peer.IsAborted);
        Assert.Equal(8 * 64 * 1024, bytes);
    }

    [Fact]
    public async Task What_waits_for_a_peer_is_bounded_and_beyond_it_the_peer_is_cut_off()
    {
        await using var peer = await node.GreetedAsync();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (uint i = 1; i <= 60; i++) // Some 60 MB of replies.
            await peer.SendAsync(Many(i));
        long taken = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(taken, long.MinValue, 24 * 1024 * 1024);
        node.Pass(peer, TimeSpan.FromMilliseconds(1));
        Assert.True(peer.IsAborted);
        await peer.Ended.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_peer_that_leaves_while_much_waits_for_it_is_cut_off_too()
    {
        await using var peer = await node.GreetedAsync();
        await peer.SendAsync(Many(1));
        await WaitsAsync(peer);
        peer.Leave();
        node.Pass(peer, TimeSpan.FromSeconds(30.1));
        Assert.True(peer.IsAborted);
        await peer.Ended.WaitAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>The writer has begun to wait for the peer.</summary>
    private static Task WaitsAsync(PipePeer peer) =>
        Joined.Until.TrueAsync(() => peer.UnreadBytes >= 64 * 1024, "the reply fills the transport");

    /// <summary>As many plans as there may be, all of them nothing: a megabyte of refusals.</summary>
    private static byte[] Many(uint correlation)
    {
        const int Plans = ProtocolLimits.PlansPerRequestMax;
        byte[] body = new byte[5 + 2 * Plans];
        (body[0], body[1], body[2], body[3], body[4]) = (0x92, 0, 0xDC, Plans >> 8, Plans & 0xFF);
        for (int i = 5; i < body.Length; i += 2)
            body[i] = 0xC4;
        return Frames.Raw((byte)Opcode.SubmitMany, correlation, body);
    }
}
