using System.Globalization;
using System.Text;
using Karya.Engine;
using Karya.Node.Tests.Http.V1;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Http.Api;

public sealed class DeadLetterRoutesTests
{
    private const string Plan = "0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11";
    private const string Tasks = "/api/plans/" + Plan + "/tasks";

    private static readonly TaskKey Third = new(FakeDesk.FirstPlan, 3, 0);

    private static readonly DeadLetterSnapshot Letter = new(
        Third.ToTaskId(), FakeDesk.FirstPlan.Value, 3, 0, FakeDesk.Mira.Value, "ping", "rest", "h:80", "http_5xx", 4,
        20, 40, "busy");

    private static readonly OperationSnapshot Sweep = new(
        Guid.Parse("0190a000-0000-7000-8000-000000000001"), DeadLetterVerb.Replay,
        new DeadLetterFilter(Failure: "timeout", UntilMs: 1_000), OperationState.Running, false, 600_000, 10, 3, 1, 500,
        900, false, "node-a", null);

    [Fact]
    public async Task A_page_has_all_there_is_to_know_and_the_ways_on()
    {
        var hook = Letter with { Hook = 2, FailedMs = null, Failure = "not_configured", Error = "no Slack" };
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        host.DeadLetters.Reply = new DeadLettersReply([Letter, hook], [], 2, [0x0A, 0xFF]);

        var reply = await host.GetAsync("/api/dead-letters");

        string expected = Requests.OneLine(
            """
            {"items":[{
              "task_id":"TASK",
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "occurrence":3,
              "hook":null,
              "user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
              "description":"ping",
              "connector":"rest",
              "target":"h:80",
              "failure":"http_5xx",
              "attempts":4,
              "due_at":20,
              "failed_at":40,
              "last_error":"busy",
              "replay":"/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/3/replay",
              "drop":"/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/3/drop"},{
              "task_id":"TASK",
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "occurrence":3,
              "hook":2,
              "user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
              "description":"ping",
              "connector":"rest",
              "target":"h:80",
              "failure":"not_configured",
              "attempts":4,
              "due_at":20,
              "failed_at":null,
              "last_error":"no Slack",
              "replay":"/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/3/hooks/2/replay",
              "drop":"/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/3/hooks/2/drop"}],
            "next":"0aff"}
            """)
            .Replace("TASK", Third.ToTaskId().ToString("D"), StringComparison.Ordinal);
        Assert.Equal(expected, reply.Text);
        Assert.Equal(new DeadLettersRequest(new DeadLetterFilter(), false, 50, null), host.DeadLetters.Listed);
    }

    [Fact]
    public async Task Filter_cursor_and_limit_are_passed_on()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync(
            $"/api/dead-letters?plan_id={Plan}&user_id={FakeDesk.Mira}&connector=rest&target=h%3A80&failure=timeout"
            + "&since=1970-01-01T00:00:01Z&until=1970-01-01T00:00:02Z&cursor=0aff&limit=500");

