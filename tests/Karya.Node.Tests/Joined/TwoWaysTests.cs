using System.Text;
using System.Text.Json;
using Karya.Node.Plans;
using Karya.Node.Tests.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Plans that came in one way are shown and changed the other way.</summary>
public sealed class TwoWaysTests(SharedNode node) : IClassFixture<SharedNode>
{
    private static readonly HttpClient Browser = new();

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task V1_shows_what_came_over_the_wire()
    {
        await using var peer = await node.GreetedAsync();
        var chained = Frames.Far(node.User, Frames.Task(), new HookMessage(HookEvent.Completion, 1, Frames.Rest()));
        (ActionMessage Action, string Shows)[] actions =
        [
            (Frames.Rest(), "\"base_url\":\"127.0.0.1:9/some/path?and=query\""), (Frames.Task(), "resize-image"),
            (new ChainAction(chained), "ChainedRequest"),
        ];
        foreach (var (action, shows) in actions)
        {
            var plan = await SubmitAsync(peer, Frames.Far(
                node.User, action, new HookMessage(HookEvent.Failure, 2, Frames.Rest())));
            string text = await GetAsync(plan);
            Assert.Contains(shows, text, StringComparison.Ordinal);
            Assert.Contains("\"description\":\"a plan for the far future\"", text, StringComparison.Ordinal);
            Assert.Contains("\"period_time\":\"P30D\"", text, StringComparison.Ordinal);
            Assert.Contains("\"trigger\":\"ON_FAILURE\"", text, StringComparison.Ordinal);
        }

        foreach (var schedule in new ScheduleMessage[]
        {
            new ScheduleMessage.At(0), new ScheduleMessage.At(4_000_000_000_000),
            new ScheduleMessage.Every(1, 4_000_000_000_000, null), new ScheduleMessage.Every(60_000, null, 0),
            new ScheduleMessage.Cron("30 2 1 1 *", "Europe/Berlin", null),
        })
        {
            await GetAsync(await SubmitAsync(peer, Frames.Far(node.User) with { Schedule = schedule }));
        }
    }

    [Fact]
    public async Task The_wire_shows_what_came_over_v1()
    {
        await using var peer = await node.GreetedAsync();
        (string Action, Type Kind)[] actions =
        [
            (Rest("\"x\""), typeof(Protocol.Messages.RestAction)),
            ("""{"type":"karya.core.entities.Action.SlackMessageRequest","channel":"C","message":"a\u0000b"}""",
                typeof(Protocol.Messages.SlackAction)),
            ("""
             {"type":"karya.core.entities.Action.EmailRequest","recipient":"a@b.c","subject":"s","message":"m"}
             """, typeof(Protocol.Messages.EmailAction)),
            ("""
             {"type":"karya.core.entities.Action.KafkaProducerRequest","topic":"t","key":"k\u0000","message":"m\u0000"}
             """, typeof(Protocol.Messages.KafkaAction)),
            (Chained(Plan(Rest("null"))), typeof(ChainAction)),
        ];
        foreach (var (action, kind) in actions)
        {
            var plan = await PostAsync(Plan(action));
            var snapshot = (await peer.AskAsync(2, new GetRequest(plan))).As<PlanDetails>().Plan;
            Assert.IsType(kind, snapshot.Content.Action);
            Assert.Equal(new ScheduleMessage.At(snapshot.CreatedMs + 3_600_000), snapshot.Schedule);
        }
    }

    [Theory]
    [InlineData("-9223372036854775808", 0)]
    [InlineData("9223372036854775807", ProtocolLimits.InstantMsMax)]
    [InlineData("4000000000000", 4_000_000_000_000)]
    public async Task An_end_that_the_wire_cannot_say_is_shown_as_the_nearest_that_it_can(string endAt, long expected)
    {
        await using var peer = await node.GreetedAsync();
        string child = Plan(Rest("null"), Type("Recurring", $",\"end_at\":{endAt}"));
        var plan = await PostAsync(Plan(Chained(child)));
        var snapshot = (await peer.AskAsync(2, new GetRequest(plan))).As<PlanDetails>().Plan;
        var chained = Assert.IsType<ChainAction>(snapshot.Content.Action).Plan;
        Assert.Equal(expected, Assert.IsType<ScheduleMessage.Every>(chained.Schedule).EndMs);
    }

