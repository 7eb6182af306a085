using Karya.LocalServers;
using Karya.Node.Cluster;
using Karya.Node.Tests.Joined;
using StackExchange.Redis;
using Xunit;

namespace Karya.Node.Tests.Cluster;

/// <summary>The board against a real Redis, whole and broken.</summary>
[Trait("Needs", "process")]
public sealed class RedisBoardTests : IAsyncLifetime
{
    private static readonly TimeSpan AnswerMax = TimeSpan.FromMilliseconds(500);

    private readonly RedisServer _server = RedisServer.Start();
    private readonly List<RedisBoard> _boards = [];
    private long _counter;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _server.Resume();
        foreach (var board in _boards)
            await board.DisposeAsync();
        _server.Dispose();
    }

    [Fact]
    public async Task Nodes_see_what_each_of_them_wrote_last()
    {
        var first = NewBoard();
        var second = NewBoard();
        await SeenAsync(first, "a", count: 1);
        var mine = new Heartbeat("b/c", "1f", 7, 3, CanOwn: false, IsDraining: true);
        await Until.AskAsync(
            async () => await second.BeatAsync(mine, Stopping), seen => seen is not null, "the second node is there");
        await second.BeatAsync(mine with { Counter = 8 }, Stopping);

        var seen = await SeenAsync(first, "a", count: 2);
        Assert.Equal(mine with { Counter = 8 }, seen.Single(beat => beat.Name == "b/c"));
        Assert.Equal(Beat("a").Counter - 1, seen.Single(beat => beat.Name == "a").Counter);
    }

    [Fact]
    public async Task A_wake_up_reaches_all()
    {
        var first = NewBoard();
        var second = NewBoard();
        int woken = 0;
        first.Woken = () => Interlocked.Increment(ref woken);
        second.Woken = () => Interlocked.Add(ref woken, 1000);
        await SeenAsync(first, "a", count: 1);
        await SeenAsync(second, "b", count: 2);
        await Until.TrueAsync(
            () =>
            {
                first.WakeAll();
                return Volatile.Read(ref woken) is var now && now % 1000 > 0 && now > 1000;
            },
            "both are woken");
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_no_error_and_comes_back_by_itself()
    {
        var board = NewBoard();
        await SeenAsync(board, "a", count: 1);
        _server.Kill();
        await UnheardAsync(board);
        Assert.False(board.IsConnected);
        board.WakeAll();

        var late = NewBoard(); // It begins while nobody is there.
        Assert.Null(await late.BeatAsync(Beat("late"), Stopping));
        _server.StartAgain();
        await SeenAsync(late, "late", count: 1);
        await SeenAsync(board, "a", count: 2);
    }

    [Fact]
    public async Task Wake_ups_are_heard_again_after_the_server_was_away()
    {
        var board = NewBoard();
        int woken = 0;
        board.Woken = () => Interlocked.Increment(ref woken);
        await SeenAsync(board, "a", count: 1);
        _server.Kill();
        await UnheardAsync(board);
        _server.StartAgain();
        await SeenAsync(board, "a", count: 1);
        await Until.TrueAsync(
            () =>
            {
                board.WakeAll();
                return Volatile.Read(ref woken) > 0;
            },
            "it is woken");
    }

    [Fact]
    public async Task A_server_that_sleeps_is_not_waited_for()
    {
        var board = NewBoard();
        await SeenAsync(board, "a", count: 1);
        _server.Pause();
        await UnheardAsync(board);
        _server.Resume();
        await SeenAsync(board, "a", count: 1);
    }

    [Fact]
    public async Task After_a_flush_only_what_was_written_since_is_seen()
    {
        var first = NewBoard();
        var second = NewBoard();
        await SeenAsync(second, "b", count: 1);
        await SeenAsync(first, "a", count: 2);
        _server.Ask("FLUSHALL");
        Assert.Equal("a", Assert.Single(await SeenAsync(first, "a", count: 1)).Name);
    }

    [Fact]
    public async Task What_is_no_heartbeat_is_passed_over_and_what_is_old_is_dropped()
    {
        var board = NewBoard();
        await SeenAsync(board, "a", count: 1);
        using var other = await ConnectionMultiplexer.ConnectAsync(_server.Configuration);
        var database = other.GetDatabase();
        const string Key = "{karya:main}:beats";
        foreach (string garbage in (string[])["", "x", "9999999999 2 1 1 1 0", "9999999999 1 1 0 1 0",
            "9999999999 1 -1 1 1 0", "9999999999 1 1 1 2 0", "9999999999 1 1 1 1 0 0"])
        {
            await database.HashSetAsync(Key, $"garbage/{garbage}", garbage);
        }

        await database.HashSetAsync(Key, "noslash", "9999999999 1 1 1 1 0");
        await database.HashSetAsync(Key, "old/1", "1700000000 1 5 1 1 0");

        Assert.Equal(["a", "old"], (await SeenAsync(board, "a", count: 2)).Select(beat => beat.Name).Order());
        Assert.Equal(["a"], (await SeenAsync(board, "a", count: 1)).Select(beat => beat.Name));
        Assert.Equal(9, await database.HashLengthAsync(Key));
    }

    [Fact]
    public async Task Clusters_of_other_names_do_not_see_each_other()
    {
        var here = NewBoard();
        var there = NewBoard("other");
        await SeenAsync(here, "a", count: 1);
        await SeenAsync(there, "b", count: 1);
        await SeenAsync(here, "a", count: 1);
    }

    private RedisBoard NewBoard(string cluster = "main")
    {
        var board = new RedisBoard(_server.Configuration, cluster, AnswerMax);
        _boards.Add(board);
        return board;
    }

    private Heartbeat Beat(string name) => new(name, "1", ++_counter, 1, CanOwn: true, IsDraining: false);

    /// <summary>Waits until a node sees that many.</summary>
    private Task<IReadOnlyList<Heartbeat>> SeenAsync(RedisBoard board, string name, int count) => Until.AskAsync(
        async () => await board.BeatAsync(Beat(name), Stopping) ?? [], seen => seen.Count == count,
        $"{name} sees {count} heartbeats");

    private Task<IReadOnlyList<Heartbeat>?> UnheardAsync(RedisBoard board) => Until.AskAsync(
        async () => await board.BeatAsync(Beat("a"), Stopping), seen => seen is null, "nothing is heard");
}
