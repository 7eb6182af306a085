using System.Text;
using Karya.Client;
using Karya.Node.Tests.Execution;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>Plans that send messages, through a whole node that is configured for some connectors.</summary>
public sealed class ConnectorTests : IAsyncLifetime
{
    private LoopbackTarget _slack = null!;
    private NodeRig _rig = null!;
    private KaryaClient _client = null!;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _slack = await LoopbackTarget.StartAsync();
        _slack.Answer(200, """{"ok":true}""");
        _rig = await NodeRig.StartAsync(NodeRig.Fast with
        {
            Connectors = new()
            {
                Slack = new() { Token = "xoxb-canary", Api = $"http://{_slack.Authority}/api/" },
                Email = new() { Host = "127.0.0.1", Port = 1, From = "karya@example.org", Domains = "example.com" },
                Kafka = new() { BootstrapServers = "127.0.0.1:1", Topics = "orders" },
            },
        });
        _client = await KaryaClient.ConnectAsync($"karya://{_rig.Node.Addresses.Tcp}", Stopping);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _rig.DisposeAsync();
        await _slack.DisposeAsync();
    }

    [Fact]
    public async Task A_slack_plan_is_posted()
    {
        var plan = await _client.SubmitAsync(
            PlanOf(KaryaAction.Slack("C1", """[{"type":"divider"}]""")), Stopping);

        var task = await plan.WaitAsync(cancellationToken: Stopping);

        Assert.Equal(PlanTaskStatus.Success, task.Status);
        Assert.Equal("/api/chat.postMessage", Assert.Single(_slack.Seen).PathAndQuery);
    }

    public static TheoryData<KaryaAction, ErrorCode, string> Refused => new()
    {
        {
            KaryaAction.Slack("C1", "hello"), ErrorCode.InvalidText, "action.message: the message is not JSON: "
        },
        {
            KaryaAction.Slack("C1", "{}"), ErrorCode.InvalidText,
            "action.message: the message is not a JSON array of blocks"
        },
        {
            KaryaAction.Slack("C1", """[{"type":"divider"},7]"""), ErrorCode.InvalidText,
            "action.message: block 1 of the message is no object"
        },
        { KaryaAction.Slack("a b", "[]"), ErrorCode.InvalidName, "action.channel is \"a b\"" },
        {
            KaryaAction.Email("a@b\r\nRCPT TO:<x@y>", "s", "m"), ErrorCode.InvalidAddress,
            "action.recipient: \"a@b"
        },
        {
            KaryaAction.Email("a@elsewhere.test", "s", "m"), ErrorCode.InvalidAddress,
            "action.recipient: mail to \"elsewhere.test\" is not allowed; connectors.email.domains does not name it."
        },
        {
            KaryaAction.Email("a@example.com", "s\nBcc: x", "m"), ErrorCode.InvalidText,
            "action.subject: the subject has the control character U+000A"
        },
        {
            KaryaAction.Kafka("audit", "m"), ErrorCode.TopicNotAllowed,
            "action.topic: the topic \"audit\" is not allowed; connectors.kafka.topics does not name it."
        },
        { KaryaAction.Kafka("../orders", "m"), ErrorCode.TopicNotAllowed, "action.topic: \"../orders\" is no topic" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_cannot_be_sent_is_refused_at_submit(KaryaAction action, ErrorCode code, string expected)
    {
        var refusal = await Assert.ThrowsAnyAsync<KaryaException>(
            async () => await _client.SubmitAsync(PlanOf(action), Stopping));

        Assert.Equal(code, refusal.Code);
        Assert.StartsWith(expected, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hooks_and_chained_plans_are_judged_too()
    {
        var bad = KaryaAction.Slack("C1", "hello");
        var hooked = PlanOf(KaryaAction.Slack("C1", "[]")) with
        {
            Hooks = [Hook.OnFailure(bad)],
        };

        var refusal = await Assert.ThrowsAnyAsync<KaryaException>(
            async () => await _client.SubmitAsync(hooked, Stopping));

        Assert.Equal(ErrorCode.InvalidText, refusal.Code);
    }

    [Fact]
    public async Task A_plan_cannot_call_the_node_itself()
    {
        foreach (int port in (int[])[_rig.Node.Addresses.Http.Port, _rig.Node.Addresses.Tcp.Port])
        {
            var plan = await _client.SubmitAsync(CallOf(_rig, $"http://127.0.0.1:{port}/livez"), Stopping);

            Assert.Equal(PlanTaskStatus.Failure, (await plan.WaitAsync(cancellationToken: Stopping)).Status);

            var errors = await _rig.SummarizeAsync(Engine.PlanId.From(plan.Id));
            Assert.Contains("(own listener)", Assert.Single(errors.Errors).Text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Connectors_are_listed_and_tried_out_without_secrets()
    {
        var listed = await _client.GetConnectorsAsync(Stopping);
        Assert.Equal(
            [
                new ConnectorStatus("rest", ConnectorState.Configured, null, null),
                new ConnectorStatus("slack", ConnectorState.Configured, $"http://{_slack.Authority}/api/", null),
                new ConnectorStatus("email", ConnectorState.Configured, "127.0.0.1:1", null),
                new ConnectorStatus("kafka", ConnectorState.Configured, "127.0.0.1:1", null),
            ],
            listed);

        Assert.Equal(ConnectorState.Working, (await _client.TestConnectorAsync("slack", Stopping)).State);
        await using var bare = await NodeRig.StartAsync();
        await using var client = await KaryaClient.ConnectAsync($"karya://{bare.Node.Addresses.Tcp}", Stopping);
        var missing = await Assert.ThrowsAnyAsync<KaryaException>(
            async () => await client.TestConnectorAsync("slack", Stopping));
        Assert.Equal(ErrorCode.ConnectorMissing, missing.Code);
        var email = await _client.TestConnectorAsync("email", Stopping);
        Assert.Equal(ConnectorState.Failing, email.State);
        Assert.Equal("e-mail: 127.0.0.1:1 refused the connection: nothing listens there.", email.Trouble);
        var refusal = await Assert.ThrowsAnyAsync<KaryaException>(
            async () => await _client.TestConnectorAsync("fax", Stopping));
        Assert.StartsWith(
            "There is no connector named \"fax\"; there are rest, slack, email, kafka.", refusal.Message,
            StringComparison.Ordinal);
    }

    /// <summary>Two of four places of a shard may go to one target; the dead one takes them, and no more.</summary>
    [Fact]
    public async Task One_dead_target_delays_no_other_and_does_not_use_up_the_attempts_of_what_waits_for_it()
    {
        await using var rig = await NodeRig.StartAsync(NodeRig.Fast with
        {
            Executor = new()
            {
                Concurrency = 8,
                PerTarget = 4,
                Breaker = new() { Failures = 4, Pause = TimeSpan.FromHours(1) },
            },
        });
        await using var client = await KaryaClient.ConnectAsync($"karya://{rig.Node.Addresses.Tcp}", Stopping);
        var dead = new List<PlanHandle>();
        for (int i = 0; i < 40; i++)
            dead.Add(await client.SubmitAsync(CallOf(rig, "http://127.0.0.1:1/") with { MaxRetries = 5 }, Stopping));
        await Until.AskAsync(
            async () => await PostgresRig.GaugeAsync(rig.Node, "karya_parked_targets"), parked => parked == 1,
            "the dead target is parked");

        var living = await client.SubmitAsync(CallOf(rig, $"http://{rig.Target.Authority}/"), Stopping);
        Assert.Equal(PlanTaskStatus.Success, (await living.WaitAsync(cancellationToken: Stopping)).Status);

        int attempts = 0;
        foreach (var plan in dead)
        {
            var task = (await plan.GetAsync(Stopping))!.Task;
            attempts += task.Attempts;
            Assert.NotEqual(PlanTaskStatus.Failure, task.Status);
            Assert.StartsWith("Waits for 127.0.0.1:1, which is down: ", task.Note, StringComparison.Ordinal);
        }

        Assert.InRange(attempts, 4, 16); // Those that ran when it was parked, of 240.
    }

    [Fact]
    public async Task A_target_gets_no_more_attempts_a_second_than_it_bears_and_no_other_target_waits()
    {
        await using var other = await LoopbackTarget.StartAsync();
        await using var rig = await NodeRig.StartAsync(NodeRig.Fast with
        {
            Executor = NodeRig.Fast.Executor with { TargetRate = 1 },
        });
        await using var client = await KaryaClient.ConnectAsync($"karya://{rig.Node.Addresses.Tcp}", Stopping);
        PlanHandle? last = null;
        for (int i = 0; i < 50; i++)
            last = await client.SubmitAsync(CallOf(rig, $"http://{rig.Target.Authority}/"), Stopping);
        await Until.AskAsync(
            async () => await PostgresRig.GaugeAsync(rig.Node, "karya_paced_targets"), paced => paced >= 1,
            "the tasks of the target wait for their turn");

        var call = await client.SubmitAsync(CallOf(rig, $"http://{other.Authority}/"), Stopping);

        Assert.Equal(PlanTaskStatus.Success, (await call.WaitAsync(cancellationToken: Stopping)).Status);
        Assert.InRange(rig.Target.Seen.Count, 0, 25); // Of fifty that are due, at one a second.
        await Until.AskAsync(
            async () => (await last!.GetAsync(Stopping))!.Task.Note,
            note => note?.StartsWith(
                $"Waits for a place: others are under way to {rig.Target.Authority}", StringComparison.Ordinal) == true,
            "the task says why it waits");
        Assert.True(await PostgresRig.GaugeAsync(rig.Node, "karya_ready_tasks") > 0);
    }

    [Fact]
    public async Task A_task_that_waits_for_its_next_attempt_says_when_that_is()
    {
        _rig.Target.Answer(503);
        var plan = await _client.SubmitAsync(
            CallOf(_rig, $"http://{_rig.Target.Authority}/") with
            {
                MaxRetries = 3,
                RetryDelay = TimeSpan.FromHours(1),
                RetryDelayMax = TimeSpan.FromHours(1),
            },
            Stopping);

        await Until.AskAsync(
            async () => (await plan.GetAsync(Stopping))!.Task.Note,
            note => note?.StartsWith("Waits for attempt 2, at 2", StringComparison.Ordinal) == true,
            "the task says when it is tried again");
    }

    /// <summary>A marker in the place of secrets is looked for wherever the node shows or writes something.</summary>
    [Fact]
    public async Task A_secret_is_in_the_request_and_nowhere_else()
    {
        const string Canary = "canary-7f3a91";
        using var folder = new StoreFolder();
        string secrets = Path.GetDirectoryName(folder.File)!;
        await File.WriteAllTextAsync(Path.Combine(secrets, "token"), Canary, Stopping);
        using var log = new CapturedLog();
        await using var rig = await NodeRig.StartAsync(
            NodeRig.Fast with
            {
                Secrets = new() { Folder = secrets },
                Connectors = new() { Slack = new() { Token = Canary, Api = $"http://{_slack.Authority}/api/" } },
            },
            loggers: log);
        rig.Target.Respond = async http =>
        {
            http.Response.StatusCode = 500;
            await http.Response.WriteAsync($"you sent {http.Request.Headers.Authorization}");
        };
        _slack.Answer(200, """{"ok":false,"error":"invalid_auth"}""");
        await using var client = await KaryaClient.ConnectAsync($"karya://{rig.Node.Addresses.Tcp}", Stopping);
        var call = new Plan
        {
            Action = KaryaAction.Http(
                HttpMethod.Post, $"http://{rig.Target.Authority}/", """{"token":"${file:token}"}""",
                [new("Authorization", "Bearer ${file:token}")]),
            User = rig.Ann.ToGuid(),
            MaxRetries = 0,
        };
        var plan = await client.SubmitAsync(call, Stopping);
        var post = await client.SubmitAsync(
            call with { Action = KaryaAction.Slack("C1", "[]") }, Stopping);
        Assert.Equal(PlanTaskStatus.Failure, (await plan.WaitAsync(cancellationToken: Stopping)).Status);
        Assert.Equal(PlanTaskStatus.Failure, (await post.WaitAsync(cancellationToken: Stopping)).Status);
        var seen = Assert.Single(rig.Target.Seen);
        Assert.Equal(($"Bearer {Canary}", $$"""{"token":"{{Canary}}"}"""), (seen.Headers["Authorization"], seen.Body));

        var shown = new List<string> { log.Text };
        foreach (string path in (string[])
            [$"/v1/plan/{plan.Id}", $"/v1/plan/{plan.Id}/summary", "/api/dead-letters",
                "/api/dead-letters/groups", "/api/connectors", "/metrics"])
        {
            shown.Add((await rig.HttpAsync(path)).Text);
        }

        shown.Add((await client.GetConnectorsAsync(Stopping)).Aggregate("", (text, one) => text + one));
        shown.Add(rig.Node.Options.ToString());
        await rig.StopAsync();
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(rig.Folder.File)!))
            shown.Add(Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file, Stopping)));

        Assert.Contains(shown, text => text.Contains("you sent Bearer ${file:token}", StringComparison.Ordinal));
        Assert.All(shown, text => Assert.DoesNotContain(Canary, text, StringComparison.Ordinal));
    }

    private static Plan CallOf(NodeRig rig, string url) => new()
    {
        Name = "call",
        Action = KaryaAction.Http(HttpMethod.Get, url),
        User = rig.Ann.ToGuid(),
        MaxRetries = 0,
    };

    private Plan PlanOf(KaryaAction action) => new()
    {
        Name = "message",
        Action = action,
        User = _rig.Ann.ToGuid(),
        MaxRetries = 0,
    };
}
