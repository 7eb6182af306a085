using Xunit;

namespace Karya.LocalServers.Tests;

[Trait("Needs", "process")]
public sealed class RedisServerTests
{
    [Fact]
    public void A_started_server_answers_and_keeps_nothing_on_disk()
    {
        using var server = RedisServer.Start();

        Assert.Equal("+PONG", server.Ask("PING"));
        Assert.Equal("+OK", server.Ask("SET a 1"));
        Assert.Equal("$1", server.Ask("GET a"));
        Assert.Equal($"127.0.0.1:{server.Port}", server.Configuration);
        server.Stop();
        Assert.Equal("redis.log", Path.GetFileName(Assert.Single(Directory.GetFiles(server.DataDirectory))));
    }

    [Fact]
    public void The_process_that_was_started_is_the_server_itself()
    {
        using var server = RedisServer.Start();

        Assert.Contains($"pid={server.ProcessId}", server.LogText);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_server_that_was_stopped_or_killed_starts_again_on_its_port_and_is_empty(bool inOrder)
    {
        using var server = RedisServer.Start();
        var (port, process) = (server.Port, server.ProcessId);
        server.Ask("SET a 1");

        if (inOrder)
            server.Stop();
        else
            server.Kill();
        Assert.False(ProcessTree.IsAlive(process));
        server.StartAgain();

        Assert.Equal((port, "$-1"), (server.Port, server.Ask("GET a")));
    }

    [Fact]
    public void A_disposed_server_leaves_no_process_and_no_folder()
    {
        var server = RedisServer.Start();
        int process = server.ProcessId;
        Assert.True(Directory.Exists(server.DataDirectory));

        server.Dispose();

        Assert.False(ProcessTree.IsAlive(process));
        Assert.False(Directory.Exists(server.DataDirectory));
    }

    [Fact]
    public async Task A_paused_server_answers_when_it_resumes()
    {
        using var server = RedisServer.Start();

        server.Pause();
        var answer = Task.Run(() => server.Ask("PING"), TestContext.Current.CancellationToken);
        Assert.False(answer.IsCompleted);
        server.Resume();

        Assert.Equal("+PONG", await answer);
    }

    [Fact]
    public void A_paused_server_can_be_stopped_killed_and_disposed()
    {
        var server = RedisServer.Start();

        server.Pause();
        server.Stop();
        server.StartAgain();
        server.Pause();
        server.Kill();
        server.StartAgain();
        int process = server.ProcessId;
        server.Pause();
        server.Dispose();

        Assert.False(ProcessTree.IsAlive(process));
        Assert.False(Directory.Exists(server.DataDirectory));
    }

    [Fact]
    public void A_server_that_is_not_running_says_so()
    {
        using var server = RedisServer.Start();
        Assert.Throws<InvalidOperationException>(server.StartAgain);
        server.Stop();

        Assert.Throws<InvalidOperationException>(server.Kill);
        Assert.Throws<InvalidOperationException>(server.Pause);
        Assert.Throws<InvalidOperationException>(server.Stop);
        Assert.Throws<InvalidOperationException>(() => server.Ask("PING"));
    }

    [Fact]
    public void Everybody_in_a_process_shares_one_server()
    {
        Assert.Same(RedisServer.Shared, RedisServer.Shared);
        Assert.NotEmpty(RedisServer.Shared.Configuration);
    }

    [Fact]
    public void A_server_is_killed_when_its_starter_is() =>
        Starter.IsFollowedByItsServer(nameof(A_starter_of_redis_waits_to_be_killed));

    /// <summary>Runs in a process of its own only, started by the test above.</summary>
    [Fact(Explicit = true)]
    public void A_starter_of_redis_waits_to_be_killed()
    {
        var server = RedisServer.Start();
        Starter.WaitToBeKilled(server.DataDirectory, [server.ProcessId]);
    }
}
