using Xunit;

namespace Karya.Node.Tests.Http.V1;

public sealed class ChainRulesTests
{
    private static readonly string Child = Requests.Smallest;
    private static readonly string Depth1 = Requests.WithAction(Requests.Chained(Child));
    private static readonly string Depth2 = Requests.WithAction(Requests.Chained(Depth1));
    private static readonly string Depth3 = Requests.WithAction(Requests.Chained(Depth2));

    private static readonly string HookThatChainsTwo = Requests.WithHook(Hook(Requests.Chained(Depth1)));

    public static TheoryData<string, string> TooDeep { get; } = new()
    {
        { "three levels of actions", Depth3 },
        { "a hook that chains three", Requests.WithHook(Hook(Requests.Chained(Depth2))) },
        { "an action whose plan's hook chains two", Requests.WithAction(Requests.Chained(HookThatChainsTwo)) },
        { "a hook whose plan's hook chains two", Requests.WithHook(Hook(Requests.Chained(HookThatChainsTwo))) },
    };

    public static TheoryData<string, string> RecurringChains { get; } = new()
    {
        { "at the top", Recurring(Depth1) },
        { "in the plan of an action", Requests.WithAction(Requests.Chained(Recurring(Depth1))) },
        { "in the plan of a hook", Requests.WithHook(Hook(Requests.Chained(Recurring(Depth1)))) },
        { "too deep as well, which is said second", Recurring(Depth3) },
    };

    public static TheoryData<string, string> Accepted { get; } = new()
    {
        { "two levels of actions", Depth2 },
        { "a hook that chains two", Requests.WithHook(Hook(Requests.Chained(Depth1))) },
        { "a recurring plan with a hook that chains", Recurring(Requests.WithHook(Hook(Requests.Chained(Child)))) },
        { "a recurring child without a chain", Requests.WithAction(Requests.Chained(Recurring(Child))) },
    };

    [Theory]
    [MemberData(nameof(TooDeep))]
    public async Task Depth_is_the_longest_way_through_actions_and_hooks(string name, string plan)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/plan", plan);

        Assert.Equal((name, 400, 0), (name, reply.Status, desk.Calls));
        Assert.Equal("Depth exceeded for chained request --- passed: 3 | allowed: 2", reply.Text);
    }

    [Theory]
    [MemberData(nameof(RecurringChains))]
    public async Task A_recurring_chain_is_refused_wherever_it_is(string name, string plan)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/plan", plan);

        Assert.Equal((name, 400, 0), (name, reply.Status, desk.Calls));
        Assert.Equal("Chained requests cannot be recurring", reply.Text);
    }

    [Theory]
    [MemberData(nameof(Accepted))]
    public async Task What_keeps_to_the_rules_is_accepted(string name, string plan)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/v1/plan", plan);

        Assert.Equal((name, 200), (name, reply.Status));
    }

    [Fact]
    public async Task Without_strict_recurring_chains_are_accepted_and_depth_still_counts()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), strict: false);

        Assert.Equal(200, (await host.PostAsync("/v1/plan", Recurring(Depth2))).Status);
        Assert.Equal(400, (await host.PostAsync("/v1/plan", Recurring(Depth3))).Status);
    }

    [Fact]
    public async Task The_rules_come_before_the_question_who_the_user_is()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        const string Nobody = "00000000-0000-4000-8000-000000000000";
        string unknown = Recurring(Depth3).Replace(FakeDesk.Mira.ToString(), Nobody, StringComparison.Ordinal);

        Assert.Equal("Chained requests cannot be recurring", (await host.PostAsync("/v1/plan", unknown)).Text);
    }

    [Fact]
    public async Task A_chain_as_deep_as_json_may_be_nested_is_still_read_to_its_end()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), depthMax: 30);
        string plan = Child;
        for (int depth = 0; depth < 30; depth++)
            plan = Child.Replace(RestAction, Requests.Chained(plan), StringComparison.Ordinal);

        Assert.Equal(200, (await host.PostAsync("/v1/plan", plan)).Status);
    }

    private const string RestAction = """{"type":"karya.core.entities.Action.RestApiRequest","base_url":"h/x"}""";

    private static string Hook(string action) => $$"""{"trigger":"ON_FAILURE","action":{{action}}}""";

    private static string Recurring(string plan)
    {
        int at = plan.IndexOf(Requests.OneTime, StringComparison.Ordinal);
        return plan[..at] + Requests.Recurring("null") + plan[(at + Requests.OneTime.Length)..];
    }
}
