using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Execution;

public sealed class ChainedConnectorTests
{
    private static readonly PlanDraft Child = new(
        new UserId(1), new PlanBody("child", "PT5S", new SlackAction("c", "[]"), []), 5000, false, null, 3);

    private static readonly Attempt First = new(new TaskKey(new PlanId(7), 1, 0), default, 0, 1, 1, 1, 1000, 1000);

    [Fact]
    public async Task The_child_is_submitted_for_the_attempt()
    {
        (Attempt, PlanDraft)? submitted = null;
        var outcome = await RunAsync((attempt, draft, _) =>
        {
            submitted = (attempt, draft);
            return ValueTask.FromResult<string?>(null);
        });

        Assert.Equal(Outcome.Success, outcome);
        Assert.Equal((First, Child), submitted);
    }

    [Fact]
    public async Task A_child_that_is_not_accepted_fails_the_attempt() => Assert.Equal(
        Outcome.Failed(FailureClass.ChainedPlan, "Chained plan failed --- error : User (1) not found"),
        await RunAsync((_, _, _) => ValueTask.FromResult<string?>("User (1) not found")));

    [Fact]
    public async Task A_submit_that_throws_fails_the_attempt() => Assert.Equal(
        Outcome.Failed(FailureClass.ChainedPlan, "Chained plan failed --- error : The queue is full."),
        await RunAsync((_, _, _) => throw new DeskException(DeskError.Overloaded, "The queue is full.")));

    [Fact]
    public async Task A_stopping_node_ends_the_submit_and_says_so()
    {
        using var stop = new CancellationTokenSource();
        var connector = new ChainedConnector(async (_, _, stopping) =>
        {
            await Task.Delay(Timeout.Infinite, stopping);
            return null;
        });
        var run = connector.RunAsync(First, new ChainedAction(Child), stop.Token).AsTask();
        await stop.CancelAsync();
        Assert.Equal(Outcome.NodeStopped, await Expect.SoonAsync(run, "the attempt ends"));
    }

    private static async Task<Outcome> RunAsync(SubmitChild submit) =>
        await new ChainedConnector(submit).RunAsync(First, new ChainedAction(Child), CancellationToken.None);
}
