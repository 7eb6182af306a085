using System.Text;
using System.Text.Json;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Http.Api;

public sealed class PlanRoutesTests : IAsyncLifetime
{
    private const string User = "5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10";

    private readonly FakeDesk _desk = new();
    private ApiHost _host = null!;

    public async ValueTask InitializeAsync() => _host = await ApiHost.StartAsync(_desk);

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Fact]
    public async Task A_plan_becomes_the_same_message_that_the_wire_has()
    {
        var reply = await PostAsync(
            """
            {"user_id":"USER","name":"nightly","schedule":{"cron":"30 2 * * *","zone":"Europe/Berlin",
              "end":"2027-12-31T00:00:00+01:00"},
             "action":{"kind":"http","method":"POST","url":"https://crm.local/sync","headers":{"x-a":"1"},
              "body":"{}","timeout":"PT30S"},
             "retries":5,"retry_delay":"PT2S","retry_delay_max":"PT1M","missed":"all","durability":"accepted",
             "hooks":[{"on":"failure","retries":1,"action":{"kind":"task","name":"alarm","arguments":{"a":[1, 2]}}},
              {"on":"completion","action":{"kind":"chain","plan":{"user_id":"USER","schedule":{"after":"PT5M"},
               "action":{"kind":"http","url":"http://h/x"}}}}]}
            """,
            ("Idempotency-Key", "\"order-7\""));

        Assert.Equal(201, reply.Status);
        Assert.Equal(
            """{"id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11","existed":false,"durability":"accepted"}""", reply.Text);
        Assert.Equal("/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", reply.Header("Location"));
        Assert.Equal(("order-7", true), (_desk.Wire.Key, _desk.Wire.IsAccepted));

        var user = Uuids.ToNumber(Guid.Parse(User));
        var chained = new PlanMessage(
            user, new ScheduleMessage.After(300_000), new PolicyMessage(3, null, null, MissedRuns.Once),
            new ContentMessage("", new RestAction("GET", "http://h/x", [], null, 0), []));
        var expected = new PlanMessage(
            user,
            new ScheduleMessage.Cron("30 2 * * *", "Europe/Berlin", 1_830_207_600_000),
            new PolicyMessage(5, 2000, 60_000, MissedRuns.All),
            new ContentMessage(
                "nightly",
                new RestAction("POST", "https://crm.local/sync", [new("x-a", "1")], "{}", 30_000),
                [
                    new HookMessage(
                        HookEvent.Failure, 1, new TaskAction("alarm", Encoding.UTF8.GetBytes("{\"a\":[1, 2]}"), 0)),
                    new HookMessage(HookEvent.Completion, 3, new ChainAction(chained)),
                ]));
        Assert.Equal(Convert.ToHexString(BytesOf(expected)), Convert.ToHexString(_desk.Wire.Plan));
    }

    [Fact]
    public async Task A_plan_needs_little_and_one_that_was_there_is_answered_with_200()
    {
        var reply = await PostAsync(
            """{"user_id":"USER","action":ACTION,"id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11"}""",
            ("Idempotency-Key", "again"));
        Assert.Equal(200, reply.Status);
        Assert.Contains("\"existed\":true,\"durability\":\"durable\"", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"action":ACTION}""", "MALFORMED", "user_id", "missing")]
    [InlineData("""{"user_id":"x","action":ACTION}""", "INVALID_ID", "user_id", "\"x\"")]
    [InlineData("""{"user_id":"USER"}""", "MALFORMED", "action", "missing")]
    [InlineData("""{"user_id":"USER","action":ACTION,"retires":1}""", "UNKNOWN_FIELD", "retires", "retries")]
    [InlineData("""{"user_id":"USER","action":ACTION,"name":"a","name":"b"}""", "DUPLICATE_FIELD", "name", "twice")]
    [InlineData("""{"user_id":"USER","action":{"kind":"fax"}}""", "UNKNOWN_ACTION", "action.kind", "fax")]
    [InlineData("""{"user_id":"USER","action":"task"}""", "UNKNOWN_ACTION", "action.kind", "task")]
    [InlineData(
        """{"user_id":"USER","action":{"kind":"task","name":"a","url":"x"}}""", "UNKNOWN_FIELD", "action.url",
        "arguments")]
    [InlineData("""{"user_id":"USER","action":ACTION,"retries":1000}""", "OUT_OF_RANGE", "retries", "999")]
    [InlineData("""{"user_id":"USER","action":ACTION,"retries":"3"}""", "OUT_OF_RANGE", "retries", "whole number")]
    [InlineData("""{"user_id":"USER","action":ACTION,"retries":1.5}""", "OUT_OF_RANGE", "retries", "1.5")]
    [InlineData("""{"user_id":"USER","action":ACTION,"missed":"never"}""", "OUT_OF_RANGE", "missed", "skip")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"schedule":{}}""", "SCHEDULE_REQUIRED", "schedule", "exactly one")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"schedule":{"after":"PT1S","every":"PT1S"}}""", "SCHEDULE_AMBIGUOUS",
        "schedule", "exactly one")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"schedule":{"every":"P1M"}}""", "OUT_OF_RANGE", "schedule.every", "P1M")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"schedule":{"every":"PT0S"}}""", "OUT_OF_RANGE", "schedule.every",
        "1 ms")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"schedule":{"after":"PT1S","end":"2027-01-01T00:00:00Z"}}""", "MALFORMED",
        "schedule.end", "every and cron")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"schedule":{"at":"2027-01-01T00:00:00"}}""", "OUT_OF_RANGE",
        "schedule.at", "2026-12-01T08:00:00Z")]
    [InlineData(
        """{"user_id":"USER","action":ACTION,"hooks":[{"on":"success","action":ACTION}]}""", "OUT_OF_RANGE",
        "hooks[0].on", "completion")]
    [InlineData(
        """{"user_id":"USER","action":{"kind":"http","url":"http://h","headers":{"a":1}}}""", "MALFORMED",
        "action.headers.a", "text")]
    [InlineData("""[]""", "MALFORMED", "The body", "an object")]
    public async Task What_is_wrong_is_named(string body, string code, string field, string part)
    {
        var reply = await PostAsync(body);
        Assert.Equal((400, "application/problem+json"), (reply.Status, reply.Header("Content-Type")));
        using var problem = JsonDocument.Parse(reply.Text);
        Assert.Equal(code, problem.RootElement.GetProperty("code").GetString());
        Assert.Equal(field, problem.RootElement.GetProperty("field").GetString());
        Assert.Contains(part, problem.RootElement.GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, _desk.Calls);
    }

    [Fact]
    public async Task Plans_inside_plans_end_somewhere()
    {
        string plan = """{"user_id":"USER","action":ACTION}""";
        for (int depth = 1; depth <= ProtocolLimits.ChainDepthMax; depth++)
            plan = """{"user_id":"USER","action":{"kind":"chain","plan":PLAN}}""".Replace("PLAN", plan);
        Assert.Contains("CHAIN_TOO_DEEP", (await PostAsync(plan)).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"\"")]
    public async Task An_empty_key_is_none(string key) =>
        Assert.Contains(
            "Idempotency-Key",
            (await PostAsync("""{"user_id":"USER","action":ACTION}""", ("Idempotency-Key", key))).Text,
            StringComparison.Ordinal);

    private Task<Reply> PostAsync(string body, params (string Name, string Value)[] headers) => _host.SendAsync(
        HttpMethod.Post, "/api/plans",
        Encoding.UTF8.GetBytes(body.Replace("USER", User).Replace("ACTION", """{"kind":"task","name":"a"}""")),
        "application/json", headers);

    private static byte[] BytesOf(PlanMessage plan)
    {
        var writer = new FrameWriter();
        plan.Write(writer);
        return writer.Written.ToArray();
    }
}
