using System.Text.RegularExpressions;
using Npgsql;
using Xunit;

namespace Karya.LocalServers.Tests;

[Trait("Needs", "process")]
public sealed class PostgresServerTests
{
    [Fact]
    public void A_server_keeps_what_it_committed_by_real_settings_and_takes_those_of_the_caller()
    {
        using var server = PostgresServer.Start(("max_connections", "17"), ("application_name", "with space"));

        Assert.Equal("on", Ask(server, "SHOW fsync"));
        Assert.Equal("on", Ask(server, "SHOW synchronous_commit"));
        Assert.Equal("on", Ask(server, "SHOW full_page_writes"));
        Assert.Equal("17", Ask(server, "SHOW max_connections"));
        Assert.Equal(server.DataDirectory, Ask(server, "SHOW data_directory"));
        Assert.Equal("UTF8", Ask(server, "SHOW server_encoding"));
        Assert.Contains("ready to accept connections", server.LogText);
    }

    [Fact]
    public void The_process_that_was_started_is_the_server_itself()
    {
        using var server = PostgresServer.Start();

        string postmaster = File.ReadLines(Path.Combine(server.DataDirectory, "postmaster.pid")).First();

        Assert.Equal(server.ProcessId.ToString(), postmaster);
    }

    [Fact]
    public void A_disposed_server_leaves_no_process_no_directory_and_no_shared_memory()
    {
        var server = PostgresServer.Start();
        using var connection = Open(server);
        var tree = Tree(server);
        Assert.True(tree.Count > 3, "The postmaster, a few of its own, and our session.");
        var memory = SharedMemory.Of(tree);
        Assert.NotEmpty(memory.Segments);
        Assert.NotEmpty(memory.Files);

        server.Dispose();

        Assert.DoesNotContain(tree, ProcessTree.IsAlive);
        Assert.False(Directory.Exists(Path.GetDirectoryName(server.DataDirectory)));
        Assert.False(IsLeft(memory));
    }

    [Fact]
    public void A_killed_server_leaves_nothing_either()
    {
        var server = PostgresServer.Start();
        var tree = Tree(server);
        var memory = SharedMemory.Of(tree);

        server.Kill();
        Assert.DoesNotContain(tree, ProcessTree.IsAlive);
        server.Dispose();

        Assert.False(Directory.Exists(Path.GetDirectoryName(server.DataDirectory)));
        Assert.False(IsLeft(memory));
    }

    [Fact]
    public void Committed_rows_survive_a_kill_under_load_and_others_do_not()
    {
        using var server = PostgresServer.Start();
        Ask(server, "CREATE TABLE life (id int)");
        int port = server.Port;

        for (int round = 1; round <= 3; round++)
        {
            Ask(server, $"INSERT INTO life VALUES ({round})");
            using var open = Open(server);
            Ask(open, "BEGIN");
            Ask(open, "INSERT INTO life VALUES (1000)");
            var tree = Tree(server);

            server.Kill();

            Assert.DoesNotContain(tree, ProcessTree.IsAlive);
            Assert.ThrowsAny<NpgsqlException>(() => Ask(open, "COMMIT"));
            server.StartAgain();
            Assert.Equal(port, server.Port);
            Assert.Equal($"{round}", Ask(server, "SELECT count(*)::text FROM life"));
        }
    }

    [Theory]
    [InlineData(PostgresStop.Fast, "database system was shut down at")]
    [InlineData(PostgresStop.Immediate, "database system was not properly shut down")]
    public void A_stopped_server_starts_again_on_its_data(PostgresStop mode, string said)
    {
        using var server = PostgresServer.Start();
        Ask(server, "CREATE TABLE life (id int)");
        using var session = Open(server);
        int before = server.LogText.Length;

        server.Stop(mode);
        Assert.Throws<InvalidOperationException>(() => server.ProcessId);
        server.StartAgain();

        Assert.Contains(said, server.LogText[before..]);
        Assert.Equal("0", Ask(server, "SELECT count(*)::text FROM life"));
    }

    [Fact]
    public async Task A_paused_server_answers_when_it_resumes()
    {
        using var server = PostgresServer.Start();
        await using var session = Open(server);
        await using var question = new NpgsqlCommand("SELECT 'late'", session);

        server.Pause();
        var answer = question.ExecuteScalarAsync(TestContext.Current.CancellationToken);
        Assert.False(answer.IsCompleted);
        server.Resume();

        Assert.Equal("late", await answer);
    }

    [Fact]
    public void A_paused_server_can_be_stopped_killed_and_disposed()
    {
        var server = PostgresServer.Start();
        var tree = Tree(server);

        server.Pause();
        server.Stop(PostgresStop.Fast);
        server.StartAgain();
        server.Pause();
        server.Kill();
        server.StartAgain();
        server.Pause();
        server.Dispose();

        Assert.DoesNotContain(tree, ProcessTree.IsAlive);
        Assert.False(Directory.Exists(Path.GetDirectoryName(server.DataDirectory)));
    }

    [Fact]
    public void A_server_that_cannot_start_says_why_and_leaves_nothing()
    {
        var failure = Assert.Throws<InvalidOperationException>(
            () => PostgresServer.Start(("hba_file", "no-such-file")));

        var named = Regex.Match(failure.Message, "could not open .+ \"(?<folder>/.+)/no-such-file\"");
        Assert.True(named.Success, failure.Message);
        Assert.False(Directory.Exists(named.Groups["folder"].Value));
    }

    [Fact]
    public void A_server_that_is_not_running_says_so()
    {
        using var server = PostgresServer.Start();
        Assert.Throws<InvalidOperationException>(server.StartAgain);
        server.Stop(PostgresStop.Immediate);

        Assert.Throws<InvalidOperationException>(server.Kill);
        Assert.Throws<InvalidOperationException>(server.Pause);
        Assert.Throws<InvalidOperationException>(() => server.Stop(PostgresStop.Fast));
    }

    [Fact]
    public void Everybody_in_a_process_shares_one_server()
    {
        Assert.Same(PostgresServer.Shared, PostgresServer.Shared);
        using var connection = Open(PostgresServer.Shared);
        Assert.Equal("1", Ask(connection, "SELECT '1'"));
    }

    [Fact]
    public void A_server_stops_when_its_starter_is_killed() =>
        Starter.IsFollowedByItsServer(nameof(A_starter_of_postgres_waits_to_be_killed));

    /// <summary>Runs in a process of its own only, started by the test above.</summary>
    [Fact(Explicit = true)]
    public void A_starter_of_postgres_waits_to_be_killed()
    {
        var server = PostgresServer.Start();
        Starter.WaitToBeKilled(Path.GetDirectoryName(server.DataDirectory)!, Tree(server));
    }

    private static bool IsLeft(SharedMemory memory)
    {
        var known = File.ReadLines("/proc/sysvipc/shm").Skip(1)
            .Select(line => int.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]));
        return memory.Files.Any(File.Exists) || known.Intersect(memory.Segments).Any();
    }

    private static List<int> Tree(PostgresServer server)
    {
        var tree = ProcessTree.Freeze(server.ProcessId);
        ProcessTree.Thaw(tree);
        return [.. tree];
    }

    private static NpgsqlConnection Open(PostgresServer server)
    {
        var connection = new NpgsqlConnection(server.ConnectionString + ";Pooling=false");
        connection.Open();
        return connection;
    }

    private static string? Ask(PostgresServer server, string sql)
    {
        using var connection = Open(server);
        return Ask(connection, sql);
    }

    private static string? Ask(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return (string?)command.ExecuteScalar();
    }
}
