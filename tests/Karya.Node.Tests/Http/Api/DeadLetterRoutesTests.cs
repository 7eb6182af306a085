using Karya.Engine;
using Karya.Node.Plans;
using Karya.Node.Tests.Http.V1;
using Xunit;

namespace Karya.Node.Tests.Http.Api;

public sealed class DeadLetterRoutesTests
{
    private const string Tasks = "/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks";

    private static readonly TaskKey Third = new(FakeDesk.FirstPlan, 3, 0);

    [Fact]
    public async Task A_page_has_all_there_is_to_know_and_the_way_to_replay()
    {
        var task = new TaskView(Third, 3, PlanTaskState.Failure, 10, 20, 30, 40, 4, null);
        var hook = task with { Key = Third with { Hook = 2 }, FinishedMs = null };
        var desk = new FakeDesk
        {
            DeadLetters = new DeadLetterPage(
                [new DeadLetter(task, FakeDesk.Mira, "ping", "busy"),
                    new DeadLetter(hook, FakeDesk.Mira, "ping", "no Slack")],
                "more"),
        };
        await using var host = await ApiHost.StartAsync(desk);

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
              "attempts":4,
              "due_at":20,
              "failed_at":40,
              "last_error":"busy",
              "replay":"/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/3/replay"},{
              "task_id":"HOOK",
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "occurrence":3,
              "hook":2,
              "user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
              "description":"ping",
              "attempts":4,
              "due_at":20,
              "failed_at":null,
              "last_error":"no Slack",
              "replay":"/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/3/hooks/2/replay"}],
            "next":"more"}
            """)
            .Replace("TASK", Third.ToTaskId().ToString("D"), StringComparison.Ordinal)
            .Replace("HOOK", hook.Key.ToTaskId().ToString("D"), StringComparison.Ordinal);
        Assert.Equal(expected, reply.Text);
        Assert.Equal((null, 50), desk.DeadLettersAsked);
    }

    [Fact]
    public async Task Cursor_and_limit_are_passed_on()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.GetAsync("/api/dead-letters?cursor=a%2Fb&limit=500");

        Assert.Equal("""{"items":[],"next":null}""", reply.Text);
        Assert.Equal(("a/b", 500), desk.DeadLettersAsked);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("501")]
    [InlineData("abc")]
    [InlineData("1e2")]
    public async Task A_limit_out_of_range_is_a_problem(string limit)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.GetAsync("/api/dead-letters?limit=" + limit);

        Assert.Equal("application/problem+json", reply.Header("Content-Type"));
        Assert.Equal(
            $$"""{"title":"Bad Request","status":400,"code":"OUT_OF_RANGE","""
            + $"\"detail\":\"limit is \\\"{limit}\\\"; it must be a number from 1 to 500.\",\"field\":\"limit\"}}",
            reply.Text);
        Assert.Equal(0, desk.Calls);
    }

    [Fact]
    public async Task A_cursor_that_is_none_is_a_problem()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.GetAsync("/api/dead-letters?cursor=" + new string('x', 257));

        Assert.Equal(400, reply.Status);
        Assert.Contains("\"code\":\"INVALID_CURSOR\"", reply.Text, StringComparison.Ordinal);
        Assert.Equal(0, desk.Calls);
    }

    [Theory]
    [InlineData("/3/replay", 3, 0)]
    [InlineData("/3/hooks/2/replay", 3, 2)]
    [InlineData("/9223372036854775807/hooks/32/replay", long.MaxValue, 32)]
    public async Task A_replay_is_accepted(string path, long occurrence, int hook)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.SendAsync(HttpMethod.Post, Tasks + path, null, null);

        Assert.Equal((202, ""), (reply.Status, reply.Text));
        Assert.Equal(new TaskKey(FakeDesk.FirstPlan, occurrence, hook), desk.Replayed);
    }

    [Fact]
    public async Task A_replay_of_what_is_no_dead_letter_is_a_404()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk { ReplayFinds = false });

        var reply = await host.SendAsync(HttpMethod.Post, Tasks + "/3/replay", null, null);

        Assert.Equal(404, reply.Status);
        Assert.Contains("\"code\":\"DEAD_LETTER_NOT_FOUND\"", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/api/plans/x/tasks/1/replay", "INVALID_ID", "plan_id")]
    [InlineData(Tasks + "/0/replay", "OUT_OF_RANGE", "occurrence")]
    [InlineData(Tasks + "/-1/replay", "OUT_OF_RANGE", "occurrence")]
    [InlineData(Tasks + "/9223372036854775808/replay", "OUT_OF_RANGE", "occurrence")]
    [InlineData(Tasks + "/1/hooks/0/replay", "OUT_OF_RANGE", "hook")]
    [InlineData(Tasks + "/1/hooks/33/replay", "OUT_OF_RANGE", "hook")]
    public async Task A_bad_key_is_a_problem_that_names_the_field(string path, string code, string field)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.SendAsync(HttpMethod.Post, path, null, null);

        Assert.Equal(400, reply.Status);
        Assert.Contains($"\"code\":\"{code}\"", reply.Text, StringComparison.Ordinal);
        Assert.EndsWith($"\"field\":\"{field}\"}}", reply.Text, StringComparison.Ordinal);
        Assert.Equal(0, desk.Calls);
    }

    [Theory]
    [InlineData("GET", "/api", 404, "NOT_FOUND")]
    [InlineData("GET", "/api/nowhere", 404, "NOT_FOUND")]
    [InlineData("GET", "/api/plans", 405, "METHOD_NOT_ALLOWED")]
    [InlineData("POST", "/api/dead-letters", 405, "METHOD_NOT_ALLOWED")]
    [InlineData("GET", "//api" + "/plans/x/tasks/1/replay", 405, "METHOD_NOT_ALLOWED")]
    public async Task Unknown_paths_and_methods_are_problems_too(string method, string path, int status, string code)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(new HttpMethod(method), path, null, null);

        Assert.Equal((status, "application/problem+json"), (reply.Status, reply.Header("Content-Type")));
        Assert.Contains($"\"code\":\"{code}\"", reply.Text, StringComparison.Ordinal);
    }
}
