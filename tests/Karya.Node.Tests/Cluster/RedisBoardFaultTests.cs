using System.Diagnostics;
using Karya.LocalServers;
using Karya.Node.Cluster;
using Karya.Node.Tests.Joined;
using StackExchange.Redis;
using Xunit;

namespace Karya.Node.Tests.Cluster;

/// <summary>The board while its Redis, or the way there, is broken in every way that real ones break.</summary>
[Trait("Needs", "process")]
public sealed class RedisBoardFaultTests : IAsyncLifetime
{
    /// <summary>What a busy machine may add to the limit.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    private readonly RedisServer _server = RedisServer.Start();
    private readonly RedisBoardRig _rig;

    public RedisBoardFaultTests() => _rig = new RedisBoardRig(_server.Configuration, "main");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _server.Resume();
        await _rig.DisposeAsync();
        _server.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_server_that_is_not_there_is_no_error_and_all_come_back_by_themselves(bool inOrder)
    {
        var board = _rig.Add();
        await _rig.SeenAsync(board, "a", count: 1);
        if (inOrder)
            _server.Stop();
        else
            _server.Kill();
        await _rig.UnheardAsync(board);
        Assert.False(board.IsConnected);
        Assert.StartsWith("There is no connection to Redis (\"", board.Trouble);
        await NothingIsHeardInTimeAsync(board);
        board.WakeAll();
        var late = _rig.Add(); // It begins while nobody is there.
        await NothingIsHeardInTimeAsync(late);

        int woken = 0;
        board.Woken = () => Interlocked.Increment(ref woken);
        late.Woken = () => Interlocked.Add(ref woken, 1000);
        _server.StartAgain();
        await _rig.SeenAsync(late, "late", count: 1);
        await _rig.SeenAsync(board, "a", count: 2);
        Assert.Null(board.Trouble);
        await RedisBoardRig.WokenAsync(
            board, () => Math.Min(Volatile.Read(ref woken) % 1000, Volatile.Read(ref woken) / 1000), count: 1);
    }