        Assert.Equal("""{"items":[],"next":null}""", reply.Text);
        var asked = host.DeadLetters.Listed!;
        Assert.Equal(
            new DeadLetterFilter(
                FakeDesk.Mira.Value, FakeDesk.FirstPlan.Value, "rest", "h:80", "timeout", 1000, 2000),
            asked.Filter);
        Assert.Equal((500, false), (asked.Limit, asked.IsGrouped));
        Assert.Equal([0x0A, 0xFF], asked.Cursor);
    }

    [Fact]
    public async Task Groups_say_how_many_there_are_and_show_one()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        host.DeadLetters.Reply = new DeadLettersReply(
            [], [new DeadLetterGroup("rest", "h:80", "http_5xx", 12, 40, Letter)], 13, null);

        var reply = await host.GetAsync("/api/dead-letters/groups");

        Assert.StartsWith(
            """{"items":[{"connector":"rest","target":"h:80","failure":"http_5xx","count":12,"last_failed_at":40,"""
            + "\"example\":{", reply.Text, StringComparison.Ordinal);
        Assert.EndsWith("""}}],"looked":13,"next":null}""", reply.Text, StringComparison.Ordinal);
        Assert.True(host.DeadLetters.Listed!.IsGrouped);
    }

    [Theory]
    [InlineData("limit=0", "OUT_OF_RANGE", "limit is \\\"0\\\"; it must be a number from 1 to 500.", "limit")]
    [InlineData("limit=-1", "OUT_OF_RANGE", "limit is \\\"-1\\\"; it must be a number from 1 to 500.", "limit")]
    [InlineData("limit=501", "OUT_OF_RANGE", "limit is \\\"501\\\"; it must be a number from 1 to 500.", "limit")]
    [InlineData("limit=abc", "OUT_OF_RANGE", "limit is \\\"abc\\\"; it must be a number from 1 to 500.", "limit")]
    [InlineData("limit=1e2", "OUT_OF_RANGE", "limit is \\\"1e2\\\"; it must be a number from 1 to 500.", "limit")]
    [InlineData("cursor=xyz", "INVALID_CURSOR", "cursor is none of this server's", "cursor")]
    [InlineData("plan_id=7", "INVALID_ID", "plan_id is \\\"7\\\"", "plan_id")]
    [InlineData("since=yesterday", "OUT_OF_RANGE", "since is \\\"yesterday\\\"; it must be an instant", "since")]
    [InlineData("error=timeout", "UNKNOWN_FIELD", "\\\"error\\\" is no field here", "error")]
    public async Task A_bad_question_is_a_problem_that_names_the_field(
        string query, string code, string detail, string field)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/api/dead-letters?" + query);

        Assert.Equal((400, "application/problem+json"), (reply.Status, reply.Header("Content-Type")));
        Assert.Contains($"\"code\":\"{code}\",\"detail\":\"{detail}", reply.Text, StringComparison.Ordinal);
        Assert.EndsWith($"\"field\":\"{field}\"}}", reply.Text, StringComparison.Ordinal);
        Assert.Null(host.DeadLetters.Listed);
    }

    [Theory]
    [InlineData("/3/replay", 3, 0, DeadLetterVerb.Replay)]
    [InlineData("/3/hooks/2/replay", 3, 2, DeadLetterVerb.Replay)]
    [InlineData("/3/drop", 3, 0, DeadLetterVerb.Drop)]
    [InlineData("/9223372036854775807/hooks/32/drop", long.MaxValue, 32, DeadLetterVerb.Drop)]
    public async Task One_is_replayed_or_dropped(string path, long occurrence, int hook, DeadLetterVerb verb)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(HttpMethod.Post, Tasks + path, null, null);

        Assert.Equal((202, ""), (reply.Status, reply.Text));
        Assert.Equal(
            new DeadLetterRequest(FakeDesk.FirstPlan.Value, occurrence, hook, verb), host.DeadLetters.Changed);
    }

    [Fact]
    public async Task A_replay_of_what_is_no_dead_letter_is_a_404()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        host.DeadLetters.FindsLetter = false;

        var reply = await host.SendAsync(HttpMethod.Post, Tasks + "/3/replay", null, null);

        Assert.Equal(404, reply.Status);
        Assert.Contains("\"code\":\"DEAD_LETTER_NOT_FOUND\"", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/plans/x/tasks/1/replay", "INVALID_ID", "plan_id")]
    [InlineData(Tasks + "/0/replay", "OUT_OF_RANGE", "occurrence")]
    [InlineData(Tasks + "/-1/drop", "OUT_OF_RANGE", "occurrence")]
    [InlineData(Tasks + "/9223372036854775808/replay", "OUT_OF_RANGE", "occurrence")]
    [InlineData(Tasks + "/1/hooks/0/replay", "OUT_OF_RANGE", "hook")]
    [InlineData(Tasks + "/1/hooks/33/drop", "OUT_OF_RANGE", "hook")]
    [InlineData("/api/operations/7/stop", "INVALID_ID", "id")]
    public async Task A_bad_key_is_a_problem_that_names_the_field(string path, string code, string field)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(HttpMethod.Post, path, null, null);

        Assert.Equal(400, reply.Status);
        Assert.Contains($"\"code\":\"{code}\"", reply.Text, StringComparison.Ordinal);
        Assert.EndsWith($"\"field\":\"{field}\"}}", reply.Text, StringComparison.Ordinal);
        Assert.Null(host.DeadLetters.Changed);
    }

    [Fact]
    public async Task Many_are_replayed_by_an_operation_that_the_answer_names()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        host.DeadLetters.Operations = [Sweep];

        var reply = await host.SendAsync(
            HttpMethod.Post, "/api/dead-letters/replay",
            """{"filter":{"failure":"timeout","since":"1970-01-01T00:00:01Z"},"spread":"PT10M","dry_run":true}"""u8
                .ToArray(),
            "application/json");

        Assert.Equal(202, reply.Status);
        Assert.Equal($"/api/operations/{Sweep.Id}", reply.Header("Location"));
        Assert.Equal(
            Requests.OneLine(
                """
                {"id":"0190a000-0000-7000-8000-000000000001",
                "verb":"replay",
                "state":"running",
                "dry_run":false,
                "spread_ms":600000,
                "matched":10,
                "changed":3,
                "passed":1,
                "created_at":500,
                "updated_at":900,
                "stop_asked":false,
                "node":"node-a",
                "note":null,
                "filter":{"failure":"timeout","until":"1970-01-01T00:00:01.000Z"}}
                """),
            reply.Text);
        Assert.Equal(
            new StartOperationRequest(
                DeadLetterVerb.Replay, new DeadLetterFilter(Failure: "timeout", SinceMs: 1000), false, 600_000, true),
            host.DeadLetters.Started);
    }

    [Theory]
    [InlineData("replay", """{"all":"yes"}""", "MALFORMED", "all")]
    [InlineData("replay", """{"all":true,"spread":"P8D"}""", "OUT_OF_RANGE", "spread")]
    [InlineData("replay", """{"all":true,"spread":"PT-1S"}""", "OUT_OF_RANGE", "spread")]
    [InlineData("drop", """{"all":true,"spread":"PT1S"}""", "UNKNOWN_FIELD", "spread")]
    [InlineData("replay", """{"filter":{"plan":"x"}}""", "UNKNOWN_FIELD", "filter.plan")]
    [InlineData("replay", """{"filter":[]}""", "MALFORMED", "filter")]
    public async Task A_bad_order_is_a_problem_that_names_the_field(
        string verb, string body, string code, string field)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(
            HttpMethod.Post, "/api/dead-letters/" + verb, Encoding.UTF8.GetBytes(body), "application/json");

        Assert.Equal(400, reply.Status);
        Assert.Contains($"\"code\":\"{code}\"", reply.Text, StringComparison.Ordinal);
        Assert.EndsWith($"\"field\":\"{field}\"}}", reply.Text, StringComparison.Ordinal);
        Assert.Null(host.DeadLetters.Started);
    }

    [Theory]
    [InlineData("GET", "", false)]
    [InlineData("POST", "/stop", true)]
    public async Task One_operation_is_shown_and_stopped(string method, string path, bool stops)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        host.DeadLetters.Operations = [Sweep];

        var reply = await host.SendAsync(
            new HttpMethod(method), $"/api/operations/{Sweep.Id}{path}", null, null);

        Assert.Equal(200, reply.Status);
        Assert.StartsWith($"{{\"id\":\"{Sweep.Id}\"", reply.Text, StringComparison.Ordinal);
        Assert.Equal(new OperationsRequest(Sweep.Id, stops, 1), host.DeadLetters.Asked);
    }

    [Fact]
    public async Task Operations_are_listed_and_one_that_is_not_there_is_a_404()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        string one = string.Create(CultureInfo.InvariantCulture, $"/api/operations/{Sweep.Id}");
        Assert.Equal(404, (await host.GetAsync(one)).Status);

        host.DeadLetters.Operations = [Sweep];
        var reply = await host.GetAsync("/api/operations?limit=7");

        Assert.StartsWith("""{"items":[{"id":""", reply.Text, StringComparison.Ordinal);
        Assert.Equal(new OperationsRequest(null, false, 7), host.DeadLetters.Asked);
    }

    [Theory]
    [InlineData("GET", "/api", 404, "NOT_FOUND")]
    [InlineData("GET", "/api/nowhere", 404, "NOT_FOUND")]
    [InlineData("GET", "/api/plans", 405, "METHOD_NOT_ALLOWED")]
    [InlineData("POST", "/api/dead-letters", 405, "METHOD_NOT_ALLOWED")]
    [InlineData("GET", "//api" + "/plans/x/tasks/1/replay", 405, "METHOD_NOT_ALLOWED")]
    [InlineData("GET", "/api/dead-letters/drop", 405, "METHOD_NOT_ALLOWED")]
    public async Task Unknown_paths_and_methods_are_problems_too(string method, string path, int status, string code)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(new HttpMethod(method), path, null, null);

        Assert.Equal((status, "application/problem+json"), (reply.Status, reply.Header("Content-Type")));
        Assert.Contains($"\"code\":\"{code}\"", reply.Text, StringComparison.Ordinal);
    }
}
