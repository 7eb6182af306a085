using System.Text.Json;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Against a stand-in that gives the answers which Slack documents.</summary>
public sealed class SlackConnectorTests : IAsyncLifetime
{
    private const string Blocks = """[{"type":"section","text":{"type":"mrkdwn","text":"*Disk* full"}}]""";

    private static readonly Attempt First = SampleAttempt.Number(1);

    private readonly FakeTimeProvider _time = new();
    private LoopbackTarget _slack = null!;
    private SlackConnector _connector = null!;

    public async ValueTask InitializeAsync()
    {
        _slack = await LoopbackTarget.StartAsync();
        _slack.Answer(200, """{"ok":true,"channel":"C1","ts":"1503435956.000247"}""");
        _connector = new SlackConnector(
            new SlackOptions("xoxb-canary", new Uri($"http://{_slack.Authority}/api/")),
            new EgressGate(Rules.Local), _time);
    }

    public async ValueTask DisposeAsync()
    {
        _connector.Dispose();
        await _slack.DisposeAsync();
    }

    [Fact]
    public async Task A_message_is_posted_with_its_blocks_a_text_for_notifications_and_a_footer()
    {
        Assert.Equal(Outcome.Success, await PostAsync("C1", Blocks));

        var seen = Assert.Single(_slack.Seen);
        Assert.Equal(("POST", "/api/chat.postMessage"), (seen.Method, seen.PathAndQuery));
        Assert.Equal("Bearer xoxb-canary", seen.Headers["Authorization"]);
        Assert.Equal("application/json; charset=utf-8", seen.Headers["Content-Type"]);
        using var body = JsonDocument.Parse(seen.Body);
        Assert.Equal("C1", body.RootElement.GetProperty("channel").GetString());
        Assert.Equal("*Disk* full", body.RootElement.GetProperty("text").GetString());
        var blocks = body.RootElement.GetProperty("blocks");
        Assert.Equal(2, blocks.GetArrayLength());
        Assert.Equal("section", blocks[0].GetProperty("type").GetString());
        Assert.Equal(
            $"Sent by Karya, plan {First.Key.Plan}",
            blocks[1].GetProperty("elements")[0].GetProperty("text").GetString());
    }

    [Theory]
    [InlineData("channel_not_found", false, FailureClass.Rejected)]
    [InlineData("not_in_channel", false, FailureClass.Rejected)]
    [InlineData("invalid_auth", false, FailureClass.SignIn)]
    [InlineData("token_revoked", false, FailureClass.SignIn)]
    [InlineData("invalid_blocks", false, FailureClass.Rejected)]
    [InlineData("ratelimited", true, FailureClass.RateLimited)]
    [InlineData("internal_error", true, FailureClass.Rejected)]
    [InlineData("service_unavailable", true, FailureClass.Rejected)]
    public async Task An_answer_that_is_not_ok_is_a_failure_and_only_what_passes_by_is_tried_again(
        string error, bool isRetryable, FailureClass failure)
    {
        _slack.Answer(200, $$"""{"ok":false,"error":"{{error}}"}""");

        Assert.Equal(
            new Outcome($"Slack: {error}", isRetryable) { Failure = failure }, await PostAsync("C1", Blocks));
    }

    [Theory]
    [InlineData(429, true, 30_000, FailureClass.RateLimited)]
    [InlineData(503, true, 30_000, FailureClass.Http5xx)]
    [InlineData(500, true, 0, FailureClass.Http5xx)]
    [InlineData(404, false, 0, FailureClass.Http4xx)]
    public async Task A_pause_that_is_asked_for_is_kept(
        int status, bool isRetryable, int pauseMs, FailureClass failure)
    {
        _slack.Answer(status, "slow down", ("Retry-After", "30"));

        Assert.Equal(
            new Outcome($"Slack answered {status}: slow down", isRetryable, pauseMs)
            {
                IsTargetDown = pauseMs > 0,
                Failure = failure,
            },
            await PostAsync("C1", Blocks));
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("""{"fine":true}""")]
    [InlineData("")]
    public async Task What_is_not_an_answer_of_slack_is_tried_again(string answer)
    {
        _slack.Answer(200, answer);

        Assert.Equal(
            Outcome.Failed(FailureClass.InvalidAnswer, $"Slack sent an answer that is not one of its own: {answer}"),
            await PostAsync("C1", Blocks));
    }

    [Fact]
    public async Task A_message_that_slack_cannot_take_is_not_sent()
    {
        var outcome = await PostAsync("C1", "hello");

        Assert.False(outcome.Retryable);
        Assert.StartsWith("Slack: the message is not JSON: ", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_slack.Seen);
    }

    [Fact]
    public async Task Slack_that_does_not_answer_fails_the_attempt_in_time_and_the_token_is_nowhere_in_the_error()
    {
        var called = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _slack.Respond = async http =>
        {
            called.SetResult();
            await Task.Delay(Timeout.Infinite, http.RequestAborted)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        };
        var posted = PostAsync("C1", Blocks).AsTask();
        await Expect.SoonAsync(called.Task, "Slack is called");

        _time.Advance(TimeSpan.FromSeconds(10));

        Assert.Equal(
            Outcome.Down(FailureClass.Timeout, "Slack: timeout: no complete answer within 10 s."), await posted);
    }

    [Fact]
    public async Task A_test_asks_for_the_tokens_owner_and_posts_nothing()
    {
        Assert.Equal(Outcome.Success, await _connector.TestAsync(CancellationToken.None));
        Assert.Equal("/api/auth.test", Assert.Single(_slack.Seen).PathAndQuery);

        _slack.Answer(200, """{"ok":false,"error":"invalid_auth"}""");
        Assert.Equal(
            Outcome.FailedForGood(FailureClass.SignIn, "Slack: invalid_auth"),
            await _connector.TestAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Slack_is_behind_the_gate_too()
    {
        using var connector = new SlackConnector(
            new SlackOptions("x", new Uri($"http://{_slack.Authority}/")),
            new EgressGate(new EgressRules([], AllowsLoopback: false)), _time);

        var outcome = await connector.RunAsync(First, new SlackAction("C1", Blocks), CancellationToken.None);

        Assert.StartsWith("Slack: egress denied: '127.0.0.1'", outcome.Error, StringComparison.Ordinal);
        Assert.False(outcome.Retryable);
    }

    private ValueTask<Outcome> PostAsync(string channel, string message) =>
        _connector.RunAsync(First, new SlackAction(channel, message), TestContext.Current.CancellationToken);
}
