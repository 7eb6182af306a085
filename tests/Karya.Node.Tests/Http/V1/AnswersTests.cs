using Karya.Engine;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Http.V1;

/// <summary>The examples of the contract, to the byte.</summary>
public sealed class AnswersTests
{
    private const string PlanPath = "/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11";

    private static readonly TaskKey First = new(FakeDesk.FirstPlan, 1, 0);

    [Fact]
    public async Task A_new_user_is_answered_with_its_three_keys()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/user", """{"name":"ann"}""");

        Assert.Equal(200, reply.Status);
        Assert.Equal("application/json", reply.Header("Content-Type"));
        Assert.Equal(
            """{"id":"00000000-0000-0000-0000-000000000001","name":"ann","created_at":1795400000123}""", reply.Text);
    }

    [Fact]
    public async Task A_user_is_found_by_name()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/v1/user?username=mira", ("Content-Type", "application/json"));

        Assert.Equal(
            """{"id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10","name":"mira","created_at":1795400000123}""", reply.Text);
    }

    [Theory]
    [InlineData("?username=nobody", "User (nobody) not found")]
    [InlineData("?username=bob+smith%26x%3D1", "User (bob smith&x=1) not found")]
    [InlineData("", "User () not found")]
    [InlineData("?username=", "User () not found")]
    [InlineData("?username=j%C3%BCrgen", "User (jürgen) not found")]
    public async Task An_unknown_user_is_a_404_in_plain_text(string query, string text)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/v1/user" + query);

        Assert.Equal(404, reply.Status);
        Assert.Equal("text/plain; charset=UTF-8", reply.Header("Content-Type"));
        Assert.Equal(text, reply.Text);
    }

    [Fact]
    public async Task A_submit_answers_with_the_plan()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("//v1/plan", Requests.NightlyPing);

        Assert.Equal(200, reply.Status);
        Assert.Equal(Requests.NightlyPingPlan, reply.Text);
    }

    [Fact]
    public async Task The_smallest_request_is_answered_with_all_defaults()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/v1/plan", Requests.Smallest);

        Assert.Equal(
            Requests.OneLine(
                """
                {"id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
                "user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
                "description":"d",
                "period_time":"pt1h",
                "type":{"type":"karya.core.entities.PlanType.OneTime"},
                "status":"CREATED",
                "max_failure_retry":3,
                "action":{"type":"karya.core.entities.Action.RestApiRequest",
                  "protocol":"HTTP",
                  "base_url":"h/x",
                  "method":"GET",
                  "headers":{"content-type":"application/json"},
                  "body":{"type":"karya.core.entities.http.Body.EmptyBody"},
                  "timeout":2000},
                "hook":[],
                "parent_plan_id":null,
                "created_at":1795400010000,
                "updated_at":1795400010000}
                """),
            reply.Text);
    }

    [Theory]
    [InlineData("""{"type":"karya.core.entities.Action.KafkaProducerRequest","key":null,"topic":"t","message":"m"}""")]
    [InlineData("""{"type":"karya.core.entities.Action.KafkaProducerRequest","key":"","topic":"t","message":"m"}""")]
    [InlineData("""{"type":"karya.core.entities.Action.EmailRequest","recipient":"a@b","subject":"s","message":"m"}""")]
    [InlineData("""{"type":"karya.core.entities.Action.SlackMessageRequest","channel":"C","message":"[]"}""")]
    [InlineData(
        """
        {"type":"karya.core.entities.Action.ChainedRequest","request":{
          "user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
          "description":"child",
          "period_time":"PT5S",
          "plan_type":{"type":"karya.core.entities.PlanType.OneTime"},
          "action":{"type":"karya.core.entities.Action.SlackMessageRequest","channel":"C","message":"[]"},
          "hooks":[{
            "max_retry":1,
            "trigger":"ON_COMPLETION",
            "action":{"type":"karya.core.entities.Action.EmailRequest","recipient":"a","subject":"s","message":"m"}}],
          "max_failure_retry":3}}
        """)]
    public async Task An_action_is_answered_as_it_was_sent(string action)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/v1/plan", Requests.WithAction(action));

        Assert.Equal(200, reply.Status);
        Assert.Contains($"\"action\":{Requests.OneLine(action)},\"hook\":[]", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("1795403600000", "1795403600000")]
    [InlineData("\"1795403600000\"", "1795403600000")]
    [InlineData("null", "null")]
    [InlineData("9223372036854775807", "9223372036854775807")]
    [InlineData("1", "1")]
    public async Task A_recurring_plan_always_shows_its_end(string sent, string shown)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/v1/plan", Requests.With("plan_type", Requests.Recurring(sent)));

        Assert.Contains($"\"type\":{Requests.Recurring(shown)},\"status\"", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plan_is_answered_with_its_latest_task()
    {
        var desk = new FakeDesk
        {
            Task = new TaskView(
                First, 3, PlanTaskState.Created, 1_795_400_010_007, 1_795_400_040_000, null, null, 0, null),
        };
        await using var host = await ApiHost.StartAsync(desk);
        await host.PostAsync("/v1/plan", Requests.NightlyPing);

        var reply = await host.GetAsync(PlanPath);

        string expected = Requests.OneLine(
            """
            {"plan":PLAN,
            "latest_task":{
              "id":"TASK",
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "partition_key":4,
              "status":"CREATED",
              "created_at":1795400010007,
              "executed_at":null,
              "next_execution_at":1795400040000}}
            """);
        Assert.Equal(Fill(expected, Requests.NightlyPingPlan), reply.Text);
    }

    [Fact]
    public async Task A_summary_lists_occurrences_and_the_errors_of_hooks_too()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        await host.PostAsync("/v1/plan", Requests.NightlyPing);
        var plan = await desk.CancelAsync(FakeDesk.FirstPlan, TestContext.Current.CancellationToken);
        var task = new TaskView(
            First, 3, PlanTaskState.Failure, 1_795_400_010_007, 1_795_400_040_000, 1_795_400_040_001,
            1_795_400_040_412, 3, null);
        var hook = First with { Hook = 1 };
        desk.Summary = new PlanSummary(
            plan!,
            [task, task with { Key = hook }],
            [
                new ErrorView(
                    First, 1, 1_795_400_040_412, "REST call failed --- [503 | http://127.0.0.1:9000/ping] | busy",
                    FailureClass.Http5xx),
                new ErrorView(hook, 1, 1_795_400_040_555, "no Slack", FailureClass.NotConfigured),
            ]);

        var reply = await host.GetAsync(PlanPath + "/summary");

        string cancelled = Requests.NightlyPingPlan
            .Replace("CREATED", "CANCELLED", StringComparison.Ordinal)
            .Replace("\"updated_at\":1795400010000", "\"updated_at\":1795400010001", StringComparison.Ordinal);
        string expected = Requests.OneLine(
            """
            {"plan":PLAN,
            "tasks":[{
              "id":"TASK",
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "partition_key":4,
              "status":"FAILURE",
              "created_at":1795400010007,
              "executed_at":1795400040412,
              "next_execution_at":1795400040000}],
            "error_logs":[{
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "error":"REST call failed --- [503 | http://127.0.0.1:9000/ping] | busy",
              "type":{"type":"karya.core.entities.ErrorLogType.ExecutorErrorLog",
                "task_id":"TASK"},
              "timestamp":1795400040412},{
              "plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
              "error":"no Slack",
              "type":{"type":"karya.core.entities.ErrorLogType.HookErrorLog"},
              "timestamp":1795400040555}]}
            """);
        Assert.Equal(Fill(expected, cancelled), reply.Text);
    }

    [Theory]
    [InlineData(PlanTaskState.Created, "CREATED")]
    [InlineData(PlanTaskState.Processing, "PROCESSING")]
    [InlineData(PlanTaskState.Success, "SUCCESS")]
    [InlineData(PlanTaskState.Failure, "FAILURE")]
    [InlineData(PlanTaskState.Cancelled, "CANCELLED")]
    [InlineData(PlanTaskState.Skipped, "CANCELLED")]
    public async Task Task_states_have_the_names_of_the_original(PlanTaskState state, string name)
    {
        var desk = new FakeDesk { Task = new TaskView(First, 0, state, 1, 2, null, null, 0, null) };
        await using var host = await ApiHost.StartAsync(desk);
        await host.PostAsync("/v1/plan", Requests.Smallest);

        var reply = await host.GetAsync(PlanPath);

        Assert.Contains($"\"partition_key\":1,\"status\":\"{name}\"", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_is_cut_into_pages_of_twenty_newest_first()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        for (int count = 0; count < 21; count++)
            await host.PostAsync("/v1/plan", Requests.NightlyPing);

        var reply = await host.GetAsync($"/v1/plan?user_id={FakeDesk.Mira}&page=1");

        Assert.Equal($$"""{"plans":[{{Requests.NightlyPingPlan}}],"total":21,"offset":1}""", reply.Text);
        Assert.Equal((20, 20), desk.ListAsked);
    }

    [Fact]
    public async Task A_list_of_an_unknown_user_is_empty()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/v1/plan?user_id=00000000-0000-4000-8000-000000000000");

        Assert.Equal(200, reply.Status);
        Assert.Equal("""{"plans":[],"total":0,"offset":0}""", reply.Text);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", "application/x-www-form-urlencoded")]
    [InlineData("this is no JSON", "application/json")]
    public async Task A_cancel_ignores_body_and_content_type(string? body, string? contentType)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        await host.PostAsync("/v1/plan", Requests.NightlyPing);

        byte[]? bytes = body is null ? null : System.Text.Encoding.UTF8.GetBytes(body);
        var reply = await host.SendAsync(
            HttpMethod.Post, "/v1/plan/0D4F9F0C-3F3E-4F7A-8A9C-6F2F6D0B7C11", bytes, contentType);

        Assert.Equal(200, reply.Status);
        Assert.Contains("\"status\":\"CANCELLED\"", reply.Text, StringComparison.Ordinal);
        Assert.EndsWith("\"updated_at\":1795400010001}", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_comes_back_verbatim_and_only_what_json_demands_is_escaped()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync(
            "/v1/plan",
            Requests.With(
                "description",
                "\"<ü €\\ud83d\\ude00\\u2028\\u007f&'+/>\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f\""));

        Assert.Contains(
            "\"description\":\"<ü €😀\u2028\u007f&'+/>\\\"\\\\\\b\\t\\n\\f\\r\\u0001\\u001f\"", reply.Text,
            StringComparison.Ordinal);
    }

    private static string Fill(string expected, string plan) => expected
        .Replace("PLAN", plan, StringComparison.Ordinal)
        .Replace("TASK", First.ToTaskId().ToString("D"), StringComparison.Ordinal);
}
