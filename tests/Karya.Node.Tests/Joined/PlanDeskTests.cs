using Karya.Engine;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Joined;

public sealed class PlanDeskTests : IAsyncLifetime
{
    private const long HourMs = 3_600_000;

    private NodeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await NodeRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_new_plan_waits_for_its_first_task_one_period_after_its_creation()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(HourMs));
        var (view, task) = await _rig.GetAsync(plan.Id);
        Assert.Equal(PlanState.Created, view.State);
        Assert.Equal(plan with { Body = view.Body }, view);
        Assert.Equal(new TaskKey(plan.Id, 1, 0), task.Key);
        Assert.Equal(PlanTaskState.Created, task.State);
        Assert.Equal(plan.CreatedMs + HourMs, task.DueMs);
        Assert.Null(task.StartedMs);
        Assert.Equal(0, task.Attempts);
    }

    [Fact]
    public async Task A_due_plan_calls_its_target_and_its_summary_tells_so()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(action: _rig.Call("/once")));
        Assert.Equal("/once", (await _rig.Target.NextAsync()).PathAndQuery);
        var summary = await _rig.EndedAsync(plan.Id);
        var task = Assert.Single(summary.Tasks);
        Assert.Equal(PlanTaskState.Success, task.State);
        Assert.Equal(1, task.Attempts);
        Assert.True(task.StartedMs >= task.DueMs, "Nothing starts before it is due.");
        Assert.True(task.FinishedMs >= task.StartedMs);
        Assert.Empty(summary.Errors);
        Assert.Equal(PlanTaskState.Success, (await _rig.GetAsync(plan.Id)).Task.State);
    }

    [Fact]
    public async Task A_failing_task_is_tried_again_and_each_failure_is_listed()
    {
        _rig.Target.Answer(500, "broken");
        var plan = await _rig.SubmitAsync(_rig.Draft(retriesMax: 2));
        var summary = await _rig.EndedAsync(plan.Id);
        var task = Assert.Single(summary.Tasks);
        Assert.Equal(PlanTaskState.Failure, task.State);
        Assert.Equal(3, task.Attempts);
        Assert.Equal([1, 2, 3], summary.Errors.Select(error => error.Attempt));
    }

    [Fact]
    public async Task Lists_are_newest_first_with_exact_totals_for_each_user()
    {
        var bob = (await _rig.Desk.CreateUserAsync("bob", NodeRig.Stopping)).Id;
        var ofAnn = new List<PlanId>();
        for (int i = 0; i < 7; i++)
        {
            ofAnn.Insert(0, (await _rig.SubmitAsync(_rig.Draft(HourMs))).Id);
            if (i % 2 == 0)
                await _rig.SubmitAsync(_rig.Draft(HourMs, user: bob));
        }

        var seen = new List<PlanId>();
        for (int skip = 0; skip < 9; skip += 3)
        {
            var page = await _rig.Desk.ListAsync(_rig.Ann, skip, 3, NodeRig.Stopping);
            Assert.Equal(7, page.Total);
            seen.AddRange(page.Plans.Select(plan => plan.Id));
        }

        Assert.Equal(ofAnn, seen);
        Assert.Equal(4, (await _rig.Desk.ListAsync(bob, 0, 1, NodeRig.Stopping)).Total);
        var nobody = await _rig.Desk.ListAsync(new UserId(77), 0, 9, NodeRig.Stopping);
        Assert.Equal(0, nobody.Total);
        Assert.Empty(nobody.Plans);
    }

    [Fact]
    public async Task A_new_period_leaves_the_waiting_task_alone_and_counts_from_it()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(300, recurring: true));
        var updated = await UpdateAsync(plan.Id, new PlanChange("PT1H", HourMs, null, null));
        Assert.Equal("PT1H", updated.Body.PeriodText);
        Assert.Equal(plan.CreatedMs + 300, (await _rig.GetAsync(plan.Id)).Task.DueMs);

        await _rig.Target.NextAsync();
        var (_, next) = await _rig.GetAsync(plan.Id);
        Assert.Equal(2, next.Key.Occurrence);
        Assert.Equal(plan.CreatedMs + 300 + HourMs, next.DueMs);
    }

    [Fact]
    public async Task New_hooks_replace_the_old_ones()
    {
        PlanHook before = new(HookTrigger.OnCompletion, _rig.Call("/before"), 0);
        var plan = await _rig.SubmitAsync(_rig.Draft(300, hooks: before));
        PlanHook after = new(HookTrigger.OnCompletion, _rig.Call("/after"), 0);
        var updated = await UpdateAsync(plan.Id, new PlanChange(null, null, null, [after]));
        Assert.Equal("/after", UrlOf(Assert.Single(updated.Body.Hooks)));

        var summary = await _rig.EndedAsync(plan.Id);
        Assert.Equal([0, 1], summary.Tasks.Select(task => task.Key.Hook));
        Assert.Equal(["/", "/after"], _rig.Target.Seen.Select(seen => seen.PathAndQuery));
    }

    [Fact]
    public async Task Updates_of_one_plan_at_the_same_time_lose_nothing()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(HourMs));
        for (int round = 1; round <= 5; round++)
        {
            PlanHook hook = new(HookTrigger.OnFailure, _rig.Call($"/{round}"), 0);
            await Task.WhenAll(
                UpdateAsync(plan.Id, new PlanChange($"PT{round}H", round * HourMs, null, null)),
                UpdateAsync(plan.Id, new PlanChange(null, null, round, null)),
                UpdateAsync(plan.Id, new PlanChange(null, null, null, [hook])));
            var (view, _) = await _rig.GetAsync(plan.Id);
            Assert.Equal($"PT{round}H", view.Body.PeriodText);
            Assert.Equal(round, view.RetriesMax);
            Assert.Equal($"/{round}", UrlOf(Assert.Single(view.Body.Hooks)));
        }
    }

    [Fact]
    public async Task A_cancelled_plan_that_waited_never_runs()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(1000));
        var cancelled = await _rig.Desk.CancelAsync(plan.Id, NodeRig.Stopping);
        Assert.Equal(PlanState.Cancelled, cancelled!.State);
        var summary = await _rig.EndedAsync(plan.Id, PlanState.Cancelled);
        Assert.Equal(PlanTaskState.Cancelled, Assert.Single(summary.Tasks).State);

        var later = await _rig.SubmitAsync(_rig.Draft(1200));
        await _rig.EndedAsync(later.Id);
        Assert.Single(_rig.Target.Seen);
    }

    [Fact]
    public async Task An_attempt_that_runs_when_its_plan_is_cancelled_may_end()
    {
        var gate = _rig.Target.Hold();
        var plan = await _rig.SubmitAsync(_rig.Draft());
        await _rig.Target.NextAsync();
        Assert.Equal(PlanState.Cancelled, (await _rig.Desk.CancelAsync(plan.Id, NodeRig.Stopping))!.State);
        gate.Open();
        var summary = await _rig.EndedAsync(plan.Id, PlanState.Cancelled);
        Assert.Equal(PlanTaskState.Success, Assert.Single(summary.Tasks).State);
    }

    [Fact]
    public async Task A_plan_that_has_ended_can_be_marked_as_cancelled()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft());
        await _rig.EndedAsync(plan.Id);
        Assert.Equal(PlanState.Cancelled, (await _rig.Desk.CancelAsync(plan.Id, NodeRig.Stopping))!.State);
        Assert.Equal(PlanState.Cancelled, (await _rig.Desk.CancelAsync(plan.Id, NodeRig.Stopping))!.State);
        Assert.Equal(PlanTaskState.Success, (await _rig.GetAsync(plan.Id)).Task.State);
    }

    [Fact]
    public async Task A_plan_that_does_not_exist_is_found_by_no_call()
    {
        var id = new PlanId(new UInt128(0x0190_0000_0000_7000, 1));
        Assert.Null(await _rig.Desk.GetAsync(id, NodeRig.Stopping));
        Assert.Null(await _rig.Desk.SummarizeAsync(id, NodeRig.Stopping));
        Assert.Null(await _rig.Desk.CancelAsync(id, NodeRig.Stopping));
        Assert.Null(await _rig.Desk.UpdateAsync(id, new PlanChange(null, null, 1, null), NodeRig.Stopping));
        Assert.False(await _rig.Node.Parts!.Desk.ReplayAsync(new TaskKey(id, 1, 0), NodeRig.Stopping));
    }

    [Fact]
    public async Task A_plan_of_an_unknown_user_is_refused()
    {
        var stranger = new UserId(77);
        var exception = await Assert.ThrowsAsync<DeskException>(() => _rig.SubmitAsync(_rig.Draft(user: stranger)));
        Assert.Equal(DeskError.UserNotFound, exception.Error);
        Assert.Equal($"User ({stranger}) not found", exception.Message);
    }

    [Fact]
    public async Task More_retries_than_are_allowed_are_refused()
    {
        var exception = await Assert.ThrowsAsync<DeskException>(
            () => _rig.SubmitAsync(_rig.Draft(retriesMax: Limits.AttemptsMax)));
        Assert.Equal(DeskError.Invalid, exception.Error);
        var plan = await _rig.SubmitAsync(_rig.Draft(HourMs, retriesMax: Limits.AttemptsMax - 1));
        Assert.Equal(Limits.AttemptsMax - 1, plan.RetriesMax);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused()
    {
        var action = _rig.Call("/") with { JsonBody = new string('x', Limits.BodyBytesMax) };
        var exception = await Assert.ThrowsAsync<DeskException>(() => _rig.SubmitAsync(_rig.Draft(action: action)));
        Assert.Equal(DeskError.Invalid, exception.Error);
    }

    private static string UrlOf(PlanHook hook)
    {
        string url = ((RestAction)hook.Action).BaseUrl;
        return url[url.IndexOf('/', StringComparison.Ordinal)..];
    }

    private async Task<PlanView> UpdateAsync(PlanId id, PlanChange change) =>
        (await _rig.Desk.UpdateAsync(id, change, NodeRig.Stopping))!;
}