    [Fact]
    public async Task Either_way_changes_plans_of_the_other()
    {
        await using var peer = await node.GreetedAsync();
        var hook = new HookMessage(HookEvent.Failure, 3, Frames.Task("cleanup"));
        string recurring = Type("Recurring", "");
        var everyMinute = new ScheduleMessage.Every(60_000, null, null);
        string completion = $$"""{"trigger":"ON_COMPLETION","max_retry":1,"action":{{Rest("null")}}}""";
        foreach (var plan in new[]
        {
            await PostAsync(Plan(Rest("\"a\\u0000b\""), recurring)),
            await SubmitAsync(peer, Frames.Far(node.User) with { Schedule = everyMinute }),
        })
        {
            var reply = (await peer.AskAsync(2, new UpdateRequest(plan, 120_000, 5, [hook]))).As<PlanSnapshot>();
            Assert.Equal("cleanup", Assert.IsType<TaskAction>(Assert.Single(reply.Content.Hooks).Action).Name);
            Assert.Contains("cleanup", await GetAsync(plan), StringComparison.Ordinal);

            using var patch = await Browser.PatchAsync(
                new Uri(node.Rig.Node.Addresses.Http, $"/v1/plan/{Uuids.ToGuid(plan)}"),
                Json($$"""{"period_time":"PT1H","hooks":[{{completion}}]}"""),
                Stopping);
            Assert.True(patch.IsSuccessStatusCode, await patch.Content.ReadAsStringAsync(Stopping));
            var snapshot = (await peer.AskAsync(2, new GetRequest(plan))).As<PlanDetails>().Plan;
            Assert.Equal(3_600_000, Assert.IsType<ScheduleMessage.Every>(snapshot.Schedule).PeriodMs);
            Assert.Equal(HookEvent.Completion, Assert.Single(snapshot.Content.Hooks).Event);
            Assert.Equal(5, snapshot.Retries);
        }
    }

    [Fact]
    public async Task An_update_that_would_leave_a_plan_unreadable_is_refused_and_changes_nothing()
    {
        var draft = node.Rig.Draft(3_600_000);
        for (int depth = 1; depth <= ProtocolLimits.ChainDepthMax; depth++)
            draft = node.Rig.Draft(3_600_000, action: new ChainedAction(draft));
        var plan = await node.Rig.SubmitAsync(draft);
        await using var peer = await node.GreetedAsync();
        var hook = new HookMessage(HookEvent.Failure, 3, Frames.Task("cleanup"));
        Assert.True((await peer.AskAsync(2, new UpdateRequest(plan.Id.Value, null, null, [hook]))).IsError);
        Assert.Empty((await node.Rig.GetAsync(plan.Id)).Plan.Body.Hooks);
    }

    private static async Task<UInt128> SubmitAsync(PipePeer peer, PlanMessage plan) =>
        (await peer.AskAsync(1, new SubmitRequest(plan, Durability.Durable, null))).As<SubmitReply>().Plan;

    private async Task<string> GetAsync(UInt128 plan)
    {
        var (status, text) = await node.Rig.HttpAsync($"/v1/plan/{Uuids.ToGuid(plan)}");
        Assert.True(status == 200, text);
        return text;
    }

    private async Task<UInt128> PostAsync(string plan)
    {
        using var reply = await Browser.PostAsync(
            new Uri(node.Rig.Node.Addresses.Http, "/v1/plan"), Json(plan), Stopping);
        string text = await reply.Content.ReadAsStringAsync(Stopping);
        Assert.True(reply.IsSuccessStatusCode, text);
        using var document = JsonDocument.Parse(text);
        return Uuids.ToNumber(document.RootElement.GetProperty("id").GetGuid());
    }

    private static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    private string Plan(string action, string? type = null) => $$"""
        {"user_id":"{{Uuids.ToGuid(node.User)}}","description":"d","period_time":"PT1H",
        "plan_type":{{type ?? Type("OneTime", "")}},"action":{{action}}}
        """;

    private static string Type(string name, string more) =>
        $$"""{"type":"karya.core.entities.PlanType.{{name}}"{{more}}}""";

    private static string Chained(string plan) =>
        $$"""{"type":"karya.core.entities.Action.ChainedRequest","request":{{plan}}}""";

    private static string Rest(string body) => body == "null"
        ? """{"type":"karya.core.entities.Action.RestApiRequest","base_url":"127.0.0.1:9/x"}"""
        : $$$"""
          {"type":"karya.core.entities.Action.RestApiRequest","base_url":"127.0.0.1:9/x","method":"POST",
          "body":{"type":"karya.core.entities.http.Body.JsonBody","json_string":{{{body}}}}}
          """;
}
