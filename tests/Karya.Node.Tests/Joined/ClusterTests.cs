using Karya.LocalServers;
using Karya.Node.Cluster;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Several whole nodes on one Postgres, which share the work.</summary>
[Trait("Needs", "process")]
public sealed class ClusterTests(ITestOutputHelper output) : ClusterTest
{
    [Fact]
    public async Task A_node_that_joins_takes_its_part_while_work_goes_on_and_nothing_is_lost_or_repeated()
    {
        var (first, firstStore) = await StartAsync("a");
        await OwnsAsync(firstStore, All);
        await Rig.AddAnnAsync(first);
        await using var load = new ClusterLoad(Rig, first);

        var (second, secondStore) = await StartAsync("b");
        await OwnsAsync(secondStore, All / 2);
        await OwnsAsync(firstStore, All / 2);
        load.Add(second);
        await load.MoreAsync(100);
        await load.StopAsync();
        Assert.Equal(All / 2, await PostgresRig.GaugeAsync(second, "karya_partitions"));

        await load.AllRanOnceAsync();
        Assert.Equal(0, load.Refused);
        output.WriteLine(load.Describe("a node joins"));
    }

    [Fact]
    public async Task A_node_that_stops_in_order_leaves_its_part_to_the_others_and_nothing_is_lost_or_repeated()
    {
        var (first, firstStore, second, secondStore) = await StartTwoAsync();
        await Rig.AddAnnAsync(first);
        await using var load = new ClusterLoad(Rig, second);
        await load.MoreAsync(50);

        await first.StopAsync();
        Assert.Equal(0, firstStore.Owned.Count);
        await OwnsAsync(secondStore, All);
        await load.MoreAsync(50);
        await load.StopAsync();

        await load.AllRanOnceAsync();
        Assert.Equal(0, load.Refused);
        output.WriteLine(load.Describe("a node stops"));
    }

    [Fact]
    public async Task What_a_node_had_that_is_cut_off_from_the_database_goes_on_elsewhere_and_it_comes_back_by_itself()
    {
        var (first, firstStore, second, secondStore) = await StartTwoAsync(firstThroughProxy: true);
        await Rig.AddAnnAsync(second);
        await using var load = new ClusterLoad(Rig, second);
        var early = await first.Desk.SubmitAsync(Rig.Draft(2500, "/early"), Stopping);

        Rig.Proxy.RefuseNew();
        Rig.Proxy.DropAll();
        await OwnsAsync(secondStore, All);
        await Until.TrueAsync(
            () => Rig.Calls.Any(call => call.Plan == early.Id.ToString()), "the plan of the other node runs");
        Assert.Contains("lease has run out", await PostgresRig.NotReadyAsync(first), StringComparison.Ordinal);

        Rig.Proxy.ReleaseAll();
        await OwnsAsync(firstStore, All / 2);
        await OwnsAsync(secondStore, All / 2);
        Assert.False(first.Failed.IsCompleted);
        load.Add(first);
        await load.MoreAsync(50);
        await load.StopAsync();
        await load.AllRanOnceAsync();
        Assert.Single(Rig.Calls, call => call.Plan == early.Id.ToString());
        output.WriteLine(load.Describe("a node is cut off"));
    }

    [Fact]
    public async Task Every_node_knows_where_each_partition_is()
    {
        var (first, firstStore, second, secondStore) = await StartTwoAsync();

        foreach (var node in (Node[])[first, second])
        {
            await Until.TrueAsync(() => IsMapTrue(node.Parts!.Map()), "the map is as the partitions are");
            Assert.Equal(2, node.Parts!.Map().Nodes.Count);
        }

        Assert.Equal(first.Parts!.Map().Version, second.Parts!.Map().Version);

        bool IsMapTrue(PartitionMap map) => Enumerable.Range(0, All).All(partition =>
            (firstStore.Owned.EpochOf(partition) > 0 ? first : second).Addresses.Tcp.Port
                == map.Nodes[map.Owners[partition]].Port);
    }

    [Fact]
    public async Task Without_aBoard_work_goes_on_and_nothing_moves()
    {
        var (first, firstStore) = await StartAsync("a");
        await OwnsAsync(firstStore, All);
        await Rig.AddAnnAsync(first);
        await using var load = new ClusterLoad(Rig, first);
        Board.IsDown = true;

        var (_, secondStore) = await StartAsync("b");
        await load.MoreAsync(100);
        await load.StopAsync();

        Assert.Equal((All, 0), (firstStore.Owned.Count, secondStore.Owned.Count));
        await load.AllRanOnceAsync();
    }

    [Fact]
    public async Task While_redis_is_away_work_goes_on_and_afterwards_nodes_may_join_again()
    {
        using var redis = RedisServer.Start();
        await using var boards = new RedisBoards(redis);
        var (first, firstStore) = await StartAsync(boards.Add(), "a");
        var (second, secondStore) = await StartAsync(boards.Add(), "b");
        await OwnsAsync(firstStore, All / 2);
        await OwnsAsync(secondStore, All / 2);
        await Rig.AddAnnAsync(first);
        await using var load = new ClusterLoad(Rig, first);
        load.Add(second);

        redis.Kill();
        await load.MoreAsync(200);
        Assert.Equal((All / 2, All / 2), (firstStore.Owned.Count, secondStore.Owned.Count));
        Assert.Equal(200, (await PostgresRig.HttpAsync(first, "/readyz")).Status);
        redis.StartAgain();
        var (_, thirdStore) = await StartAsync(boards.Add(), "c");
        await Until.TrueAsync(() => thirdStore.Owned.Count >= All / 3, "the third node has its part");
        await load.MoreAsync(50);
        await load.StopAsync();

        await load.AllRanOnceAsync();
        output.WriteLine(load.Describe("Redis is away"));
        await Rig.StopNodesAsync(); // While there is a Redis.
    }

    [Fact]
    public async Task Nodes_that_are_told_of_a_redis_find_each_other_and_are_reached_where_they_say()
    {
        var server = RedisServer.Shared;
        var first = Rig.NewConfigured(new() { Redis = server.Configuration, Node = "a", Advertise = "localhost" });
        await first.StartAsync(Stopping);
        var second = Rig.NewConfigured(new() { Redis = server.Configuration, Node = "b" });
        await second.StartAsync(Stopping);

        string[] hosts = ["127.0.0.1", "localhost"];
        foreach (var node in (Node[])[first, second])
        {
            var map = await Until.AskAsync(
                () => ValueTask.FromResult(node.Parts!.Map()),
                map => map.Nodes.Count == 2 && map.Owners.Count(owner => owner == 0) == All / 2,
                "both know that each has its half");
            Assert.Equal(hosts, map.Nodes.Select(one => one.Host).Order());
        }

        await Rig.AddAnnAsync(first);
        var plan = await first.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping);
        Assert.Equal(plan.Id, (await second.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.Id);
    }

    /// <summary>Boards of nodes, which end after them.</summary>
    private sealed class RedisBoards(RedisServer server) : IAsyncDisposable
    {
        private readonly List<RedisBoard> _all = [];

        public RedisBoard Add()
        {
            _all.Add(new RedisBoard(
                server.Configuration, "main", NullLogger.Instance, TimeSpan.FromMilliseconds(500)));
            return _all[^1];
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var board in _all)
                await board.DisposeAsync();
        }
    }
}
