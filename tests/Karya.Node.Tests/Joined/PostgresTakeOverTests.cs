using System.Text;
using Karya.Engine;
using Karya.LocalServers;
using Karya.Node.Configuration;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Tests.Execution;
using Npgsql;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>
/// Two nodes on one schema: the first is cut off from the database, as by a death, a sleep or a broken network, and the
/// second goes on where it was. What the first one still does counts for nothing.
/// </summary>
[Trait("Needs", "process")]
public sealed class PostgresTakeOverTests(ITestOutputHelper output)
{
    private const string ResidentPlans = "karya_resident_plans";
    private const long HourMs = 3_600_000;

    /// <summary>An outcome that was on its way into the journal when the connection broke.</summary>
    private const long InFlightMs = 1000;

    /// <summary>Nothing is written to the tables unless somebody asks.</summary>
    private static readonly NodeOptions JournalOnly = PostgresRig.Quick with
    {
        Storage = new() { ProjectionInterval = TimeSpan.FromMinutes(10) },
    };

    [Fact]
    public async Task A_second_node_is_refused_while_the_first_one_lives()
    {
        var (rig, first) = await PostgresRig.StartAsync(PostgresServer.Shared);
        await using var _ = rig;
        var second = rig.NewNode();
        var refusal = await Assert.ThrowsAsync<StoreException>(() => second.StartAsync(NodeRig.Stopping));
        Assert.Contains("is in use by node", refusal.Message, StringComparison.Ordinal);
        await rig.ResumedAsync(first);
        Assert.False(first.Failed.IsCompleted);
    }

    /// <param name="isAsleep">
    /// It hears and says nothing, and its connections stand; else they break and cannot be made again.
    /// </param>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_node_that_is_cut_off_is_followed_and_fires_nothing_more(bool isAsleep)
    {
        var (rig, first) = await PostgresRig.StartAsync(
            PostgresServer.Shared, clock: new ImpatientClock(), throughProxy: true);
        await using var _ = rig;
        await using var load = await PostgresLoad.StartAsync(rig, first);
        CutOff(rig, isAsleep);
        long cutMs = PostgresRig.NowMs;

        var second = rig.NewNode();
        await second.StartAsync(NodeRig.Stopping);
        long followedMs = PostgresRig.NowMs;
        await load.StopAsync();
        long firstEpoch = rig.Calls.First().Epoch;
        string figures = await load.JudgeAsync(second, call => IsOpenAt(call, cutMs, firstEpoch));
        output.WriteLine($"followed after {followedMs - cutMs} ms; {figures}");
        Assert.DoesNotContain(rig.Calls, call => call.Epoch == firstEpoch && call.AtMs > followedMs);

        rig.Proxy.ReleaseAll();
        string reason = await Expect.SoonAsync(first.Failed, "the first node says that it cannot go on");
        Assert.Contains("Another node has claimed", reason, StringComparison.Ordinal);
        Assert.DoesNotContain(rig.Calls, call => call.Epoch == firstEpoch && call.AtMs > followedMs);
        Assert.False(second.Failed.IsCompleted);
    }

