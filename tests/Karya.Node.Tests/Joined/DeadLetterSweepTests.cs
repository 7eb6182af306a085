using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;
using SlackAction = Karya.Node.Plans.SlackAction;

namespace Karya.Node.Tests.Joined;

/// <summary>Dead letters by filters: looked through, grouped, replayed and dropped many at once.</summary>
public sealed class DeadLetterSweepTests : IAsyncLifetime
{
    private static readonly DeadLetterFilter All = new();

    private NodeRig _rig = null!;

    private IDeadLetterDesk Dead => _rig.Node.Parts!.DeadLetters;

    public async ValueTask InitializeAsync() => _rig = await NodeRig.StartAsync();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_filter_finds_what_everything_in_it_applies_to()
    {
        var http = await BuryAsync(3);
        var slack = await BurySlackAsync(2);
        string host = _rig.Target.Authority;

        Assert.Equal(http, await FindAsync(new DeadLetterFilter(Connector: "rest")));
        Assert.Equal(slack, await FindAsync(new DeadLetterFilter(Connector: "slack")));
        Assert.Equal(http, await FindAsync(new DeadLetterFilter(Target: host.ToUpperInvariant())));
        Assert.Equal(http, await FindAsync(new DeadLetterFilter(Failure: "http_5xx")));
        Assert.Equal(slack, await FindAsync(new DeadLetterFilter(Failure: "not_configured")));
        Assert.Empty(await FindAsync(new DeadLetterFilter(Failure: "http_5xx", Connector: "slack")));
        Assert.Equal([http[1]], await FindAsync(new DeadLetterFilter(Plan: http[1].Value)));
        Assert.Equal(5, (await FindAsync(new DeadLetterFilter(User: _rig.Ann.Value))).Count);
        Assert.Empty(await FindAsync(new DeadLetterFilter(User: 7)));
        Assert.Equal(5, (await FindAsync(new DeadLetterFilter(SinceMs: 0, UntilMs: long.MaxValue))).Count);
        Assert.Empty(await FindAsync(new DeadLetterFilter(UntilMs: 1)));
    }

    [Fact]
    public async Task A_filtered_list_comes_page_by_page()
    {
        var http = await BuryAsync(3);
        await BurySlackAsync(2);
        var filter = new DeadLetterFilter(Connector: "rest");

        var first = await Dead.ListAsync(new DeadLettersRequest(filter, false, 2, null), NodeRig.Stopping);
        var second = await Dead.ListAsync(new DeadLettersRequest(filter, false, 2, first.Next), NodeRig.Stopping);

        Assert.Equal(http, first.Letters.Concat(second.Letters).Select(letter => new PlanId(letter.Plan)));
        Assert.Null(second.Next);
    }

    [Fact]
    public async Task Groups_count_what_has_one_cause()
    {
        await BuryAsync(3);
        await BurySlackAsync(2);

        var reply = await Dead.ListAsync(new DeadLettersRequest(All, true, 10, null), NodeRig.Stopping);

        Assert.Equal(
            [("rest", _rig.Target.Authority, "http_5xx", 3L), ("slack", "Slack", "not_configured", 2L)],
            reply.Groups.Select(group => (group.Connector, group.Target, group.Failure, group.Count)));
        Assert.Equal(5, reply.Looked);
        Assert.Contains("500", reply.Groups[0].Example.Error, StringComparison.Ordinal);
        Assert.Null(reply.Next);
    }

