using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;
using SlackAction = Karya.Node.Plans.SlackAction;

namespace Karya.Node.Tests.Joined;

public sealed class DeadLetterTests : IAsyncLifetime
{
    private NodeRig _rig = null!;

    private IDeadLetterDesk Dead => _rig.Node.Parts!.DeadLetters;

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
        byte[]? cursor = null;
        do
        {
            var page = await Dead.ListAsync(
                new DeadLettersRequest(new DeadLetterFilter(), false, 2, cursor), NodeRig.Stopping);
            seen.AddRange(page.Letters.Select(letter => new PlanId(letter.Plan)));
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(plans, seen);
    }

    [Fact]
    public async Task A_replayed_letter_that_succeeds_is_gone_and_its_plan_shows_the_success()
    {
        var letter = await BuryAsync();
        Assert.Contains("500", letter.Error, StringComparison.Ordinal);
        Assert.Equal(2, letter.Attempts);

        _rig.Target.Answer(200);
        Assert.True(await ReplayAsync(letter));
        var summary = await Until.AskAsync(
            async () => await _rig.SummarizeAsync(new PlanId(letter.Plan)),
            summary => summary.Tasks.Single().State == PlanTaskState.Success,
            "the replayed task succeeds");
        Assert.Equal(3, summary.Tasks.Single().Attempts);
        Assert.Empty(await ListAsync());
        Assert.False(await ReplayAsync(letter));
    }

    [Fact]
    public async Task A_replayed_letter_that_fails_again_is_listed_again()
    {
        var letter = await BuryAsync();
        Assert.True(await ReplayAsync(letter));
        var page = await Until.AskAsync(
            async () => await ListAsync(),
            page => page.Count == 1, "the letter is back");
        Assert.Equal(4, page[0].Attempts); // Its two attempts once more.
    }

    [Fact]
    public async Task A_letter_that_is_being_replayed_cannot_be_replayed()
    {
        var letter = await BuryAsync();
        var gate = _rig.Target.Hold();
        bool[] answers = await Task.WhenAll(
            ReplayAsync(letter),
            ReplayAsync(letter));
        Assert.Single(answers, isReplayed => isReplayed);
        Assert.False(await ReplayAsync(letter));
        gate.Open();
    }

    [Fact]
    public async Task A_task_that_is_no_dead_letter_cannot_be_replayed()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft());
        await _rig.EndedAsync(plan.Id);
        Assert.False(await ReplayAsync(plan.Id, 1));
        Assert.False(await ReplayAsync(plan.Id, 2));
    }

    [Fact]
    public async Task An_action_whose_connector_is_not_configured_is_a_dead_letter_that_names_the_setting()
    {
        var plan = await _rig.SubmitAsync(_rig.Draft(retriesMax: 3, action: new SlackAction("general", "[]")));
        var summary = await _rig.EndedAsync(plan.Id);
        Assert.Equal(1, Assert.Single(summary.Tasks).Attempts); // Trying again would not help.
        var letter = Assert.Single(await ListAsync());
        Assert.Contains("connectors.slack.token", letter.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hook_that_fails_for_good_is_a_dead_letter_and_can_be_replayed()
    {
        PlanHook hook = new(HookTrigger.OnCompletion, new SlackAction("general", "[]"), 0);
        var plan = await _rig.SubmitAsync(_rig.Draft(hooks: hook));
        await _rig.EndedAsync(plan.Id);
        var letter = Assert.Single(await ListAsync());
        Assert.Equal((plan.Id.Value, 1L, 1), (letter.Plan, letter.Occurrence, letter.Hook));
        Assert.True(await ReplayAsync(letter));
        await Until.AskAsync(
            async () => await ListAsync(),
            page => page.Count == 1 && page[0].Attempts == 2, "the hook failed again");
    }

    private async Task<DeadLetterSnapshot> BuryAsync()
    {
        _rig.Target.Answer(500);
        var plan = await _rig.SubmitAsync(_rig.Draft(retriesMax: 1));
        await _rig.EndedAsync(plan.Id);
        return Assert.Single(await ListAsync());
    }

    private async Task<IReadOnlyList<DeadLetterSnapshot>> ListAsync(DeadLetterFilter? filter = null)
    {
        var request = new DeadLettersRequest(filter ?? new DeadLetterFilter(), false, 100, null);
        return (await Dead.ListAsync(request, NodeRig.Stopping)).Letters;
    }

    private Task<bool> ReplayAsync(DeadLetterSnapshot letter) =>
        ReplayAsync(new PlanId(letter.Plan), letter.Occurrence, letter.Hook);

    private Task<bool> ReplayAsync(PlanId plan, long occurrence, int hook = 0) =>
        ChangeAsync(plan, occurrence, hook, DeadLetterVerb.Replay);

    private async Task<bool> ChangeAsync(PlanId plan, long occurrence, int hook, DeadLetterVerb verb)
    {
        try
        {
            await Dead.ChangeAsync(new DeadLetterRequest(plan.Value, occurrence, hook, verb), NodeRig.Stopping);
            return true;
        }
        catch (DeskException e) when (e.Fault?.Code == ErrorCode.DeadLetterNotFound)
        {
            return false;
        }
    }
}