    [Fact]
    public async Task A_server_that_sleeps_is_not_waited_for_however_long_it_does()
    {
        var board = _rig.Add();
        int woken = 0;
        board.Woken = () => Interlocked.Increment(ref woken);
        await _rig.SeenAsync(board, "a", count: 1);

        _server.Pause();
        var watch = Stopwatch.StartNew();
        var many = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => _rig.BeatAsync(board, "a")));
        Assert.All(many, Assert.Null);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, RedisBoardRig.AnswerMax + Slack);
        Assert.Equal(
            "Redis did not answer within 300 ms, so that no partition is moved to a node that has too few.",
            board.Trouble);
        await Until.AskAsync(
            async () =>
            {
                await NothingIsHeardInTimeAsync(board);
                return board.IsConnected;
            },
            isConnected => !isConnected, "the silent connection is given up");

        _server.Resume();
        await _rig.SeenAsync(board, "a", count: 1);
        await RedisBoardRig.WokenAsync(board, () => Volatile.Read(ref woken), count: 1);
        Assert.Equal(2, _rig.Logged.Count); // It began, it is over.
    }

    [Fact]
    public async Task After_a_flush_only_what_was_written_since_is_seen()
    {
        var first = _rig.Add();
        var second = _rig.Add();
        await _rig.SeenAsync(second, "b", count: 1);
        await _rig.SeenAsync(first, "a", count: 2);

        _server.Ask("FLUSHALL");
        _server.Ask("SCRIPT FLUSH");

        Assert.Equal("a", Assert.Single(await _rig.SeenAsync(first, "a", count: 1)).Name);
    }

    [Fact]
    public async Task Connections_that_are_cut_are_made_again()
    {
        using var proxy = new CuttingProxy(_server.Host, _server.Port);
        var board = _rig.Add($"127.0.0.1:{proxy.Port}");
        int woken = 0;
        board.Woken = () => Interlocked.Increment(ref woken);
        await _rig.SeenAsync(board, "a", count: 1);

        proxy.RefuseNew();
        proxy.DropAll();
        await _rig.UnheardAsync(board);
        Assert.False(board.IsConnected);
        proxy.ReleaseAll();
        await _rig.SeenAsync(board, "a", count: 1);
        await RedisBoardRig.WokenAsync(board, () => Volatile.Read(ref woken), count: 1);
    }

    [Fact]
    public async Task A_network_that_swallows_only_wake_ups_is_noticed()
    {
        using var proxy = new CuttingProxy(_server.Host, _server.Port);
        var board = _rig.Add($"127.0.0.1:{proxy.Port}");
        int woken = 0;
        board.Woken = () => Interlocked.Increment(ref woken);
        await _rig.SeenAsync(board, "a", count: 1);
        await RedisBoardRig.WokenAsync(board, () => Volatile.Read(ref woken), count: 1);

        proxy.Connections[^1].HoldServer();
        int before = Volatile.Read(ref woken);
        await Until.AskAsync(
            async () =>
            {
                board.WakeAll();
                await _rig.BeatAsync(board, "a");
                return Volatile.Read(ref woken);
            },
            now => now > before, "it is woken, which takes another connection");
    }

    [Fact]
    public async Task A_server_that_is_a_replica_is_of_no_use_and_says_why()
    {
        var board = _rig.Add();
        await _rig.SeenAsync(board, "a", count: 1);

        _server.Ask("REPLICAOF 127.0.0.1 1");
        await _rig.UnheardAsync(board);
        Assert.StartsWith("Redis refuses heartbeats (\"READONLY ", board.Trouble);
        board.WakeAll();
        _server.Ask("REPLICAOF NO ONE");

        await _rig.SeenAsync(board, "a", count: 1);
        Assert.Null(board.Trouble);
    }

    [Fact]
    public async Task A_password_that_is_wrong_is_trouble_and_once_it_is_right_all_is_well()
    {
        await using var admin = await ConnectionMultiplexer.ConnectAsync($"{_server.Configuration},allowAdmin=true");
        await admin.GetDatabase().ExecuteAsync("CONFIG", "SET", "requirepass", "secret");
        var board = _rig.Add();

        await Until.AskAsync(
            async () =>
            {
                await NothingIsHeardInTimeAsync(board);
                return board.Trouble;
            },
            trouble => trouble is not null, "the board says that something is wrong");
        Assert.StartsWith("There is no connection to Redis (\"", board.Trouble);
        await admin.GetDatabase().ExecuteAsync("CONFIG", "SET", "requirepass", "");

        await _rig.SeenAsync(board, "a", count: 1);
        Assert.Equal("Redis answers again.", _rig.Logged.Last());
    }

    [Fact]
    public async Task A_board_that_has_ended_neither_hears_nor_throws()
    {
        var board = new RedisBoard(_server.Configuration, "main", _rig, RedisBoardRig.AnswerMax);
        await _rig.SeenAsync(board, "a", count: 1);

        await board.DisposeAsync();

        await NothingIsHeardInTimeAsync(board);
        board.WakeAll();
    }

    [Fact]
    public async Task A_board_ends_in_time_also_while_nobody_answers()
    {
        var board = new RedisBoard(_server.Configuration, "main", _rig, RedisBoardRig.AnswerMax);
        await _rig.SeenAsync(board, "a", count: 1);
        _server.Pause();
        await NothingIsHeardInTimeAsync(board);

        await board.DisposeAsync().AsTask().WaitAsync(
            RedisBoardRig.AnswerMax + Slack, TestContext.Current.CancellationToken);
    }

    private async Task NothingIsHeardInTimeAsync(RedisBoard board)
    {
        var watch = Stopwatch.StartNew();
        Assert.Null(await _rig.BeatAsync(board, "a"));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, RedisBoardRig.AnswerMax + Slack);
    }
}