    [Theory]
    [InlineData("carrier-pigeon", null, "filter.connector")]
    [InlineData(null, "tired", "filter.failure")]
    public async Task A_filter_that_names_what_there_is_not_is_refused(string? connector, string? failure, string slot)
    {
        var filter = new DeadLetterFilter(Connector: connector, Failure: failure);
        var refusal = await Assert.ThrowsAsync<DeskException>(async () => await FindAsync(filter));
        Assert.Equal((ErrorCode.OutOfRange, slot), (refusal.Fault!.Code, refusal.Fault.Slot));
        Assert.Contains("it must be one of ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dropped_letter_is_gone_and_its_plan_shows_the_failure_still()
    {
        var plan = (await BuryAsync(1))[0];
        var request = new DeadLetterRequest(plan.Value, 1, 0, DeadLetterVerb.Drop);

        await Dead.ChangeAsync(request, NodeRig.Stopping);

        Assert.Empty(await FindAsync(All));
        Assert.Equal(PlanTaskState.Failure, Assert.Single((await _rig.SummarizeAsync(plan)).Tasks).State);
        var again = await Assert.ThrowsAsync<DeskException>(
            async () => await Dead.ChangeAsync(request, NodeRig.Stopping));
        Assert.Equal(ErrorCode.DeadLetterNotFound, again.Fault!.Code);

        _rig.Target.Answer(200);
        await Dead.ChangeAsync(request with { Verb = DeadLetterVerb.Replay }, NodeRig.Stopping);
        await Until.AskAsync(
            async () => await _rig.SummarizeAsync(plan),
            summary => summary.Tasks.Single().State == PlanTaskState.Success, "a dropped one is replayed by its key");
    }

    [Fact]
    public async Task All_of_a_filter_are_replayed_and_the_others_stay()
    {
        var http = await BuryAsync(150);
        var slack = await BurySlackAsync(2);
        _rig.Target.Answer(200);

        var ended = await RunAsync(new StartOperationRequest(
            DeadLetterVerb.Replay, new DeadLetterFilter(Failure: "http_5xx"), false, 0, false));

        Assert.Equal(
            (OperationState.Done, 150L, 150L, 0L), (ended.State, ended.Matched, ended.Changed, ended.Passed));
        Assert.Equal(slack, await FindAsync(All));
        foreach (var plan in http)
        {
            await Until.AskAsync(
                async () => await _rig.SummarizeAsync(plan),
                summary => summary.Tasks.Single().State == PlanTaskState.Success, "each replayed task succeeds");
        }
    }

    [Fact]
    public async Task All_of_a_filter_are_dropped()
    {
        await BuryAsync(3);
        var slack = await BurySlackAsync(2);

        var ended = await RunAsync(new StartOperationRequest(
            DeadLetterVerb.Drop, new DeadLetterFilter(Connector: "rest"), false, 0, false));

        Assert.Equal((OperationState.Done, 3L, 3L), (ended.State, ended.Matched, ended.Changed));
        Assert.Equal(slack, await FindAsync(All));
    }

    [Fact]
    public async Task A_dry_run_counts_and_changes_nothing()
    {
        await BuryAsync(3);

        var ended = await RunAsync(new StartOperationRequest(DeadLetterVerb.Drop, All, true, 0, true));

        Assert.Equal((OperationState.Done, 3L, 0L), (ended.State, ended.Matched, ended.Changed));
        Assert.Equal(3, (await FindAsync(All)).Count);
    }

    [Fact]
    public async Task What_is_spread_over_days_can_be_stopped()
    {
        await BuryAsync(3);
        var started = await Dead.StartAsync(
            new StartOperationRequest(
                DeadLetterVerb.Replay, All, true, StartOperationRequest.SpreadMsMax, false), NodeRig.Stopping);
        await Until.AskAsync(
            async () => await AskAsync(started.Id), operation => operation.Changed >= 1, "the first one is replayed");

        var asked = await Dead.OperationsAsync(new OperationsRequest(started.Id, true, 1), NodeRig.Stopping);
        Assert.True(asked.Operations[0].IsStopAsked);
        var ended = await EndAsync(started.Id);

        Assert.Equal((OperationState.Stopped, 3L, 1L), (ended.State, ended.Matched, ended.Changed));
    }

    [Fact]
    public async Task What_a_node_leaves_when_it_stops_goes_on_after_its_start()
    {
        await BuryAsync(3);
        var started = await Dead.StartAsync(
            new StartOperationRequest(
                DeadLetterVerb.Replay, All, true, StartOperationRequest.SpreadMsMax, false), NodeRig.Stopping);
        await Until.AskAsync(
            async () => await AskAsync(started.Id), operation => operation.Changed == 1, "the first one is replayed");
        await _rig.RestartAsync();

        await Until.AskAsync(
            async () => await AskAsync(started.Id), operation => operation.Changed == 2,
            "the next one is replayed, since what is left begins anew");
        await Dead.OperationsAsync(new OperationsRequest(started.Id, true, 1), NodeRig.Stopping);
        Assert.Equal(OperationState.Stopped, (await EndAsync(started.Id)).State);
    }

    [Fact]
    public async Task What_was_asked_to_stop_while_nobody_carried_it_out_changes_nothing_more()
    {
        await BuryAsync(3);
        var left = new OperationSnapshot(
            Uuid.ToGuid(5), DeadLetterVerb.Drop, All, OperationState.Running, false, 0, 3, 0, 0, 1, UpdatedMs: 0, false,
            "gone", null);
        _rig.Store.PutOperation(new Operation(left with { IsStopAsked = true }, Version: 0, Below: null).ToRow());

        var ended = await EndAsync(left.Id);

        Assert.Equal((OperationState.Stopped, 0L), (ended.State, ended.Changed));
        Assert.Equal(3, (await FindAsync(All)).Count);
    }

    [Fact]
    public async Task An_order_for_everything_has_to_say_so()
    {
        foreach (var verb in Enum.GetValues<DeadLetterVerb>())
        {
            var refusal = await Assert.ThrowsAsync<DeskException>(async () => await Dead.StartAsync(
                new StartOperationRequest(verb, All, false, 0, false), NodeRig.Stopping));
            Assert.Equal("filter", refusal.Fault!.Slot);
        }

        var spread = await Assert.ThrowsAsync<DeskException>(async () => await Dead.StartAsync(
            new StartOperationRequest(DeadLetterVerb.Drop, All, true, 1, false), NodeRig.Stopping));
        Assert.Equal("spread", spread.Fault!.Slot);
    }

    [Fact]
    public async Task An_operation_that_is_not_there_is_said_to_be_so()
    {
        foreach (bool stops in new[] { false, true })
        {
            var refusal = await Assert.ThrowsAsync<DeskException>(async () => await Dead.OperationsAsync(
                new OperationsRequest(Uuid.ToGuid(7), stops, 1), NodeRig.Stopping));
            Assert.Equal(ErrorCode.OperationNotFound, refusal.Fault!.Code);
        }
    }

    [Fact]
    public async Task A_store_that_is_away_for_a_while_only_delays_an_operation()
    {
        await BuryAsync(3);
        _rig.Target.Answer(200);
        var started = await Dead.StartAsync(
            new StartOperationRequest(DeadLetterVerb.Replay, All, true, 3000, false), NodeRig.Stopping);
        _rig.Store.FailsReads = true;
        await Until.TrueAsync(() => _rig.Store.Failures > 0, "the operation meets the failure");
        _rig.Store.FailsReads = false;

        var ended = await EndAsync(started.Id);
        Assert.Equal((OperationState.Done, 3L), (ended.State, ended.Changed + ended.Passed));
    }

    /// <summary>Newest first.</summary>
    private async Task<List<PlanId>> BuryAsync(int count)
    {
        _rig.Target.Answer(500);
        return await BuryAsync(count, () => _rig.Draft());
    }

    private Task<List<PlanId>> BurySlackAsync(int count) =>
        BuryAsync(count, () => _rig.Draft(action: new SlackAction("general", "[]")));

    private async Task<List<PlanId>> BuryAsync(int count, Func<PlanDraft> draft)
    {
        var plans = new List<PlanId>();
        for (int i = 0; i < count; i++)
            plans.Add((await _rig.SubmitAsync(draft())).Id);
        foreach (var plan in plans)
            await _rig.EndedAsync(plan);
        plans.Sort((left, right) => right.CompareTo(left));
        return plans;
    }

    private async Task<List<PlanId>> FindAsync(DeadLetterFilter filter)
    {
        var reply = await Dead.ListAsync(new DeadLettersRequest(filter, false, 1000, null), NodeRig.Stopping);
        return [.. reply.Letters.Select(letter => new PlanId(letter.Plan))];
    }

    private async Task<OperationSnapshot> RunAsync(StartOperationRequest request) =>
        await EndAsync((await Dead.StartAsync(request, NodeRig.Stopping)).Id);

    private Task<OperationSnapshot> EndAsync(Guid id) => Until.AskAsync(
        async () => await AskAsync(id), operation => operation.HasEnded, "the operation ends");

    private async Task<OperationSnapshot> AskAsync(Guid id) =>
        (await Dead.OperationsAsync(new OperationsRequest(id, false, 1), NodeRig.Stopping)).Operations[0];
}
