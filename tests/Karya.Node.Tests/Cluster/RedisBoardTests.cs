using Karya.LocalServers;
using Karya.Node.Cluster;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;
using Xunit;

namespace Karya.Node.Tests.Cluster;

/// <summary>The board in a real Redis that works.</summary>
[Trait("Needs", "process")]
public sealed class RedisBoardTests : IAsyncLifetime
{
    private static readonly string Configuration = RedisServer.Shared.Configuration;

    private readonly RedisBoardRig _rig = NewRig();
    private ConnectionMultiplexer _redis = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _redis = await ConnectionMultiplexer.ConnectAsync(Configuration);

    public async ValueTask DisposeAsync()
    {
        await _rig.DisposeAsync();
        await _redis.GetDatabase().KeyDeleteAsync(_rig.BeatsKey);
        await _redis.DisposeAsync();
    }

    [Fact]
    public async Task Nodes_see_what_each_of_them_wrote_last()
    {
        var first = _rig.Add();
        var second = _rig.Add();
        await _rig.SeenAsync(first, "a", count: 1);
        var mine = new Heartbeat("b/c", "1f", 7, 3, CanOwn: false, IsDraining: true);
        await Until.AskAsync(
            async () => await second.BeatAsync(mine, Stopping), seen => seen is not null, "the second node is there");

        Assert.Contains(mine, await _rig.SeenAsync(first, "a", count: 2));
        await second.BeatAsync(mine with { Counter = long.MaxValue }, Stopping);
        var last = await _rig.SeenAsync(first, "a", count: 2);

        Assert.Contains(mine with { Counter = long.MaxValue }, last);
        Assert.Equal(_rig.Beat("a").Counter - 1, last.Single(beat => beat.Name == "a").Counter);
        Assert.Null(first.Trouble);
        Assert.Empty(_rig.Logged);
    }

    [Fact]
    public async Task A_beat_can_be_read_by_a_human()
    {
        var board = _rig.Add();
        var beat = new Heartbeat("a", "1f", 12, 3, CanOwn: true, IsDraining: false);
        await Until.AskAsync(
            async () => await board.BeatAsync(beat, Stopping), seen => seen is not null, "the node is there");

        string? text = await _redis.GetDatabase().HashGetAsync(_rig.BeatsKey, "a/1f");

        Assert.Matches("^[0-9]{10} 1 12 3 1 0$", text);
    }

    [Fact]
    public async Task A_wake_up_reaches_all()
    {
        var first = _rig.Add();
        var second = _rig.Add();
        int woken = 0;
        first.Woken = () => Interlocked.Increment(ref woken);
        second.Woken = () => Interlocked.Add(ref woken, 1000);
        await _rig.SeenAsync(first, "a", count: 1);
        await _rig.SeenAsync(second, "b", count: 2);
        await Until.TrueAsync(
            () =>
            {
                first.WakeAll();
                return Volatile.Read(ref woken) is var now && now % 1000 > 0 && now > 1000;
            },
            "both are woken");
    }

    [Fact]
    public async Task However_many_wake_ups_come_while_one_is_heard_the_next_is_one()
    {
        const int Many = 1000;
        var board = _rig.Add();
        var gate = new ManualResetEventSlim(); // Not disposed: the last wake-up may be heard after the test.
        int woken = 0, running = 0, runningMax = 0, arrived = 0;
        board.Woken = () =>
        {
            runningMax = Math.Max(runningMax, Interlocked.Increment(ref running));
            Interlocked.Increment(ref woken);
            gate.Wait(TimeSpan.FromSeconds(30), CancellationToken.None);
            Interlocked.Decrement(ref running);
        };
        var channel = RedisChannel.Literal(_rig.BeatsKey.Replace(":beats", ":wake", StringComparison.Ordinal));
        await _redis.GetSubscriber().SubscribeAsync(channel, (_, _) => Interlocked.Increment(ref arrived));
        await _rig.SeenAsync(board, "a", count: 1);
        await RedisBoardRig.WokenAsync(board, () => Volatile.Read(ref woken), count: 1);

        for (int i = 0; i < Many; i++)
            board.WakeAll();
        await Until.TrueAsync(() => Volatile.Read(ref arrived) > Many, "all wake-ups arrive somewhere else");
        Assert.Equal(1, Volatile.Read(ref woken));
        gate.Set();
        await Until.TrueAsync(() => Volatile.Read(ref woken) > 1, "the board is woken again");
        await Until.TrueAsync(() => Volatile.Read(ref running) == 0, "it has heard");

        Assert.Equal(1, runningMax);
        Assert.InRange(Volatile.Read(ref woken), 2, Many / 2); // Two, unless this process was slow to hear them.
    }

