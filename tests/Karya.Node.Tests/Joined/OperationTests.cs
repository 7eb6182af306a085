using Karya.Engine;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Operations on dead letters in a cluster: any node tells of them, and one that stops leaves them.</summary>
[Trait("Needs", "process")]
public sealed class OperationTests : ClusterTest
{
    private const int Plans = 40;

    [Fact]
    public async Task An_operation_reaches_the_plans_of_all_nodes_and_any_node_tells_of_it()
    {
        var (first, _, second, _) = await StartTwoAsync();
        await BuryAsync(first, second);
        Rig.Target.Answer(200);

        var started = await first.Parts!.DeadLetters.StartAsync(
            new StartOperationRequest(
                DeadLetterVerb.Replay, new DeadLetterFilter(Failure: "http_5xx"), false, 0, false),
            Stopping);
        var ended = await Until.AskAsync(
            async () => await AskAsync(second, started.Id), operation => operation.HasEnded, "the operation ends");

        Assert.Equal(((long)Plans, (long)Plans, 0L), (ended.Matched, ended.Changed, ended.Passed));
        await Until.AskAsync(
            async () => (await second.Parts!.DeadLetters.ListAsync(
                new DeadLettersRequest(new DeadLetterFilter(), false, 100, null), Stopping)).Letters.Count,
            count => count == 0, "no dead letter is left");
    }

    [Fact]
    public async Task What_a_node_that_stops_has_begun_is_gone_on_with_by_another()
    {
        var (first, _, second, _) = await StartTwoAsync();
        await BuryAsync(first, second);
        var started = await first.Parts!.DeadLetters.StartAsync(
            new StartOperationRequest(
                DeadLetterVerb.Replay, new DeadLetterFilter(), true, StartOperationRequest.SpreadMsMax, false),
            Stopping);
        await Until.AskAsync(
            async () => await AskAsync(second, started.Id), operation => operation.Changed == 1, "it has begun");

        await first.StopAsync();
        var taken = await Until.AskAsync(
            async () => await AskAsync(second, started.Id), operation => operation.Changed == 2, "it goes on");

        Assert.Equal((OperationState.Running, second.Name), (taken.State, taken.Node));
        await second.Parts!.DeadLetters.OperationsAsync(new OperationsRequest(started.Id, true, 1), Stopping);
        var ended = await Until.AskAsync(
            async () => await AskAsync(second, started.Id), operation => operation.HasEnded, "it stops");
        Assert.Equal(OperationState.Stopped, ended.State);
    }

    private static async Task<OperationSnapshot> AskAsync(Node node, Guid id) =>
        (await node.Parts!.DeadLetters.OperationsAsync(new OperationsRequest(id, false, 1), Stopping)).Operations[0];

    private async Task BuryAsync(Node first, Node second)
    {
        await Rig.AddAnnAsync(first);
        Rig.Target.Answer(500);
        var plans = new List<PlanId>();
        for (int i = 0; i < Plans; i++)
            plans.Add((await (i % 2 == 0 ? first : second).Desk.SubmitAsync(Rig.Draft(1, "/x"), Stopping)).Id);
        await Until.AskAsync(
            async () => (await second.Parts!.DeadLetters.ListAsync(
                new DeadLettersRequest(new DeadLetterFilter(), false, 100, null), Stopping)).Letters.Count,
            count => count == Plans, "all have failed");
    }
}
