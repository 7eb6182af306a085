using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Karya.Engine;
using Karya.Node.Configuration;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Tests.Execution;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Karya.Node.Tests.Joined;

public sealed class NodeTests
{
    private const long HourMs = 3_600_000;

    [Fact]
    public async Task A_restart_keeps_everything()
    {
        await using var rig = await NodeRig.StartAsync();
        var done = await rig.SubmitAsync(rig.Draft());
        var before = await rig.EndedAsync(done.Id);
        var near = await rig.SubmitAsync(rig.Draft(HourMs / 60));
        var far = await rig.SubmitAsync(rig.Draft(24 * HourMs));
        var cancelled = await rig.SubmitAsync(rig.Draft(HourMs));
        await rig.Desk.CancelAsync(cancelled.Id, NodeRig.Stopping);

        for (int restart = 0; restart < 2; restart++)
        {
            await rig.RestartAsync();
            Assert.Equal(rig.Ann, (await rig.Desk.FindUserAsync("ann", NodeRig.Stopping))!.Id);
            Assert.Equal(4, (await rig.Desk.ListAsync(rig.Ann, 0, 9, NodeRig.Stopping)).Total);
            Assert.Equal(before.Tasks, (await rig.SummarizeAsync(done.Id)).Tasks);
            Assert.Equal(near.CreatedMs + HourMs / 60, (await rig.GetAsync(near.Id)).Task.DueMs);
            Assert.Equal(far.CreatedMs + 24 * HourMs, (await rig.GetAsync(far.Id)).Task.DueMs);
            Assert.Equal(PlanState.Cancelled, (await rig.GetAsync(cancelled.Id)).Plan.State);
        }

        Assert.Single(rig.Target.Seen);
    }

    [Fact]
    public async Task A_graceful_stop_leaves_nothing_to_replay()
    {
        await using var rig = await NodeRig.StartAsync();
        for (int i = 0; i < 20; i++)
            await rig.SubmitAsync(rig.Draft(HourMs));
        await rig.StopAsync();
        Assert.Equal(20, rig.Folder.Read("SELECT count(*) FROM plans"));
        rig.Renew();
    }

    [Fact]
    public async Task A_plan_that_fell_due_while_the_node_was_down_runs_after_the_start()
    {
        await using var rig = await NodeRig.StartAsync();
        var plan = await rig.SubmitAsync(rig.Draft(100));
        await rig.StopAsync();
        await Until.TrueAsync(
            () => DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() > plan.CreatedMs + 100, "the plan is due");
        Assert.Empty(rig.Target.Seen);
        rig.Renew();
        await rig.Node.StartAsync(NodeRig.Stopping);
        await rig.EndedAsync(plan.Id);
        Assert.Single(rig.Target.Seen);
    }

    [Fact]
    public async Task A_stop_lets_a_running_attempt_end_and_records_its_outcome()
    {
        await using var rig = await NodeRig.StartAsync();
        var gate = rig.Target.Hold();
        var plan = await rig.SubmitAsync(rig.Draft());
        await rig.Target.NextAsync();
        var stop = rig.Node.StopAsync();
        Assert.False(stop.IsCompleted);
        gate.Open();
        await stop;
        await rig.RestartAsync();
        var task = Assert.Single((await rig.EndedAsync(plan.Id)).Tasks);
        Assert.Equal((PlanTaskState.Success, 1), (task.State, task.Attempts));
        Assert.Single(rig.Target.Seen);
    }

    [Fact]
    public async Task An_attempt_that_hangs_is_cut_off_after_the_drain_time_and_tried_again_after_the_restart()
    {
        var options = NodeRig.Fast with
        {
            Executor = NodeRig.Fast.Executor with { Drain = TimeSpan.FromMilliseconds(50) },
        };
        await using var rig = await NodeRig.StartAsync(options);
        rig.Target.Hold();
        var plan = await rig.SubmitAsync(rig.Draft(retriesMax: 1));
        await rig.Target.NextAsync();
        await rig.StopAsync();

        rig.Target.Answer(200);
        rig.Renew();
        await rig.Node.StartAsync(NodeRig.Stopping);
        var summary = await rig.EndedAsync(plan.Id);
        Assert.Equal("The node stopped before this attempt had ended.", Assert.Single(summary.Errors).Text);
        var task = Assert.Single(summary.Tasks);
        Assert.Equal((PlanTaskState.Success, 2), (task.State, task.Attempts));
    }

