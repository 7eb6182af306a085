using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>Commands against a real node.</summary>
[Trait("Needs", "process")]
public sealed class NodeCommandTests(NodeFixture fixture) : IClassFixture<NodeFixture>
{
    private const string NoSuchPlan = "01a20a7b-5d5f-7000-aae0-21f5763fed03";

    private readonly string _user = $"user-{Guid.CreateVersion7()}";

    [Fact]
    public async Task A_call_that_is_waited_for_is_followed_to_its_end()
    {
        await using var sink = await Sink.StartAsync();
        var run = await AskAsync("submit", "http", "post", $"http://{sink.Authority}/ok", "--data", "hi", "--wait");
        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        string[] lines = Lines(run);
        Assert.StartsWith("plan ", lines[0], StringComparison.Ordinal);
        Assert.EndsWith($"POST http://{sink.Authority}/ok  now", lines[0], StringComparison.Ordinal);
        Assert.Contains("#1  success", lines[^1], StringComparison.Ordinal);
        Assert.Single(sink.Arrivals);
    }

    [Fact]
    public async Task A_call_that_fails_is_exit_code_1_with_the_reason()
    {
        var run = await AskAsync(
            "submit", "http", "GET", "http://127.0.0.1:1/", "--retries", "0", "--wait", "-o", "json");
        Assert.Equal(1, run.ExitCode);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal("failure", json.RootElement.GetProperty("task").GetProperty("status").GetString());
        Assert.Contains("  why: REST INVOCATION FAILED", run.Errors, StringComparison.Ordinal);
        Assert.Contains("  try: karya describe ", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waiting_ends_with_124_when_its_time_is_over_and_the_plan_goes_on()
    {
        var run = await AskAsync("submit", "task", "nobody-serves-it", "--in", "1h", "--wait", "--timeout", "100ms");
        Assert.Equal(124, run.ExitCode);
        Assert.Contains("has not ended within 100ms", run.Errors, StringComparison.Ordinal);
        Assert.Equal("created", (await GetAsync(IdOf(run))).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_key_gives_the_plan_that_is_there_and_5_for_another_one()
    {
        string[] submit = ["submit", "task", "resize", "--in", "1h", "--key", "k", "--data"];
        var first = await AskAsync([.. submit, "1"]);
        var second = await AskAsync([.. submit, "1"]);
        var other = await AskAsync([.. submit, "2"]);
        Assert.Equal(IdOf(first), IdOf(second));
        Assert.Contains("(was there already)", second.Output, StringComparison.Ordinal);
        Assert.Equal((5, ""), (other.ExitCode, other.Output));
        Assert.Contains(IdOf(first), other.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plan_can_be_looked_at_triggered_and_cancelled()
    {
        await using var sink = await Sink.StartAsync();
        string id = IdOf(await AskAsync(
            "submit", "http", "GET", $"http://{sink.Authority}/ok", "--every", "1h", "--name", "hourly"));
        Assert.Equal("hourly", (await GetAsync(id)).GetProperty("name").GetString());
        Assert.Contains("every 1h", (await AskAsync("describe", id)).Output, StringComparison.Ordinal);

        Assert.Equal(0, (await AskAsync("trigger", id)).ExitCode);
        var cancelled = await AskAsync("cancel", id, "-o", "jsonl");
        Assert.Equal((0, ""), (cancelled.ExitCode, cancelled.Errors));
        Assert.Contains("\"status\":\"cancelled\"", cancelled.Output, StringComparison.Ordinal);

        Assert.Equal(0, (await AskAsync("cancel", id)).ExitCode);
        Assert.Equal(5, (await AskAsync("trigger", id)).ExitCode);
    }

    [Fact]
    public async Task What_is_not_there_is_exit_code_4()
    {
        foreach (string verb in new[] { "get", "describe", "cancel", "trigger", "watch" })
        {
            var run = await AskAsync(verb, NoSuchPlan);
            Assert.Equal((4, ""), (run.ExitCode, run.Output));
        }

        Assert.Equal(4, (await AskAsync("user", "show", _user)).ExitCode);
    }

    [Fact]
    public async Task Of_many_plans_each_is_cancelled_that_can_be()
    {
        string[] ids = [.. await SubmitManyAsync(2)];
        var run = await AskAsync(["cancel", ids[0], NoSuchPlan, ids[1], "--yes", "-o", "json"]);
        Assert.Equal(4, run.ExitCode);
        Assert.StartsWith($"{NoSuchPlan}:\nerror: ", run.Errors, StringComparison.Ordinal);
        using var json = JsonDocument.Parse(run.Output);
        Assert.Equal(ids, json.RootElement.GetProperty("items").EnumerateArray().Select(Id));
    }

    [Fact]
    public async Task A_list_is_newest_first_says_when_there_is_more_and_does_not_make_a_user()
    {
        var none = await AskAsync("list");
        string note = $"note: no plans of user \"{_user}\": --user NAME lists another's\n";
        Assert.Equal((0, "", note), (none.ExitCode, none.Output, none.Errors));
        Assert.Equal(4, (await AskAsync("user", "show", _user)).ExitCode);

        string[] ids = [.. await SubmitManyAsync(3)];
        await AskAsync("cancel", ids[1]);
        var two = await AskAsync("list", "--limit", "2", "-o", "jsonl");
        Assert.Equal(2, Lines(two).Length);
        Assert.Equal("note: there are more: --all, or a larger --limit\n", two.Errors);
        Assert.Equal("", (await AskAsync("list", "--limit", "3")).Errors);
        Assert.Equal(4, Lines(await AskAsync("list", "--all")).Length);

        using var created = JsonDocument.Parse((await AskAsync("list", "--status", "created", "-o", "json")).Output);
        Assert.Equal([ids[2], ids[0]], created.RootElement.GetProperty("items").EnumerateArray().Select(Id));
    }

    [Fact]
    public async Task Of_a_file_the_plans_are_submitted_that_can_be_and_all_are_counted()
    {
        using var directory = new DataDirectory();
        string file = Path.Combine(directory.Path, "plans.jsonl");
        await File.WriteAllLinesAsync(file,
        [
            """{"action":{"kind":"task","name":"a"},"schedule":{"after":"1h"},"key":"1"}""",
            "no plan",
            """{"action":{"kind":"http","url":"nonsense"}}""",
            "",
            """{"action":{"kind":"task","name":"a"},"schedule":{"after":"1h"},"key":"1"}""",
        ], TestContext.Current.CancellationToken);
        var run = await AskAsync("submit", "--from-jsonl", file, "-o", "jsonl");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("plans.jsonl:2 is not JSON\n", run.Errors, StringComparison.Ordinal);
        Assert.EndsWith("accepted 1  duplicate 1  rejected 2\n", run.Errors, StringComparison.Ordinal);
        Assert.Equal(["1", "3", "5"], Lines(run).Select(line => line.Split(',')[0].Split(':')[1]));
    }

    [Fact]
    public async Task What_a_dry_run_prints_is_what_the_HTTP_API_takes()
    {
        var dry = await AskAsync(
            "submit", "http", "POST", "http://127.0.0.1:1/x", "--data", "hi", "--header", "a: b", "--every", "1h",
            "--attempt-timeout", "2s", "--on-failure-url", "http://127.0.0.1:1/y", "--dry-run");
        using var user = JsonDocument.Parse((await AskAsync("user", "add", _user, "-o", "json")).Output);
        var plan = JsonNode.Parse(dry.Output)!;
        plan["user_id"] = Id(user.RootElement);

        using var http = new HttpClient { BaseAddress = fixture.Node.Http };
        using var content = new StringContent(plan.ToJsonString(), mediaType: new("application/json"));
        using var answer = await http.PostAsync("/api/plans", content, TestContext.Current.CancellationToken);
        string body = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode == HttpStatusCode.Created, body);
        Assert.Contains("every 1h", (await AskAsync("list")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Users_are_made_and_found()
    {
        using var added = JsonDocument.Parse((await AskAsync("user", "add", _user, "-o", "json")).Output);
        using var shown = JsonDocument.Parse((await AskAsync("user", "show", _user, "-o", "jsonl")).Output);
        Assert.Equal(Id(added.RootElement), Id(shown.RootElement));
        Assert.Equal(_user, shown.RootElement.GetProperty("name").GetString());
    }

    [Fact]
    public async Task The_figures_of_a_node_are_there()
    {
        Assert.Contains("waiting for worker", (await AskAsync("stats")).Output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await AskAsync("stats", "-o", "json")).Output);
        Assert.True(json.RootElement.GetProperty("ready").GetBoolean());
    }

    [Fact]
    public async Task The_cluster_is_shown_by_a_node_that_is_alone_too()
    {
        var status = await AskAsync("cluster", "status");
        Assert.Equal(0, status.ExitCode);
        Assert.Contains("1 node, 256 partitions, 0 moving: all is well", status.Output, StringComparison.Ordinal);
        using var json = JsonDocument.Parse((await AskAsync("cluster", "status", "-o", "json")).Output);
        Assert.Equal(256, json.RootElement.GetProperty("owned").GetInt32());
        using var nodes = JsonDocument.Parse((await AskAsync("cluster", "nodes", "-o", "json")).Output);
        var node = Assert.Single(nodes.RootElement.GetProperty("items").EnumerateArray());
        Assert.Equal(("up", 256), (node.GetProperty("state").GetString(), node.GetProperty("partitions").GetInt32()));
        string name = node.GetProperty("name").GetString()!;
        string[] lines = (await AskAsync("cluster", "partitions", "--node", name)).Output.Trim().Split('\n');
        Assert.Equal(257, lines.Length);
        Assert.Contains(name, (await AskAsync("top", "--count", "1")).Output, StringComparison.Ordinal);
        using var top = JsonDocument.Parse((await AskAsync("top", "--count", "1", "-o", "jsonl")).Output);
        Assert.Equal(0, top.RootElement.GetProperty("started_per_second").GetProperty(name).GetDouble());

        var drained = await AskAsync("cluster", "drain", name);
        Assert.Equal(5, drained.ExitCode);
        Assert.Contains("The node is alone", drained.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connectors_are_listed_and_tried_out()
    {
        using var listed = JsonDocument.Parse((await AskAsync("connector", "list", "-o", "json")).Output);
        Assert.Equal(
            ["rest configured", "slack missing", "email missing", "kafka missing"],
            listed.RootElement.GetProperty("items").EnumerateArray().Select(
                one => $"{one.GetProperty("name").GetString()} {one.GetProperty("state").GetString()}"));
        Assert.Contains(
            "connectors.slack.token is missing.", (await AskAsync("connector", "list")).Output,
            StringComparison.Ordinal);

        var works = await AskAsync("connector", "test", "rest");
        Assert.Equal((0, "rest works"), (works.ExitCode, works.Output.Trim()));
        var missing = await AskAsync("connector", "test", "email");
        Assert.NotEqual(0, missing.ExitCode);
        Assert.Contains("connectors.email.host is missing.", missing.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dead_letters_are_listed_counted_replayed_and_dropped()
    {
        string id = await BuryAsync();
        string other = await BuryAsync();
        using var listed = JsonDocument.Parse((await AskAsync("dead", "list", "--plan", id, "-o", "json")).Output);
        var letter = Assert.Single(listed.RootElement.GetProperty("items").EnumerateArray());
        Assert.Equal(
            ("rest", "127.0.0.1:1", "refused"),
            (Text(letter, "connector"), Text(letter, "target"), Text(letter, "failure")));
        Assert.Contains($"{id}/1 ", (await AskAsync("dead", "list", "--since", "1h")).Output, StringComparison.Ordinal);
        Assert.Equal("", (await AskAsync("dead", "list", "--until", "1h", "-o", "jsonl")).Output);
        Assert.Contains("refused", (await AskAsync("dead", "causes", "--plan", id)).Output, StringComparison.Ordinal);

        Assert.Equal("replayed 1 dead letter", Lines(await AskAsync("dead", "replay", $"{id}/1"))[0]);
        Assert.Equal(
            "1 dead letter meant; nothing was changed",
            Lines(await AskAsync("dead", "drop", "--plan", other, "--dry-run"))[0]);
        Assert.Equal("dropped 1 dead letter", Lines(await AskAsync("dead", "drop", "--plan", other))[0]);
        Assert.Equal("", (await AskAsync("dead", "list", "--plan", other, "-o", "jsonl")).Output);
        Assert.Contains("drop (dry run)", (await AskAsync("dead", "operations")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_spread_goes_on_when_nobody_waits_and_is_stopped_by_its_id()
    {
        string id = await BuryAsync(letters: 2);
        using var started = JsonDocument.Parse((await AskAsync(
            "dead", "replay", "--plan", id, "--spread", "7d", "--no-wait", "-o", "json")).Output);

        var stopped = await AskAsync("dead", "stop", Text(started.RootElement, "id"));

        Assert.Equal(0, stopped.ExitCode);
        Assert.StartsWith("stopped: replayed ", stopped.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Dead_letters_that_are_named_are_not_changed_by_a_dry_run()
    {
        string id = await BuryAsync();
        foreach (string verb in (string[])["replay", "drop"])
        {
            var run = await AskAsync("dead", verb, $"{id}/1", "--dry-run");
            Assert.Equal((2, ""), (run.ExitCode, run.Output));
            Assert.Contains("--dry-run", run.Errors, StringComparison.Ordinal);
        }

        Assert.Single(Lines(await AskAsync("dead", "list", "--plan", id, "-o", "jsonl")));
        Assert.Equal(2, (await AskAsync("dead", "replay", $"{id}/1", "--spread", "1m")).ExitCode);
        Assert.Equal(2, (await AskAsync("dead", "drop", $"{id}/1", "--all")).ExitCode);
    }

    [Theory]
    [InlineData(2, "say which are meant", "drop")]
    [InlineData(2, "'x' is no dead letter", "replay", "x")]
    [InlineData(2, "--since: 'yesterday' is neither an instant", "list", "--since", "yesterday")]
    [InlineData(4, "There is no such dead letter", "replay", NoSuchPlan + "/1")]
    [InlineData(4, "There is no operation", "stop", NoSuchPlan)]
    [InlineData(2, "filter.failure is \"tired\"; it must be one of ", "list", "--failure", "tired")]
    public async Task What_dead_letters_are_meant_has_to_be_said_and_be_there(
        int exitCode, string error, params string[] arguments)
    {
        var run = await AskAsync(["dead", .. arguments]);
        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains(error, run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watching_ends_with_the_plan_with_one_object_for_each_change()
    {
        string id = IdOf(await AskAsync("submit", "task", "nobody-serves-it", "--in", "1h"));
        var watching = AskAsync("watch", id, "-o", "jsonl");
        Assert.Equal(0, (await AskAsync("cancel", id)).ExitCode);
        var run = await watching;
        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        Assert.Contains("\"status\":\"cancelled\"", Lines(run)[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_ends_watching_with_130_and_the_node_and_user_may_come_from_variables()
    {
        string id = IdOf(await AskAsync("submit", "task", "nobody-serves-it", "--in", "1h"));
        await using var watch = NodeProcess.Launch(
            ["watch", id, "-o", "jsonl"], ("KARYA_SERVER", fixture.Node.Tcp), ("KARYA_USER", _user));
        await watch.WaitForOutputAsync("\"status\":\"created\"");
        watch.Signal("INT");
        Assert.Equal(130, await watch.WaitForExitAsync());
        Assert.Equal("", watch.Errors);
    }

    [Fact]
    public async Task The_variables_of_the_client_do_not_trouble_a_node()
    {
        using var data = new DataDirectory();
        await using var node = await NodeProcess.StartAsync(
            data.Path, ("KARYA_SERVER", "127.0.0.1:1"), ("KARYA_USER", "mira"));
        Assert.Equal("", node.Errors);
    }

    private Task<Capture> AskAsync(params string[] arguments) =>
        Capture.RunAsync([.. arguments, "--server", $"karya://{fixture.Node.Tcp}", "--user", _user]);

    private async Task<JsonElement> GetAsync(string id) =>
        JsonDocument.Parse((await AskAsync("get", id, "-o", "json")).Output).RootElement;

    private async Task<List<string>> SubmitManyAsync(int count)
    {
        var ids = new List<string>();
        for (int i = 0; i < count; i++)
            ids.Add(IdOf(await AskAsync("submit", "task", "nobody-serves-it", "--in", "1h")));
        return ids;
    }

    /// <summary>A plan with a dead letter; with two, the other is its hook's.</summary>
    private async Task<string> BuryAsync(int letters = 1)
    {
        string[] hook = letters > 1 ? ["--on-failure-url", "http://127.0.0.1:1/hook"] : [];
        string id = IdOf(await AskAsync(["submit", "http", "GET", "http://127.0.0.1:1/", "--retries", "0", .. hook]));
        for (int count = 0; count < letters;)
        {
            var listed = await AskAsync("dead", "list", "--plan", id, "-o", "jsonl");
            count = listed.Output.Count(character => character == '\n');
        }

        return id;
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;

    /// <summary>Of the line that submitting prints.</summary>
    private static string IdOf(Capture run)
    {
        Assert.True(run.Output.StartsWith("plan ", StringComparison.Ordinal), run.Errors);
        return run.Output.Split(' ')[1];
    }

    private static string? Id(JsonElement plan) => plan.GetProperty("id").GetString();

    private static string[] Lines(Capture run) => run.Output.TrimEnd('\n').Split('\n');
}
