using Karya.LocalServers;
using Karya.Node.Plans;
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
        await test.IsUnreadyAsync("Whether the last journal batch is stored");
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
        for (int time = 0; time < 5; time++)
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
            await test.IsUnreadyAsync("The database takes no more connections (max_connections).");
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

    [Fact]
    public async Task Commits_that_are_slow_are_larger_and_all_is_done()
    {
        const int Plans = 200;
        var options = PostgresRig.Quick with { Cluster = new() { Lease = TimeSpan.FromSeconds(4) } };
        await using var test = await FaultTest.StartAsync(Server, output, options, TimeProvider.System);
        var schema = test.Rig.Schema;
        schema.Change(
            """
            CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS
              'BEGIN PERFORM pg_sleep(0.5); RETURN new; END';
            CREATE TRIGGER slow BEFORE INSERT ON journal_0_0 FOR EACH ROW EXECUTE FUNCTION be_slow();
            CREATE TRIGGER slow BEFORE INSERT ON journal_1_0 FOR EACH ROW EXECUTE FUNCTION be_slow();
            """);
        const string CountRows = "SELECT (SELECT count(*) FROM journal_0_0) + (SELECT count(*) FROM journal_1_0)";
        long rows = schema.Read(CountRows);
        int calls = test.Rig.Calls.Count;
        await Task.WhenAll(Enumerable.Range(0, Plans).Select(
            _ => test.Node.Desk.SubmitAsync(test.Rig.Draft(1), NodeRig.Stopping).AsTask()));
        await Until.TrueAsync(() => test.Rig.Calls.Count >= calls + Plans, "all are called");
        rows = schema.Read(CountRows) - rows;
        output.WriteLine($"{Plans} plans and those of the load took {rows} journal rows");
        Assert.InRange(rows, 2, Plans / 4);

        schema.Change("DROP FUNCTION be_slow CASCADE");
        await test.ResumesAsync(ResumedMax);
        Assert.Equal(0, test.Load.Refused);
    }

    [Fact]
    public async Task While_the_journal_waits_what_is_kept_in_memory_has_a_limit()
    {
        const int Clients = 100;
        string large = new('x', 200_000);
        var options = PostgresRig.Quick with { Cluster = new() { Lease = TimeSpan.FromSeconds(30) } };
        await using var test = await FaultTest.StartAsync(Server, output, options);
        using (var holder = test.Rig.Schema.Connect())
        {
            await using var locking = await holder.BeginTransactionAsync(NodeRig.Stopping);
            await using var command = new NpgsqlCommand("LOCK TABLE journal_0_0, journal_1_0", holder, locking);
            await command.ExecuteNonQueryAsync(NodeRig.Stopping);
            await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => SubmitUntilOverloadedAsync(test, large)));
            await locking.RollbackAsync(NodeRig.Stopping);
        }

        Assert.True(test.Load.BacklogBytesMost > 16 * 1024 * 1024);
        await test.ResumesAsync(ResumedMax);
    }

    private static async Task SubmitUntilOverloadedAsync(FaultTest test, string description)
    {
        while (true)
        {
            try
            {
                await test.Node.Desk.SubmitAsync(
                    test.Rig.Draft(3_600_000, description: description), NodeRig.Stopping);
            }
            catch (DeskException e) when (e.Error == DeskError.Overloaded)
            {
                return;
            }
            catch (DeskException e)
            {
                Assert.Equal(DeskError.Unknown, e.Error);
            }
        }
    }
}
