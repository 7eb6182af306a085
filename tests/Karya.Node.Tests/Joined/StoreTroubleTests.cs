using Karya.Node.Plans;
using Karya.Node.Tests.Execution;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>A whole node whose store has trouble.</summary>
public sealed class StoreTroubleTests : IAsyncLifetime
{
    private const long HourMs = 3_600_000;

    private NodeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await NodeRig.StartAsync(clock: new ImpatientClock());

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_store_that_refuses_makes_the_node_unready_but_not_dead_until_it_takes_again()
    {
        Assert.Equal((200, "ok\n"), await _rig.HttpAsync("/readyz"));
        _rig.Store.RefusesCommits = true;
        var submit = _rig.SubmitAsync(_rig.Draft(HourMs));
        var (_, reason) = await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 503, "the node is not ready");
        Assert.Equal("The journal cannot be written: Disk is told to be full.\n", reason);
        Assert.Equal(200, (await _rig.HttpAsync("/livez")).Status);

        _rig.Store.RefusesCommits = false;
        await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 200, "the node is ready again");
        await submit.ContinueWith(_ => { }, TaskScheduler.Default); // Answered, or told that its outcome is open.
        Assert.Equal(1, (await _rig.Desk.ListAsync(_rig.Ann, 0, 9, NodeRig.Stopping)).Total);
        Assert.False(_rig.Node.Failed.IsCompleted);
    }

    [Fact]
    public async Task Tables_that_refuse_make_the_node_unready_until_they_are_written_again()
    {
        _rig.Store.RefusesProjections = true;
        await _rig.SubmitAsync(_rig.Draft(HourMs)); // The journal has it: that is all a reply waits for.
        var (_, reason) = await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 503, "the node is not ready");
        Assert.Equal("The tables cannot be written: Tables are told to be full.\n", reason);

        var exception = await Assert.ThrowsAsync<DeskException>(
            async () => await _rig.Desk.ListAsync(_rig.Ann, 0, 9, NodeRig.Stopping));
        Assert.Equal(DeskError.Overloaded, exception.Error);

        _rig.Store.RefusesProjections = false;
        await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 200, "the node is ready again");
    }

    [Fact]
    public async Task A_change_that_is_done_is_not_refused_because_the_plan_cannot_be_read()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(HourMs));
        _rig.Store.FailsReads = true;
        var exception = await Assert.ThrowsAsync<DeskException>(
            async () => await _rig.Desk.CancelAsync(plan.Id, NodeRig.Stopping));
        Assert.Equal((DeskError.Unknown, true), (exception.Error, exception.IsDone));
        Assert.StartsWith($"The change of plan {plan.Id} is done", exception.Message, StringComparison.Ordinal);

        _rig.Store.FailsReads = false;
        Assert.Equal(Karya.Engine.PlanState.Cancelled, (await _rig.GetAsync(plan.Id)).Plan.State);
    }

    [Fact]
    public async Task While_intake_is_held_requests_are_refused_with_advice()
    {
        _rig.Store.RefusesCommits = true;
        var first = _rig.SubmitAsync(_rig.Draft(HourMs));
        await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 503, "the node is not ready");

        var refused = await Assert.ThrowsAsync<DeskException>(() => _rig.SubmitAsync(_rig.Draft(HourMs)));
        Assert.Equal(DeskError.Overloaded, refused.Error);
        Assert.NotNull(refused.RetryAfter);

        // The first was let in before the store refused: whether it counts is open, and is said so in the end.
        var open = await Assert.ThrowsAsync<DeskException>(() => first);
        Assert.Equal(DeskError.Unknown, open.Error);
        _rig.Store.RefusesCommits = false;
        await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 200, "the node is ready again");
        Assert.Equal(1, (await _rig.Desk.ListAsync(_rig.Ann, 0, 9, NodeRig.Stopping)).Total);
    }

    [Fact]
    public async Task A_store_that_hangs_leaves_the_outcome_of_a_request_open()
    {
        _rig.Store.BlockCommits();
        var exception = await Assert.ThrowsAsync<DeskException>(() => _rig.SubmitAsync(_rig.Draft(HourMs)));
        Assert.Equal(DeskError.Unknown, exception.Error);
        _rig.Store.ReleaseCommits();
        await Until.AskAsync(
            async () => await _rig.Desk.ListAsync(_rig.Ann, 0, 9, NodeRig.Stopping), page => page.Total == 1,
            "the request counted after all");
    }

    [Fact]
    public async Task A_store_that_cannot_be_read_is_an_answer_of_its_own()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(HourMs));
        _rig.Store.FailsReads = true;
        var exception = await Assert.ThrowsAsync<DeskException>(() => _rig.GetAsync(plan.Id));
        Assert.Equal(DeskError.Unavailable, exception.Error);
        _rig.Store.FailsReads = false;
        Assert.Equal(plan.Id, (await _rig.GetAsync(plan.Id)).Plan.Id);
    }

    [Fact]
    public async Task Outcomes_of_attempts_that_ran_while_the_store_refused_are_kept()
    {
        var gate = _rig.Target.Hold();
        var plan = await _rig.SubmitAsync(_rig.Draft());
        await _rig.Target.NextAsync();
        _rig.Store.RefusesCommits = true;
        gate.Open();
        await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 503, "the outcome is refused");
        _rig.Store.RefusesCommits = false;
        await Until.AskAsync(
            async () => await _rig.HttpAsync("/readyz"), answer => answer.Status == 200, "the outcome is taken");
        var summary = await _rig.EndedAsync(plan.Id);
        Assert.Equal(1, Assert.Single(summary.Tasks).Attempts);
        Assert.Single(_rig.Target.Seen);
    }

    [Theory]
    [InlineData(CommitFault.UnknownAndLost, 0)]
    [InlineData(CommitFault.UnknownButStored, 1)]
    internal async Task An_unknown_commit_ends_the_node_and_a_restart_reads_what_is_true(CommitFault fault, long stored)
    {
        await _rig.Desk.ListAsync(_rig.Ann, 0, 9, NodeRig.Stopping);
        _rig.Store.NextCommits(fault);
        var submit = _rig.SubmitAsync(_rig.Draft(HourMs));
        string reason = await Expect.SoonAsync(_rig.Node.Failed, "the node says that it cannot go on");
        Assert.Equal("Whether the last journal batch is stored is unknown: Sync is told to fail.", reason);
        Assert.Equal((503, reason + "\n"), await _rig.HttpAsync("/readyz"));
        Assert.Equal(DeskError.Unknown, (await Assert.ThrowsAsync<DeskException>(() => submit)).Error);

        await _rig.RestartAsync();
        Assert.Equal(stored, (await _rig.Desk.ListAsync(_rig.Ann, 0, 9, NodeRig.Stopping)).Total);
    }
}
