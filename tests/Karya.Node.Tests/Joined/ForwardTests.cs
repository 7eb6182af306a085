using System.Globalization;
using Karya.Client;
using Karya.Engine;
using Karya.Node.Network;
using Karya.Node.Plans;
using Karya.Node.Storage.Postgres;
using Karya.Node.Tests.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;
using PlanState = Karya.Engine.PlanState;
using PlanView = Karya.Node.Plans.PlanView;
using RestAction = Karya.Node.Plans.RestAction;

namespace Karya.Node.Tests.Joined;

/// <summary>Any node serves any request, also while partitions move.</summary>
[Trait("Needs", "process")]
public sealed class ForwardTests : ClusterTest
{
    [Fact]
    public async Task What_one_node_acknowledged_is_at_once_visible_and_changed_at_the_other()
    {
        var (first, second) = await TwoAsync();
        for (int i = 0; i < 10; i++)
        {
            var plan = await first.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping);

            Assert.Equal(plan.Id, (await second.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.Id);
            Assert.Equal(i + 1, (await second.Desk.ListAsync(Rig.Ann, 0, 100, Stopping)).Total);
            var change = new PlanChange("PT2H", 7_200_000, null, null);
            Assert.Equal("PT2H", (await second.Desk.UpdateAsync(plan.Id, change, Stopping))!.Body.PeriodText);
            Assert.Equal("PT2H", (await first.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.Body.PeriodText);
            Assert.Equal(PlanState.Cancelled, (await second.Desk.CancelAsync(plan.Id, Stopping))!.State);
            Assert.Equal(PlanState.Cancelled, (await first.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.State);
        }

        var triggered = await first.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping);
        Assert.NotNull(await second.Desk.TriggerAsync(triggered.Id, Stopping));
        await Until.TrueAsync(
            () => Rig.Calls.Any(call => call.Plan == triggered.Id.ToString()), "the plan runs that was triggered");
    }

    [Fact]
    public async Task Http_is_served_by_any_node()
    {
        var (first, second) = await TwoAsync();
        for (int i = 0; i < 10; i++)
        {
            var plan = await first.Desk.SubmitAsync(Rig.Draft(3_600_000, description: $"number {i}"), Stopping);

            var (status, text) = await PostgresRig.HttpAsync(second, $"/v1/plan/{plan.Id}");
            Assert.Equal(200, status);
            Assert.Contains($"number {i}", text, StringComparison.Ordinal);
            (status, text) = await PostgresRig.HttpAsync(second, $"/v1/plan/{plan.Id}/summary");
            Assert.Equal(200, status);
            Assert.Contains($"number {i}", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_plan_with_a_key_is_one_plan_whichever_nodes_are_asked()
    {
        var (first, second) = await TwoAsync();
        await using var one = await KaryaClient.ConnectAsync($"karya://{first.Addresses.Tcp}", Stopping);
        await using var other = await KaryaClient.ConnectAsync($"karya://{second.Addresses.Tcp}", Stopping);

        for (int i = 0; i < 20; i++)
        {
            var plan = new Plan
            {
                Name = "keyed",
                Action = KaryaAction.Http(HttpMethod.Get, $"http://{Rig.Target.Authority}/keyed"),
                User = Rig.Ann.ToGuid(),
                Schedule = Schedule.After(TimeSpan.FromHours(1)),
                IdempotencyKey = string.Create(CultureInfo.InvariantCulture, $"order-{i}"),
            };
            var here = await one.SubmitAsync(plan, Stopping);
            var there = await other.SubmitAsync(plan, Stopping);

            Assert.Equal((here.Id, false, true), (there.Id, here.Existed, there.Existed));
        }
    }

    [Fact]
    public async Task An_attempt_whose_partition_moves_while_it_runs_is_not_repeated_and_its_end_counts()
    {
        var (first, firstStore) = await StartAsync("a");
        await OwnsAsync(firstStore, All);
        await Rig.AddAnnAsync(first);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Rig.Called = _ => gate.Task;
        var plans = new List<PlanView>();
        for (int i = 0; i < 8; i++)
            plans.Add(await first.Desk.SubmitAsync(Rig.Draft(1), Stopping));
        await Until.TrueAsync(() => Rig.Calls.Count == 8, "all attempts run");

        var (second, secondStore) = await StartAsync("b");
        await OwnsAsync(secondStore, All / 2);
        var stopped = first.StopAsync();
        await OwnsAsync(secondStore, All);
        gate.SetResult();
        await stopped;

        foreach (var plan in plans)
        {
            await Until.AskAsync(
                async () => (await second.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.State,
                state => state == PlanState.Completed, "the end of the attempt counts at the next owner");
        }

        Assert.Equal(8, Rig.Calls.Count);
    }

    /// <summary>Seed 1795830692225 of Tiny: nobody was left to take the ends; attempts were made again.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task When_all_nodes_stop_at_once_what_runs_is_not_repeated_and_its_end_counts(int nodeCount)
    {
        var nodes = new List<(Node Node, PostgresStore Store)>();
        for (int i = 0; i < nodeCount; i++)
            nodes.Add(await StartAsync(string.Create(CultureInfo.InvariantCulture, $"n{i}")));
        await Until.TrueAsync(
            () => nodes.All(node => node.Store.Owned.Count >= All / nodeCount), "each node has its part");
        await Rig.AddAnnAsync(nodes[0].Node);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Rig.Called = _ => gate.Task;
        var plans = new List<PlanView>();
        for (int i = 0; i < 8; i++)
            plans.Add(await nodes[i % nodeCount].Node.Desk.SubmitAsync(Rig.Draft(1), Stopping));
        await Until.TrueAsync(() => Rig.Calls.Count == 8, "all attempts run");

        var stopped = nodes.Select(node => node.Node.StopAsync()).ToArray();
        await Until.TrueAsync(() => nodes.All(node => node.Store.Owned.Count == 0), "nobody has any partition");
        gate.SetResult();
        await Task.WhenAll(stopped);

        var (next, _) = await StartAsync("next");
        foreach (var plan in plans)
        {
            await Until.AskAsync(
                async () => (await next.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.State,
                state => state == PlanState.Completed, "the end of the attempt was recorded before the stop");
        }

        Assert.Equal(8, Rig.Calls.Count);
    }

    [Fact]
    public async Task Requests_go_through_while_partitions_move_to_a_new_node_and_back()
    {
        var (first, firstStore) = await StartAsync("a");
        await OwnsAsync(firstStore, All);
        await Rig.AddAnnAsync(first);
        using var stop = new CancellationTokenSource();
        var plans = new List<PlanView>();
        for (int i = 0; i < 20; i++)
            plans.Add(await first.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping));
        var asking = Task.Run(async () =>
        {
            int asked = 0;
            for (; !stop.IsCancellationRequested; asked++)
            {
                string period = string.Create(CultureInfo.InvariantCulture, $"PT{asked + 1}H");
                var change = new PlanChange(period, (asked + 1) * 3_600_000L, null, null);
                var plan = await first.Desk.UpdateAsync(plans[asked % plans.Count].Id, change, CancellationToken.None);
                Assert.Equal(period, plan!.Body.PeriodText);
            }

            return asked;
        }, Stopping);

        var (second, secondStore) = await StartAsync("b");
        await OwnsAsync(secondStore, All / 2);
        await second.StopAsync();
        await OwnsAsync(firstStore, All);
        await stop.CancelAsync();

        Assert.True(await asking > 10);
    }

    [Fact]
    public async Task Updates_of_one_plan_at_two_nodes_are_all_in_it()
    {
        var (first, second) = await TwoAsync();
        for (int i = 0; i < 20; i++)
        {
            var plan = await first.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping);
            var hook = new PlanHook(
                HookTrigger.OnFailure, new RestAction(false, Rig.Target.Authority, "GET", [], null, 5000), 0);

            await Task.WhenAll(
                first.Desk.UpdateAsync(plan.Id, new PlanChange("PT2H", 7_200_000, null, null), Stopping).AsTask(),
                second.Desk.UpdateAsync(plan.Id, new PlanChange(null, null, null, [hook]), Stopping).AsTask());

            var body = (await first.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.Body;
            Assert.Equal(("PT2H", 1), (body.PeriodText, body.Hooks.Count));
        }
    }

    [Fact]
    public async Task What_a_node_that_is_cut_off_had_acknowledged_is_read_at_the_other_as_it_was()
    {
        var (first, firstStore) = await StartAsync("a", throughProxy: true);
        await OwnsAsync(firstStore, All);
        await Rig.AddAnnAsync(first);
        var (second, secondStore) = await StartAsync("b");
        await OwnsAsync(secondStore, All / 2);
        await OwnsAsync(firstStore, All / 2);
        var plans = new List<PlanView>();
        for (int i = 0; i < 20; i++)
            plans.Add(await first.Desk.SubmitAsync(Rig.Draft(3_600_000), Stopping));

        Rig.Proxy.RefuseNew();
        Rig.Proxy.DropAll();
        foreach (var plan in plans)
            Assert.Equal(plan.Id, (await second.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.Id);
        foreach (var plan in plans)
            Assert.Equal(PlanState.Cancelled, (await second.Desk.CancelAsync(plan.Id, Stopping))!.State);
        Assert.Equal(20, (await second.Desk.ListAsync(Rig.Ann, 0, 100, Stopping)).Total);
        Rig.Proxy.ReleaseAll();
        await OwnsAsync(firstStore, All / 2);
        foreach (var plan in plans)
            Assert.Equal(PlanState.Cancelled, (await first.Desk.GetAsync(plan.Id, Stopping))!.Value.Plan.State);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("guessed")]
    public async Task Who_does_not_know_the_secret_of_the_cluster_is_no_node_of_it(string? token)
    {
        var (first, _) = await StartAsync("a");
        await using var peer = await SocketPeer.ConnectAsync(first.Addresses.Tcp);
        (await peer.AnswerAsync(1, new Hello(1, 1, "node b", token))).As<Welcome>();

        foreach (var answer in (Received[])[
            await peer.AnswerAsync(2, new ForwardRequest([1])), await peer.AnswerAsync(3, new CatchUpRequest([0]))])
        {
            Assert.Equal(ErrorCode.UnknownOpcode, answer.Error.Code);
        }
    }

    [Fact]
    public async Task What_a_node_cannot_do_for_another_is_refused_and_says_why()
    {
        var (first, store) = await StartAsync("a");
        await OwnsAsync(store, All);
        await using var peer = await SocketPeer.ConnectAsync(first.Addresses.Tcp);
        (await peer.AnswerAsync(1, new Hello(1, 1, "node b", store.Secret))).As<Welcome>();

        Assert.Equal(ErrorCode.Malformed, (await peer.AnswerAsync(2, new ForwardRequest([1]))).Error.Code);
        var cancel = new Command { Kind = CommandKind.Cancel, Key = new TaskKey(new PlanId(1), 0, 0) };
        var misplaced = cancel with { Partition = All };
        var answer = await peer.AnswerAsync(3, new ForwardRequest(PeerCommand.Write(misplaced)));
        Assert.Equal(ErrorCode.Malformed, answer.Error.Code);
        Assert.Equal(ErrorCode.OutOfRange, (await peer.AnswerAsync(4, new CatchUpRequest([All]))).Error.Code);
        await Until.AskAsync(
            async () => await peer.AnswerAsync(5, new CatchUpRequest([0, All - 1])),
            caughtUp => caughtUp.Opcode == CatchUpReply.Opcode, "the partitions are here");

        Board.IsDown = true;
        var (second, _) = await StartAsync("b"); // It gets nothing without a board.
        await using var other = await SocketPeer.ConnectAsync(second.Addresses.Tcp);
        (await other.AnswerAsync(1, new Hello(1, 1, "node a", store.Secret))).As<Welcome>();
        Assert.Equal(ErrorCode.NotOwner, (await other.AnswerAsync(2, new CatchUpRequest([0]))).Error.Code);
        cancel.Partition = PartitionHash.Of(1, All);
        Assert.Equal(
            ErrorCode.NotOwner, (await other.AnswerAsync(3, new ForwardRequest(PeerCommand.Write(cancel)))).Error.Code);
    }

    private async Task<(Node First, Node Second)> TwoAsync()
    {
        var (first, _, second, _) = await StartTwoAsync();
        await Rig.AddAnnAsync(first);
        return (first, second);
    }
}
