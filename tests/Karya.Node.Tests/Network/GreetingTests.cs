using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>What a client hears first.</summary>
public sealed class GreetingTests(SharedNode node) : IClassFixture<SharedNode>
{
    private static readonly PartitionMap Before = PartitionMap.Single(4, new NodeEndpoint("before", 1));
    private static readonly PartitionMap After = Before with { Version = 2 };

    [Theory]
    [InlineData(1)] // While the welcome is put together.
    [InlineData(2)] // When it is written.
    public async Task The_welcome_comes_first_and_a_map_that_changes_meanwhile_after_it(int changesAtLook)
    {
        PipePeer? peer = null;
        int looks = 0;
        var parts = node.Parts with
        {
            Map = () =>
            {
                if (++looks == changesAtLook)
                    peer!.Connection.Push(After);
                return looks > changesAtLook ? After : Before;
            },
        };
        peer = new PipePeer(parts, SharedNode.Options, node.Clock);
        await using var closing = peer;

        Assert.Equal(1, (await peer.GreetAsync()).Map.Version);
        Assert.Equal(2, (await peer.ReceiveAsync())!.As<MapChanged>().Map.Version);
    }
}
