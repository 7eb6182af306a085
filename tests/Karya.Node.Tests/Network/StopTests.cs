using Karya.Node.Tests.Joined;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>What peers see of a node that stops.</summary>
public sealed class StopTests : IAsyncLifetime
{
    private NodeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await NodeRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task What_is_open_is_answered_and_what_is_new_is_sent_elsewhere()
    {
        await using var peer = await SocketPeer.GreetedAsync(_rig.Node.Addresses.Tcp);
        byte[] first = Submit(1);
        await peer.SendAsync(first);
        (await peer.ReceiveAsync())!.As<SubmitReply>();
        _rig.Store.BlockCommits();
        await peer.SendAsync(first); // Keeps the node from stopping at once.
        var stopping = _rig.Node.StopAsync();
        Assert.Equal(Opcode.GoingAway, (await peer.ReceiveAsync())!.Opcode);

        uint taken = 1;
        var refused = await RefusedAsync(peer, () => ++taken);
        Assert.Equal(ErrorCode.GoingAway, refused.Code);

        _rig.Store.ReleaseCommits();
        var answered = new HashSet<uint>();
        while (await peer.ReceiveAsync() is { } reply)
        {
            if (reply.Correlation == 0)
            {
                Assert.Equal(ErrorCode.GoingAway, reply.Error.Code);
                break;
            }

            if (reply.Opcode == (Opcode.Ping | Opcode.Reply))
                continue;
            reply.As<SubmitReply>();
            Assert.True(answered.Add(reply.Correlation));
        }

        Assert.Contains(1u, answered);
        Assert.Equal(taken - 1, (uint)answered.Count);
        await peer.DisposeAsync();
        await stopping;
    }

    /// <summary>Submits until the shards take no more.</summary>
    private async Task<ErrorMessage> RefusedAsync(SocketPeer peer, Func<uint> next)
    {
        while (true)
        {
            await peer.SendAsync(Submit(next()));
            await peer.SendAsync(Frames.Of(1_000_000, new Ping()));
            while ((await peer.ReceiveAsync())! is var reply && reply.Opcode != (Opcode.Ping | Opcode.Reply))
            {
                if (reply.IsError)
                    return reply.Error;
            }
        }
    }

    private byte[] Submit(uint correlation) =>
        Frames.Of(correlation, new SubmitRequest(Frames.Far(_rig.Ann.Value), Durability.Durable, null));
}
