using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Karya.Protocol;
using Xunit;

namespace Karya.Node.Tests.Joined;

public sealed class ChainedPlanTests : IAsyncLifetime
{
    private const long HourMs = 3_600_000;

    /// <summary>Within the horizon: the parent of a task that runs is in memory.</summary>
    private const long SoonMs = 300_000;

    private NodeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await NodeRig.StartAsync(clock: new ImpatientClock());

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_child_knows_its_parent_and_lies_in_its_partition()
    {
        var parent = await _rig.SubmitAsync(_rig.Draft(action: new ChainedAction(_rig.Draft(HourMs))));
        await _rig.EndedAsync(parent.Id);
        var child = Assert.Single(await OthersAsync(parent.Id));
        Assert.Equal(parent.Id, child.Parent);
        Assert.Equal(PlanState.Created, child.State);
        Assert.Equal(PartitionHash.Of(parent.Id.Value, 16), PartitionHash.Of(child.Id.Value, 16));
    }

    [Fact]
    public async Task A_second_attempt_of_the_same_task_makes_no_second_child()
    {
        var parent = await _rig.SubmitAsync(_rig.Draft(SoonMs));
        for (int attempt = 1; attempt <= 3; attempt++)
            Assert.Null(await SubmitChildAsync(parent, attempt));
        Assert.Single(await OthersAsync(parent.Id));
    }

    [Fact]
    public async Task Attempts_of_the_same_task_at_the_same_time_make_one_child()
    {
        var parent = await _rig.SubmitAsync(_rig.Draft(SoonMs));
        string?[] answers = await Task.WhenAll(
            Enumerable.Range(1, 4).Select(attempt => SubmitChildAsync(parent, attempt)));
        Assert.All(answers, Assert.Null);
        Assert.Single(await OthersAsync(parent.Id));
    }

    [Fact]
    public async Task A_cancelled_parent_gets_no_child()
    {
        var parent = await _rig.SubmitAsync(_rig.Draft(SoonMs));
        await _rig.Desk.CancelAsync(parent.Id, NodeRig.Stopping);
        Assert.Equal($"The parent plan {parent.Id} was cancelled.", await SubmitChildAsync(parent, 1));
        Assert.Empty(await OthersAsync(parent.Id));
    }

    [Fact]
    public async Task A_cancel_reaches_children_and_grandchildren()
    {
        var grandchild = _rig.Draft(HourMs);
        var child = _rig.Draft(20, recurring: true, action: new ChainedAction(grandchild));
        var parent = await _rig.SubmitAsync(_rig.Draft(action: new ChainedAction(child)));
        await Until.AskAsync(
            async () => await OthersAsync(parent.Id), plans => plans.Count >= 3,
            "a child and two grandchildren are there");

        await _rig.Desk.CancelAsync(parent.Id, NodeRig.Stopping);
        var plans = await OthersAsync(parent.Id);
        Assert.All(plans, plan => Assert.Equal(PlanState.Cancelled, plan.State));

        // An attempt that ran when the cancel came may end, but it starts nothing any more.
        var family = plans.Single(plan => plan.Parent == parent.Id);
        await _rig.EndedAsync(family.Id, PlanState.Cancelled);
        Assert.Equal(plans.Count, (await OthersAsync(parent.Id)).Count);
    }

    [Fact]
    public async Task A_child_of_an_unknown_user_fails_the_task_with_the_text_of_the_contract()
    {
        var stranger = new UserId(77);
        var child = _rig.Draft(HourMs, user: stranger);
        var parent = await _rig.SubmitAsync(_rig.Draft(action: new ChainedAction(child)));
        var summary = await _rig.EndedAsync(parent.Id);
        Assert.Equal(PlanTaskState.Failure, Assert.Single(summary.Tasks).State);
        Assert.Equal(
            $"Chained plan failed --- error : User ({stranger}) not found", Assert.Single(summary.Errors).Text);
    }

    [Fact]
    public async Task A_child_that_cannot_be_recorded_now_is_an_answer_and_not_a_deadlock()
    {
        var parent = await _rig.SubmitAsync(_rig.Draft(SoonMs));
        await HoldIntakeAsync();
        string? answer = await SubmitChildAsync(parent, 1);
        Assert.EndsWith("Try again later.", answer, StringComparison.Ordinal);

        _rig.Store.RefusesCommits = false;
        await Until.AskAsync(
            async () => await SubmitChildAsync(parent, 2), later => later is null, "a later attempt makes the child");
        Assert.Single(await OthersAsync(parent.Id), plan => plan.Parent == parent.Id);
    }

    /// <summary>Another plan is stuck in the journal, on the other shard or on the same one.</summary>
    private async Task HoldIntakeAsync()
    {
        await _rig.Desk.ListAsync(_rig.Ann, 0, 1, NodeRig.Stopping); // The tables have caught up.
        _rig.Store.RefusesCommits = true;
        var stuck = _rig.SubmitAsync(_rig.Draft(HourMs));
        await Until.TrueAsync(() => _rig.Store.LastError.Length > 0, "the store refuses");
        var exception = await Assert.ThrowsAsync<DeskException>(() => stuck);
        Assert.Equal(DeskError.Unknown, exception.Error);
    }

    private async Task<string?> SubmitChildAsync(PlanView parent, int attempt)
    {
        long dueMs = parent.CreatedMs + SoonMs;
        int partition = PartitionHash.Of(parent.Id.Value, 16);
        return await ((PlanDesk)_rig.Desk).SubmitChildAsync(
            new Attempt(new TaskKey(parent.Id, 1, 0), _rig.Ann, partition, 1, attempt, 9, dueMs, dueMs),
            _rig.Draft(HourMs), NodeRig.Stopping);
    }

    private async Task<List<PlanView>> OthersAsync(PlanId plan)
    {
        var page = await _rig.Desk.ListAsync(_rig.Ann, 0, 1000, NodeRig.Stopping);
        return [.. page.Plans.Where(other => other.Id != plan)];
    }
}
