using Xunit;

namespace Karya.LocalServers.Tests;

[Trait("Needs", "process")]
public sealed class RedisServerTests
{
    [Fact]
    public void A_killed_server_starts_again_on_its_port_and_is_empty()
    {
        using var server = RedisServer.Start();
        Assert.Equal("+OK", server.Ask("SET a 1"));
        int port = server.Port;
        server.Kill();
        server.StartAgain();
        Assert.Equal((port, "$-1"), (server.Port, server.Ask("GET a")));
    }

    [Fact]
    public void A_disposed_server_leaves_nothing_behind()
    {
        string before = string.Join(',', Folders());
        RedisServer.Start().Dispose();
        Assert.Equal(before, string.Join(',', Folders()));

        static IEnumerable<string> Folders() =>
            Directory.EnumerateDirectories(Path.GetTempPath(), "karya-redis-*").Where(Directory.Exists);
    }

    [Fact]
    public async Task A_paused_server_is_silent_until_it_goes_on()
    {
        using var server = RedisServer.Start();
        server.Pause();
        var asked = Task.Run(() => server.Ask("PING"), TestContext.Current.CancellationToken);
        Assert.False(asked.IsCompleted);
        server.Resume();
        Assert.Equal("+PONG", await asked);
    }

    [Fact]
    public void What_to_install_is_said_when_there_is_none()
    {
        string nowhere = Path.Combine(Path.GetTempPath(), "karya-nowhere");
        Assert.Contains(
            "apt-get install redis-server",
            Assert.Throws<InvalidOperationException>(() => RedisServer.FindBinary(null, nowhere)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            nowhere,
            Assert.Throws<InvalidOperationException>(() => RedisServer.FindBinary(nowhere, null)).Message,
            StringComparison.Ordinal);
    }
}