    [Fact]
    public async Task What_is_in_the_journal_and_not_in_the_tables_is_taken_over()
    {
        var (rig, first) = await PostgresRig.StartAsync(
            PostgresServer.Shared, JournalOnly, new ImpatientClock(), throughProxy: true);
        await using var _ = rig;
        var (done, waiting) = await SubmitAsync(rig, first);
        Assert.Equal(0, rig.Schema.Read("SELECT (SELECT count(*) FROM plans) + (SELECT count(*) FROM plan_history)"));
        CutOff(rig, isAsleep: false);
        await IsTakenOverAsync(rig, done, waiting);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_half_written_to_the_tables_is_taken_over(bool isAsleep)
    {
        var (rig, first) = await PostgresRig.StartAsync(
            PostgresServer.Shared, JournalOnly, new ImpatientClock(), throughProxy: true);
        await using var _ = rig;
        var (done, waiting) = await SubmitAsync(rig, first);
        // The plans that wait are written, and not committed.
        await ProjectUntilAsync(
            rig, first, "LOCK TABLE plan_history IN SHARE MODE", "COPY plan_history%", () => CutOff(rig, isAsleep));
        await IsTakenOverAsync(rig, done, waiting);
    }

    [Fact]
    public async Task What_is_in_the_tables_without_the_owner_having_heard_of_it_is_not_written_again()
    {
        var (rig, first) = await PostgresRig.StartAsync(
            PostgresServer.Shared, JournalOnly, new ImpatientClock(), throughProxy: true);
        await using var _ = rig;
        var (done, waiting) = await SubmitAsync(rig, first);
        await ProjectUntilAsync(
            rig, first, "LOCK TABLE partition_projection IN SHARE MODE", "SELECT mark(%", rig.Proxy.HoldServer);
        await Until.TrueAsync(
            () => rig.Schema.Read("SELECT count(*) FROM plans") > 0, "what was sent is committed");
        CutOff(rig, isAsleep: false);
        await IsTakenOverAsync(rig, done, waiting);
    }

    [Fact]
    public async Task The_first_overdue_task_starts_before_all_others_are_loaded()
    {
        const int Others = 50_000;
        var (rig, first) = await PostgresRig.StartAsync(PostgresServer.Shared);
        await using var _ = rig;
        var overdue = await first.Desk.SubmitAsync(rig.Draft(1500, "/overdue"), NodeRig.Stopping);
        await first.Desk.SubmitAsync(rig.Draft(HourMs / 10), NodeRig.Stopping);
        await first.StopAsync();
        rig.Schema.Change(
            $"""
            INSERT INTO plans
            SELECT gen_random_uuid(), user_id, parent_id, partition, status, created_ms, updated_ms, wake_ms, memo, body
            FROM plans, generate_series(1, {Others}) WHERE wake_ms > {PostgresRig.NowMs + HourMs / 20}
            """);
        await Until.TrueAsync(() => PostgresRig.NowMs > overdue.CreatedMs + 1500, "the first is overdue");

        var second = rig.NewNode();
        var loading = Until.AskAsync(
            async () => await ResidentAsync(second), plans => plans > Others, "all are loaded");
        await second.StartAsync(NodeRig.Stopping);
        await loading;
        long loadedMs = PostgresRig.NowMs;
        var summary = await Until.AskAsync(
            async () => await second.Desk.SummarizeAsync(overdue.Id, NodeRig.Stopping),
            summary => summary!.Plan.State == PlanState.Completed, "the overdue task ends");
        long startedMs = Assert.Single(summary!.Tasks).StartedMs!.Value;
        output.WriteLine($"the overdue task was started {loadedMs - startedMs} ms before {Others} plans were loaded");
        Assert.InRange(startedMs, overdue.CreatedMs, loadedMs - 1);
    }

    /// <summary>None before the node has started.</summary>
    private static async Task<long> ResidentAsync(Node node)
    {
        using var page = new MemoryStream();
        await node.Metrics.WriteAsync(page, NodeRig.Stopping);
        string text = Encoding.UTF8.GetString(page.ToArray());
        return text.Contains($"\n{ResidentPlans} ", StringComparison.Ordinal)
            ? await PostgresRig.GaugeAsync(node, ResidentPlans)
            : 0;
    }

    private static void CutOff(PostgresRig rig, bool isAsleep)
    {
        if (isAsleep)
        {
            rig.Proxy.HoldClient();
            rig.Proxy.HoldServer();
            return;
        }

        rig.Proxy.RefuseNew();
        rig.Proxy.DropAll();
    }

    /// <summary>An attempt of the first node whose outcome may not have come to the database.</summary>
    private static bool IsOpenAt(Call call, long cutMs, long firstEpoch) =>
        call.Epoch == firstEpoch && call.AtMs >= cutMs - InFlightMs;

    /// <summary>Plans that have ended and plans that wait, all of it in the journal.</summary>
    private static async Task<(List<PlanId> Done, List<PlanId> Waiting)> SubmitAsync(PostgresRig rig, Node node)
    {
        var done = new List<PlanId>();
        var waiting = new List<PlanId>();
        for (int i = 0; i < 20; i++)
        {
            done.Add((await node.Desk.SubmitAsync(rig.Draft(1), NodeRig.Stopping)).Id);
            waiting.Add((await node.Desk.SubmitAsync(rig.Draft(HourMs), NodeRig.Stopping)).Id);
        }

        await Until.TrueAsync(() => rig.Calls.Count == done.Count, "all that are due are called");
        await Until.AskAsync(
            async () => await PostgresRig.GaugeAsync(node, "karya_attempts_running")
                + await PostgresRig.GaugeAsync(node, "karya_journal_backlog_bytes"),
            left => left == 0,
            "all outcomes are in the journal");
        return (done, waiting);
    }

    /// <summary>
    /// Has the node write its tables and stops it at a statement, by a lock; then breaks something, and lets the lock
    /// go.
    /// </summary>
    private static async Task ProjectUntilAsync(
        PostgresRig rig, Node node, string lockSql, string statement, Action breaking)
    {
        await using var holder = rig.Schema.Connect();
        await using var locking = await holder.BeginTransactionAsync(NodeRig.Stopping);
        await using (var command = new NpgsqlCommand(lockSql, holder, locking))
            await command.ExecuteNonQueryAsync(NodeRig.Stopping);
        var asking = node.Desk.ListAsync(rig.Ann, 0, 9, NodeRig.Stopping).AsTask();
        await Until.TrueAsync(
            () => rig.Schema.Read(
                $"""
                SELECT count(*) FROM pg_stat_activity
                WHERE {holder.ProcessID} = ANY (pg_blocking_pids(pid)) AND ltrim(query, E' \n') LIKE '{statement}'
                """) > 0,
            $"{statement} waits for the lock");
        breaking();
        await locking.RollbackAsync(NodeRig.Stopping);
        await Assert.ThrowsAsync<DeskException>(() => asking); // It has waited for the tables in vain.
    }

    /// <summary>A second node has everything, once, in its tables too, and runs nothing again.</summary>
    private async Task IsTakenOverAsync(PostgresRig rig, List<PlanId> done, List<PlanId> waiting)
    {
        long startedMs = PostgresRig.NowMs;
        var second = rig.NewNode(clock: new ImpatientClock());
        await second.StartAsync(NodeRig.Stopping);
        long followedMs = PostgresRig.NowMs;
        var page = await Until.AskAsync(
            async () =>
            {
                try
                {
                    return await second.Desk.ListAsync(rig.Ann, 0, 99, NodeRig.Stopping);
                }
                catch (DeskException)
                {
                    return null!;
                }
            },
            page => page is not null, "the tables are written by the second node");
        output.WriteLine(
            $"followed after {followedMs - startedMs} ms, in the tables {PostgresRig.NowMs - followedMs} ms later");
        Assert.Equal(done.Count + waiting.Count, page.Total);
        Assert.Equal(
            done.Concat(waiting).ToHashSet(), page.Plans.Select(plan => plan.Id).ToHashSet());
        Assert.Equal(done.Count + waiting.Count, page.Plans.Count);
        foreach (var id in done)
        {
            var summary = await second.Desk.SummarizeAsync(id, NodeRig.Stopping);
            Assert.Equal(PlanState.Completed, summary!.Plan.State);
            Assert.Equal(PlanTaskState.Success, Assert.Single(summary.Tasks).State);
        }

        foreach (var id in waiting)
        {
            var found = await second.Desk.GetAsync(id, NodeRig.Stopping);
            Assert.Equal(found!.Value.Plan.CreatedMs + HourMs, found.Value.Task.DueMs);
        }

        Assert.Equal(done.Count, rig.Calls.Count);
        await rig.ResumedAsync(second);
    }
}
