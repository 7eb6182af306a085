using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>Networks cut and join frames anywhere, and peers go away in the middle of one.</summary>
public sealed class CutTests(SharedNode node) : IClassFixture<SharedNode>
{
    private static readonly UInt128 NoPlan = new(0x0192_0000_0000_7000, 0x8000_0000_0000_0001);

    private IReadOnlyList<byte[]> Requests => Frames.Requests(node.User, NoPlan);

    [Fact]
    public async Task A_frame_that_is_cut_at_any_byte_leaves_nothing_behind()
    {
        foreach (byte[] request in Requests.Append(Frames.Hello))
        {
            for (int length = 0; length <= request.Length; length++)
            {
                await using var peer = node.NewPeer();
                await peer.SendAsync(Frames.Hello);
                await peer.SendAsync(request.AsMemory(0, length));
                peer.Leave();
                await peer.Ended.WaitAsync(TestContext.Current.CancellationToken);
            }
        }

        Assert.Empty(node.Trap.Faults);
        await using var last = await node.GreetedAsync();
        (await last.AskAsync(2, new SubmitRequest(Frames.Far(node.User), Durability.Durable, null))).As<SubmitReply>();
    }

    [Fact]
    public async Task A_frame_in_two_pieces_is_answered_as_one_in_one_piece()
    {
        await using var peer = await node.GreetedAsync();
        foreach (byte[] request in Requests)
        {
            await peer.SendAsync(request);
            string expected = Describe(await peer.ReceiveAsync());
            for (int at = 1; at < request.Length; at++)
            {
                await peer.SendAsync(request.AsMemory(0, at));
                await peer.SendAsync(request.AsMemory(at));
                Assert.Equal(expected, Describe(await peer.ReceiveAsync()));
            }
        }

        Assert.Empty(node.Trap.Faults);
    }

    [Fact]
    public async Task Frames_that_come_together_are_all_answered()
    {
        await using var peer = await node.GreetedAsync();
        byte[][] requests = [.. Requests];
        for (int i = 0; i < requests.Length; i++)
            requests[i][FrameHeader.CorrelationOffset + 3] = (byte)(i + 1);
        await peer.SendAsync(requests.SelectMany(request => request).ToArray());
        var answered = new SortedSet<uint>();
        for (int i = 0; i < requests.Length; i++)
            Assert.True(answered.Add((await peer.ReceiveAsync())!.Correlation));
        Assert.Equal((1u, (uint)requests.Length), (answered.Min, answered.Max));
    }

    /// <summary>What does not depend on the moment.</summary>
    private static string Describe(Received? reply) => reply!.IsError
        ? $"{reply.Correlation}: {reply.Error}"
        : $"{reply.Correlation}: {reply.Opcode}";
}