    [Fact]
    public async Task An_attempt_that_ran_at_a_crash_runs_again_under_the_same_number()
    {
        await using var rig = await NodeRig.StartAsync();
        var gate = rig.Target.Hold();
        var plan = await rig.SubmitAsync(rig.Draft());
        await rig.Target.NextAsync();
        await rig.GetAsync(plan.Id); // The tables, and before them the journal, have what was handed out.
        using var crashed = rig.Folder.CopyAsAfterCrash();
        gate.Open();
        await rig.EndedAsync(plan.Id);

        await using var node = NewNode(crashed, NodeRig.Fast);
        await node.StartAsync(NodeRig.Stopping);
        await rig.Target.NextAsync();
        var summary = await Until.AskAsync(
            async () => await node.Desk.SummarizeAsync(plan.Id, NodeRig.Stopping),
            summary => summary!.Plan.State == PlanState.Completed, "the attempt ends");
        Assert.Equal(1, Assert.Single(summary!.Tasks).Attempts);
        Assert.Equal(2, rig.Target.Seen.Count);
    }

    [Fact]
    public async Task A_start_that_fails_on_the_store_is_over_at_once_and_leaves_the_file_to_others()
    {
        await using var rig = await NodeRig.StartAsync();
        var watch = Stopwatch.StartNew();
        await using (var second = NewNode(rig.Folder, NodeRig.Fast))
            await Assert.ThrowsAsync<StoreException>(() => second.StartAsync(NodeRig.Stopping));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"It took {watch.Elapsed}.");
        await rig.RestartAsync();
    }

    [Fact]
    public async Task A_damaged_journal_ends_the_start_with_a_store_exception_and_lets_the_file_go()
    {
        await using var rig = await NodeRig.StartAsync();
        await rig.SubmitAsync(rig.Draft(HourMs));
        await rig.StopAsync();
        rig.Folder.Change("INSERT INTO journal (id, body) VALUES (1000000, x'4B4AFF00')");
        await using (var damaged = NewNode(rig.Folder, NodeRig.Fast))
            await Assert.ThrowsAsync<StoreException>(() => damaged.StartAsync(NodeRig.Stopping));

        rig.Folder.Change("DELETE FROM journal WHERE id = 1000000");
        rig.Renew();
        await rig.Node.StartAsync(NodeRig.Stopping);
        Assert.Equal(1, (await rig.Desk.ListAsync(rig.Ann, 0, 9, NodeRig.Stopping)).Total);
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_the_start_and_lets_the_file_go()
    {
        using var folder = new StoreFolder();
        using var holder = new TcpListener(IPAddress.Loopback, 0);
        holder.Start();
        var taken = NodeRig.Fast with
        {
            Http = new() { Listen = new ListenAddress("127.0.0.1", ((IPEndPoint)holder.LocalEndpoint).Port) },
        };
        await using (var node = NewNode(folder, taken))
            await Assert.ThrowsAnyAsync<IOException>(() => node.StartAsync(NodeRig.Stopping));
        await using var next = NewNode(folder, NodeRig.Fast);
        await next.StartAsync(NodeRig.Stopping);
    }

    [Fact]
    public async Task A_node_that_cannot_go_on_stops_without_waiting_for_tables_that_never_catch_up()
    {
        await using var rig = await NodeRig.StartAsync();
        rig.Store.NextCommits(CommitFault.UnknownAndLost);
        var submit = rig.Desk.SubmitAsync(rig.Draft(HourMs), NodeRig.Stopping).AsTask();
        await Expect.SoonAsync(rig.Node.Failed, "the node says that it cannot go on");
        var watch = Stopwatch.StartNew();
        var open = await Assert.ThrowsAsync<DeskException>(() => submit);
        Assert.Equal(DeskError.Unknown, open.Error);
        Assert.Contains("failed while it recorded", open.Message, StringComparison.Ordinal); // Told, not timed out.
        await rig.StopAsync();
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"It took {watch.Elapsed}.");
        rig.Renew();
    }

    [Fact]
    public async Task A_stop_may_be_asked_for_twice()
    {
        await using var rig = await NodeRig.StartAsync();
        await rig.Node.StopAsync();
        await rig.Node.StopAsync();
    }

    private static Node NewNode(StoreFolder folder, NodeOptions options) => new(
        options with { Storage = options.Storage with { Path = folder.File } }, TimeProvider.System,
        NullLoggerFactory.Instance);
}
