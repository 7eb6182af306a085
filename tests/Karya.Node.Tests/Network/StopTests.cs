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
        int begun = _rig.Store.CommitsBegun;
        _rig.Store.BlockCommits();
        await peer.SendAsync(first); // Keeps the node from stopping at once.
        await Until.TrueAsync(() => _rig.Store.CommitsBegun > begun, "the store is asked for it");
        var stopping = _rig.Node.StopAsync();
        Assert.Equal(Opcode.GoingAway, (await peer.ReceiveAsync())!.Opcode);

        uint taken = 1;
        var refusal = await RefusedAsync(peer, () => ++taken);
        Assert.Equal(ErrorCode.GoingAway, refusal.Error.Code);

        _rig.Store.ReleaseCommits();
        var refused = new HashSet<uint> { refusal.Correlation };
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
            if (reply.IsError)
                Assert.Equal(ErrorCode.GoingAway, reply.Error.Code);
            Assert.True((reply.IsError ? refused : answered).Add(reply.Correlation));
        }

        Assert.Contains(1u, answered);
        Assert.Equal(Enumerable.Range(1, (int)taken), answered.Concat(refused).Order().Select(number => (int)number));
        await peer.DisposeAsync();
        await stopping;
    }

    /// <summary>Submits until the shards take no more; what was sent meanwhile may still be refused.</summary>
    private async Task<Received> RefusedAsync(SocketPeer peer, Func<uint> next)
    {
        while (true)
        {
            await peer.SendAsync(Submit(next()));
            await peer.SendAsync(Frames.Of(1_000_000, new Ping()));
            while ((await peer.ReceiveAsync())! is var reply && reply.Opcode != (Opcode.Ping | Opcode.Reply))
            {
                if (reply.IsError)
                    return reply;
            }
        }
    }

    private byte[] Submit(uint correlation) =>
        Frames.Of(correlation, new SubmitRequest(Frames.Far(_rig.Ann.Value), Durability.Durable, null));
}
