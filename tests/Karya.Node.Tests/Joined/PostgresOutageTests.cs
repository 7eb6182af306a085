using Karya.LocalServers;
using Npgsql;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// A whole node under load whose Postgres fails in one of the ways in which real ones do, and comes back. What was
/// acknowledged is done, once and not early, and the node goes on by itself.
/// </summary>
[Trait("Needs", "process")]
public sealed class PostgresOutageTests(PostgresFixture fixture, ITestOutputHelper output)
    : IClassFixture<PostgresFixture>
{
    /// <summary>Twice what we promise: two machines' worth of tests may run beside this one.</summary>
    private static readonly TimeSpan ResumedMax = TimeSpan.FromSeconds(4);

    private PostgresServer Server => fixture.Server;

    [Fact]
    public async Task A_server_that_was_stopped_is_done_without_until_it_is_started_again()
    {
        await using var test = await FaultTest.StartAsync(Server, output);
        Server.Stop(PostgresStop.Fast);
        await test.IsUnreadyAsync("The journal cannot be written", "Whether the last journal batch is stored");
        Server.StartAgain();
        await test.ResumesAsync(ResumedMax);
    }

    [Fact]
    public async Task A_server_that_was_killed_is_done_without_until_it_is_started_again()
    {
        await using var test = await FaultTest.StartAsync(Server, output);
        Server.Kill();
        await test.IsUnreadyAsync("Whether the last journal batch is stored");
        Server.StartAgain();
        await test.ResumesAsync(ResumedMax);
    }

    [Fact]
    public async Task A_server_that_pauses_for_less_than_the_lease_is_waited_for()
    {
        var options = PostgresRig.Quick with { Cluster = new() { Lease = TimeSpan.FromSeconds(4) } };
        await using var test = await FaultTest.StartAsync(Server, output, options, TimeProvider.System);
        Server.Pause();
        await Task.Delay(TimeSpan.FromSeconds(1), NodeRig.Stopping); // How long it takes is what the fault is.
        Server.Resume();
        await test.ResumesAsync(ResumedMax);
        Assert.Equal(0, test.Load.Refused);
    }

    [Fact]
    public async Task A_server_that_pauses_for_longer_than_the_lease_stops_the_firing_until_it_answers()
    {
        await using var test = await FaultTest.StartAsync(Server, output);
        Server.Pause();
        string reason = await Until.AskAsync(
            async () => await PostgresRig.NotReadyAsync(test.Node),
            reason => reason.StartsWith("Whether the last journal batch", StringComparison.Ordinal),
            "the commit is given up");
        output.WriteLine(reason.TrimEnd());
        await test.IsRefusingAsync();
        await Task.Delay(PostgresRig.Quick.Cluster.Lease, NodeRig.Stopping); // Longer than the lease, for certain.
        int calls = test.Rig.Calls.Count;
        await Task.Delay(PostgresRig.Quick.Cluster.Lease, NodeRig.Stopping);
        Assert.Equal(calls, test.Rig.Calls.Count);
        Server.Resume();
        await test.ResumesAsync(ResumedMax);
    }

    [Fact]
    public async Task Sessions_that_an_administrator_ends_are_opened_again()
    {
        await using var test = await FaultTest.StartAsync(Server, output);
        for (int time = 0; time < 10; time++)
        {
            long ended = test.Rig.Schema.Read(
                """
                SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE application_name = 'karya' AND backend_type = 'client backend'
                """);
            Assert.True(ended > 0 || time > 0);
            await test.Rig.ResumedAsync(test.Node);
        }

        await test.ResumesAsync(ResumedMax);
    }

    [Fact]
    public async Task Connections_that_others_have_taken_are_waited_for()
    {
        await using var test = await FaultTest.StartAsync(Server, output);
        using (var hog = new ConnectionHog(Server.ConnectionString))
        {
            hog.TakeAll("karya");
            string reason = await test.IsUnreadyAsync(
                "The journal cannot be written", "Whether the last journal batch is stored");
            Assert.Contains("takes no more connections (max_connections)", reason, StringComparison.Ordinal);
        }

        await test.ResumesAsync(ResumedMax);
    }

    [Fact]
    public async Task A_journal_that_somebody_has_locked_is_written_when_it_is_let_go()
    {
        await using var test = await FaultTest.StartAsync(Server, output);
        using (var holder = test.Rig.Schema.Connect())
        {
            await using var locking = await holder.BeginTransactionAsync(NodeRig.Stopping);
            await using var command = new NpgsqlCommand("LOCK TABLE journal_0_0, journal_0_1", holder, locking);
            await command.ExecuteNonQueryAsync(NodeRig.Stopping);
            await test.IsUnreadyAsync("Whether the last journal batch is stored", "The journal cannot be written");
            await locking.RollbackAsync(NodeRig.Stopping);
        }

        await test.ResumesAsync(ResumedMax);
    }
}
