using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

/// <summary>When a submit is answered, and what becomes of one whose id is there already.</summary>
public sealed class SubmitTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const long Far = Now + 1_000_000_000;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void A_durable_submit_is_answered_when_it_is_durable_and_an_accepted_one_before()
    {
        _driver.HoldsCommits = true;
        var durable = _driver.Submit(new PlanDraft(_plan, Far));
        var accepted = _driver.Submit(new PlanDraft(PlanDraft.Plan(2), Far) { IsAccepted = true });
        _driver.Settle();
        Assert.Equal((null, ReplyCode.Ok), (durable.Code, accepted.Code));
        _driver.CommitAll();
        _driver.Settle();
        Assert.Equal(ReplyCode.Ok, durable.Code);
    }

    [Fact]
    public void An_accepted_plan_does_not_start_before_it_is_durable()
    {
        _driver.HoldsCommits = true;
        _driver.Submit(new PlanDraft(_plan, Now) { IsAccepted = true });
        _driver.Advance(100);
        Assert.Empty(_driver.Started);
    }

    [Fact]
    public void An_id_of_the_clients_choice_is_looked_for_in_the_tables()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Far) { MayExist = true });
        _driver.ProjectNow();
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);

        var again = _driver.Submit(new PlanDraft(_plan, Far) { MayExist = true });
        _driver.Settle();
        Assert.Equal(ReplyCode.AlreadyExists, again.Code);
        _driver.ProjectNow();
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void Two_submits_of_one_id_that_wait_for_the_tables_make_one_plan()
    {
        _driver.HoldsLoads = true;
        var first = _driver.Submit(new PlanDraft(_plan, Far) { MayExist = true });
        var second = _driver.Submit(new PlanDraft(_plan, Far) { MayExist = true });
        _driver.Settle();
        Assert.Equal((null, null), (first.Code, second.Code));
        while (_driver.HeldPageCount > 0)
            _driver.DeliverPage();
        _driver.Settle();
        Assert.Equal((ReplyCode.Ok, ReplyCode.AlreadyExists), (first.Code, second.Code));
    }

    [Fact]
    public void That_a_plan_exists_is_said_only_when_that_is_durable()
    {
        _driver.HoldsCommits = true;
        _driver.Submit(new PlanDraft(_plan, Far));
        _driver.Settle();
        var again = _driver.Submit(new PlanDraft(_plan, Far));
        _driver.Settle();
        Assert.Null(again.Code);
        _driver.CommitAll();
        _driver.Settle();
        Assert.Equal(ReplyCode.AlreadyExists, again.Code);
    }

    [Fact]
    public void A_failed_look_into_the_tables_is_no_answer_about_them()
    {
        _driver.LoadFailures = 1;
        var answer = _driver.Submit(new PlanDraft(_plan, Far) { MayExist = true });
        _driver.Settle();
        Assert.Equal(ReplyCode.Overloaded, answer.Code);
    }

    [Fact]
    public void Requests_that_come_together_are_taken_until_the_mailbox_is_full()
    {
        var inbox = new Karya.Engine.Shards.ShardInbox(capacity: 3, () => { });
        var commands = Enumerable.Range(1, 5)
            .Select(i => new PlanDraft(PlanDraft.Plan(i), Far).ToCommand(Now, 0, null)).ToArray();
        Assert.Equal(2, inbox.PostRequests(commands.AsSpan(0, 2)));
        Assert.Equal(1, inbox.PostRequests(commands.AsSpan(2)));
        Assert.Equal(0, inbox.PostRequests(commands.AsSpan(3)));
        inbox.Close();
        Assert.Equal(0, inbox.PostRequests(commands));
    }
}