    [Fact]
    public async Task What_is_no_heartbeat_is_passed_over_and_said_once()
    {
        var board = _rig.Add();
        await _rig.SeenAsync(board, "a", count: 1);
        string[] garbage =
        [
            "", "x", "9999999999 2 1 1 1 0", "9999999999 1 1 0 1 0", "9999999999 1 -1 1 1 0", "9999999999 1 1 1 2 0",
            "9999999999 1 1 1 1 0 0", "9999999999 1  1 1 1 0", "9999999999 1 1 2147483648 1 0",
        ];
        foreach (string text in garbage)
            await PutAsync($"garbage/{text}", text);
        foreach (string field in (string[])["noslash", "/1", "b/"])
            await PutAsync(field, "9999999999 1 1 1 1 0");

        for (int looks = 0; looks < 3; looks++)
            Assert.Equal("a", Assert.Single(await _rig.SeenAsync(board, "a", count: 1)).Name);

        Assert.Contains(_rig.BeatsKey, Assert.Single(_rig.Logged), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_written_more_than_an_hour_ago_is_dropped()
    {
        var board = _rig.Add();
        await _rig.SeenAsync(board, "a", count: 1);
        long now = new DateTimeOffset(await _redis.GetServers()[0].TimeAsync()).ToUnixTimeSeconds();
        await PutAsync("old/1", $"{now - 3700} 1 5 1 1 0");
        await PutAsync("quiet/1", $"{now - 3000} 1 5 1 1 0");

        await BeatAsync();
        Assert.Equal(["a", "quiet"], (await BeatAsync()).Select(beat => beat.Name).Order());
        Assert.Equal(2, await _redis.GetDatabase().HashLengthAsync(_rig.BeatsKey));

        Task<IReadOnlyList<Heartbeat>> BeatAsync() => Until.AskAsync(
            async () => (await _rig.BeatAsync(board, "a"))!, seen => seen is not null, "the board answers");
    }

    [Fact]
    public async Task Clusters_of_other_names_do_not_see_each_other()
    {
        await using var others = NewRig();
        var here = _rig.Add();
        var there = others.Add();
        int woken = 0;
        there.Woken = () => Interlocked.Increment(ref woken);
        here.Woken = () => Interlocked.Add(ref woken, 1000);

        await _rig.SeenAsync(here, "a", count: 1);
        await others.SeenAsync(there, "b", count: 1);
        await _rig.SeenAsync(here, "a", count: 1);
        await RedisBoardRig.WokenAsync(here, () => Volatile.Read(ref woken), count: 1000);

        Assert.Equal(0, woken % 1000);
        await _redis.GetDatabase().KeyDeleteAsync(others.BeatsKey);
    }

    [Fact]
    public async Task A_beat_that_is_no_longer_wanted_is_no_trouble()
    {
        var board = _rig.Add();
        await _rig.SeenAsync(board, "a", count: 1);

        Assert.Null(await board.BeatAsync(_rig.Beat("a"), new CancellationToken(canceled: true)));
        Assert.Null(board.Trouble);
    }

    [Theory]
    [InlineData("")]
    [InlineData(",")]
    [InlineData("password=x")]
    [InlineData("127.0.0.1:99999")]
    [InlineData("127.0.0.1:6379,nosuch=1")]
    public void A_configuration_that_makes_no_sense_is_refused_at_once(string configuration) =>
        Assert.ThrowsAny<ArgumentException>(() => new RedisBoard(configuration, "main", NullLogger.Instance));

    private static RedisBoardRig NewRig() => new(Configuration, $"test-{Guid.NewGuid():n}");

    private Task<bool> PutAsync(string field, string text) =>
        _redis.GetDatabase().HashSetAsync(_rig.BeatsKey, field, text);
}
