using Karya.Engine;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Joined;

public sealed class DeadLetterTests : IAsyncLifetime
{
    private NodeRig _rig = null!;

    public async ValueTask InitializeAsync() => _rig = await NodeRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Dead_letters_are_listed_newest_first_page_by_page()
    {
        _rig.Target.Answer(500);
        var plans = new List<PlanId>();
        for (int i = 0; i < 5; i++)
        {
            var plan = await _rig.SubmitAsync(_rig.Draft());
            await _rig.EndedAsync(plan.Id);
            plans.Insert(0, plan.Id);
        }

        var seen = new List<PlanId>();
        string? cursor = null;
        do
        {
            var page = await _rig.Desk.ListDeadAsync(cursor, 2, NodeRig.Stopping);
            seen.AddRange(page.Items.Select(letter => letter.Task.Key.Plan));
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(plans, seen);
    }

    [Fact]
    public async Task A_replayed_letter_that_succeeds_is_gone_and_its_plan_shows_the_success()
    {
        var letter = await BuryAsync();
        Assert.Contains("500", letter.LastError, StringComparison.Ordinal);
        Assert.Equal(2, letter.Task.Attempts);

        _rig.Target.Answer(200);
        Assert.True(await _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping));
        var summary = await Until.AskAsync(
            async () => await _rig.SummarizeAsync(letter.Task.Key.Plan),
            summary => summary.Tasks.Single().State == PlanTaskState.Success,
            "the replayed task succeeds");
        Assert.Equal(3, summary.Tasks.Single().Attempts);
        Assert.Empty((await _rig.Desk.ListDeadAsync(null, 9, NodeRig.Stopping)).Items);
        Assert.False(await _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping));
    }

    [Fact]
    public async Task A_replayed_letter_that_fails_again_is_listed_again()
    {
        var letter = await BuryAsync();
        Assert.True(await _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping));
        var page = await Until.AskAsync(
            async () => await _rig.Desk.ListDeadAsync(null, 9, NodeRig.Stopping),
            page => page.Items.Count == 1, "the letter is back");
        Assert.Equal(4, page.Items[0].Task.Attempts); // Its two attempts once more.
    }

    [Fact]
    public async Task A_letter_that_is_being_replayed_cannot_be_replayed()
    {
        var letter = await BuryAsync();
        var gate = _rig.Target.Hold();
        bool[] answers = await Task.WhenAll(
            _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping).AsTask(),
            _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping).AsTask());
        Assert.Single(answers, isReplayed => isReplayed);
        Assert.False(await _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping));
        gate.Open();
    }

    [Fact]
    public async Task A_task_that_is_no_dead_letter_cannot_be_replayed()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft());
        await _rig.EndedAsync(plan.Id);
        Assert.False(await _rig.Desk.ReplayAsync(new TaskKey(plan.Id, 1, 0), NodeRig.Stopping));
        Assert.False(await _rig.Desk.ReplayAsync(new TaskKey(plan.Id, 2, 0), NodeRig.Stopping));
    }

    [Fact]
    public async Task An_action_whose_connector_is_not_configured_is_a_dead_letter_that_names_the_setting()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(retriesMax: 3, action: new SlackAction("general", "[]")));
        var summary = await _rig.EndedAsync(plan.Id);
        Assert.Equal(1, Assert.Single(summary.Tasks).Attempts); // Trying again would not help.
        var letter = Assert.Single((await _rig.Desk.ListDeadAsync(null, 9, NodeRig.Stopping)).Items);
        Assert.Contains("connectors.slack.token", letter.LastError, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hook_that_fails_for_good_is_a_dead_letter_and_can_be_replayed()
    {
        PlanHook hook = new(HookTrigger.OnCompletion, new SlackAction("general", "[]"), 0);
        var plan = await _rig.SubmitAsync(_rig.Draft(hooks: hook));
        await _rig.EndedAsync(plan.Id);
        var letter = Assert.Single((await _rig.Desk.ListDeadAsync(null, 9, NodeRig.Stopping)).Items);
        Assert.Equal(new TaskKey(plan.Id, 1, 1), letter.Task.Key);
        Assert.True(await _rig.Desk.ReplayAsync(letter.Task.Key, NodeRig.Stopping));
        await Until.AskAsync(
            async () => await _rig.Desk.ListDeadAsync(null, 9, NodeRig.Stopping),
            page => page.Items.Count == 1 && page.Items[0].Task.Attempts == 2, "the hook failed again");
    }

    private async Task<DeadLetter> BuryAsync()
    {
        _rig.Target.Answer(500);
        var plan = await _rig.SubmitAsync(_rig.Draft(retriesMax: 1));
        await _rig.EndedAsync(plan.Id);
        return Assert.Single((await _rig.Desk.ListDeadAsync(null, 9, NodeRig.Stopping)).Items);
    }
}
