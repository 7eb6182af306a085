using System.Text.Json;
using Karya.Client;
using Karya.LocalServers;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Who is there, who owns what, and how a node is drained.</summary>
[Trait("Needs", "process")]
public sealed class ClusterDeskTests : ClusterTest
{
    [Fact]
    public async Task Any_node_tells_who_is_there_and_who_owns_what()
    {
        var (first, firstStore, second, secondStore) = await StartTwoAsync();

        foreach (var node in (Node[])[first, second])
        {
            var cluster = await Until.AskAsync(
                async () => await node.Parts!.Cluster.DescribeAsync(ownOnly: false),
                status => status.Nodes.All(one => one is { State: NodeState.Up, Opening: 0, Trouble: null }),
                "all is well");
            Assert.Equal(["a", "b"], cluster.Nodes.Select(one => one.Name));
            Assert.Equal([All / 2, All / 2], cluster.Nodes.Select(one => one.Partitions));
            Assert.Equal(
                [first.Addresses.Tcp.Port, second.Addresses.Tcp.Port], cluster.Nodes.Select(one => one.Tcp.Port));
            Assert.All(cluster.Nodes, one => Assert.InRange(one.ClockOffsetUs!.Value, -100_000, 100_000));
            Assert.Equal(All, cluster.Partitions.Count);
            Assert.All(cluster.Partitions.Index(), one => Assert.Equal(
                ((one.Item.Node == 0 ? firstStore : secondStore).Owned.EpochOf(one.Index), false),
                (one.Item.Epoch, one.Item.IsMoving)));
        }

        var (status, text) = await PostgresRig.HttpAsync(second, "/api/cluster");
        Assert.Equal(200, status);
        using var json = JsonDocument.Parse(text);
        Assert.Equal(
            ["a", "b"],
            json.RootElement.GetProperty("nodes").EnumerateArray().Select(one => one.GetProperty("name").GetString()));
        Assert.Equal(All, json.RootElement.GetProperty("partitions").GetArrayLength());
    }

    [Fact]
    public async Task A_node_that_is_drained_serves_on_without_partitions_until_that_is_taken_back_and_stops_in_order()
    {
        var (first, firstStore, second, secondStore) = await StartTwoAsync();
        await Rig.AddAnnAsync(first);
        await using var client = await KaryaClient.ConnectAsync($"karya://{first.Addresses.Tcp}", Stopping);

        await client.DrainAsync("b", cancellationToken: Stopping);
        await OwnsAsync(firstStore, All);
        var status = await client.GetClusterAsync(Stopping);
        Assert.Equal([NodeState.Up, NodeState.Draining], status.Nodes.Select(one => one.State));
        var plan = await second.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping);
        Assert.NotNull(await second.Desk.GetAsync(plan.Id, Stopping));

        await client.DrainAsync("b", isOn: false, Stopping);
        await OwnsAsync(secondStore, All / 2);
        await second.StopAsync();
        await OwnsAsync(firstStore, All);
    }

    [Fact]
    public async Task A_node_that_does_not_answer_is_shown_as_silent_and_one_that_is_not_there_cannot_be_drained()
    {
        var (first, firstStore) = await StartAsync("a");
        await OwnsAsync(firstStore, All);
        await using var client = await KaryaClient.ConnectAsync($"karya://{first.Addresses.Tcp}", Stopping);
        var nobody = await Assert.ThrowsAsync<KaryaException>(
            async () => await client.DrainAsync("nobody", cancellationToken: Stopping));
        Assert.Equal((ErrorCode.OutOfRange, "drain.node"), (nobody.Code, nobody.Field));
        Assert.Contains("there are a", nobody.Message, StringComparison.Ordinal);

        var nowhere = new NodeEndpoint("127.0.0.1", 1);
        firstStore.Announce(new ClusterNode("gone/1", nowhere, "http://127.0.0.1:1/", "0.1.0"));
        var cluster = await client.GetClusterAsync(Stopping);
        Assert.Equal(
            [("a", NodeState.Up), ("gone", NodeState.Silent)], cluster.Nodes.Select(one => (one.Name, one.State)));
        firstStore.Announce(new ClusterNode(
            "before/1", new NodeEndpoint("127.0.0.1", first.Addresses.Tcp.Port), "http://127.0.0.1:1/", "0.1.0"));
        cluster = await client.GetClusterAsync(Stopping);
        Assert.Equal(NodeState.Silent, cluster.Nodes.Single(one => one.Name == "before").State);
        var mistaken = await Assert.ThrowsAsync<KaryaOverloadedException>(
            async () => await client.DrainAsync("before", cancellationToken: Stopping));
        Assert.Contains("This is node a by now", mistaken.Message, StringComparison.Ordinal);
        var silent = await Assert.ThrowsAsync<KaryaOverloadedException>(
            async () => await client.DrainAsync("gone", cancellationToken: Stopping));
        Assert.Equal(ErrorCode.Unavailable, silent.Code);
    }

    [Fact]
    public async Task A_node_that_cannot_reach_redis_says_so_and_stays_ready()
    {
        using var redis = RedisServer.Start();
        var node = Rig.NewConfigured(new() { Redis = redis.Configuration, Node = "a" });
        await node.StartAsync(Stopping);
        await OwnTroubleAsync(node, trouble => trouble is null);
        Assert.Equal(1, await PostgresRig.GaugeAsync(node, "karya_redis_up"));

        redis.Kill();
        await OwnTroubleAsync(
            node, trouble => trouble is not null && trouble.Contains("Redis", StringComparison.Ordinal));
        Assert.Equal(0, await PostgresRig.GaugeAsync(node, "karya_redis_up"));
        Assert.Equal(200, (await PostgresRig.HttpAsync(node, "/readyz")).Status);

        redis.StartAgain();
        await OwnTroubleAsync(node, trouble => trouble is null);
        await Rig.StopNodesAsync(); // While there is a Redis.
    }

    private static Task<string?> OwnTroubleAsync(Node node, Func<string?, bool> isWanted) => Until.AskAsync(
        async () => (await node.Parts!.Cluster.DescribeAsync(ownOnly: true)).Nodes[0].Trouble, isWanted,
        "the node says how it is with Redis");
}
