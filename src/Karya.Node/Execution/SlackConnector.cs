using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using Karya.Engine;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <param name="Token">Of a bot that may <c>chat:write</c>.</param>
/// <param name="Api">Where the methods of the Slack Web API are.</param>
internal sealed record SlackOptions(string Token, Uri Api)
{
    public static Uri ApiDefault { get; } = new("https://slack.com/api/");

    /// <summary>Without the token.</summary>
    public override string ToString() => $"Slack at {Api}";
}

/// <summary>
/// Posts messages by <c>chat.postMessage</c> of the Slack Web API, with a line of Karya's at their end. Thread-safe.
/// </summary>
/// <remarks>
/// Slack answers most mistakes with status 200 and <c>"ok": false</c>. Of its documented errors those are tried again
/// that pass by themselves; a channel that does not exist, or a token that is not valid, does not become better.
/// </remarks>
internal sealed class SlackConnector : IConnector, IDisposable
{
    private const int ResponseBytesMax = 64 * 1024;

    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(10);

    private static readonly HashSet<string> PassBy = new(StringComparer.Ordinal)
    {
        "ratelimited", "rate_limited", "message_limit_exceeded", "internal_error", "fatal_error",
        "service_unavailable", "request_timeout", "team_added_to_org",
    };

    private readonly SlackOptions _options;
    private readonly TimeProvider _time;
    private readonly TimedCalls _calls;
    private readonly HttpMessageInvoker _invoker;

    public SlackConnector(SlackOptions options, EgressGate gate, TimeProvider time)
    {
        _options = options;
        _time = time;
        _calls = new TimedCalls("Slack", TimeLimit, time);
        _invoker = GatedHttp.NewInvoker(gate);
    }

    public ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
    {
        var slack = (SlackAction)action;
        if (SlackBlocks.ProblemWith(slack.Message) is { } problem)
            return ValueTask.FromResult(Outcome.FailedForGood(FailureClass.InvalidAction, $"Slack: {problem}"));
        var message = new JsonObject
        {
            ["channel"] = slack.Channel,
            ["text"] = SlackBlocks.TextOf(slack.Message),
            ["blocks"] = SlackBlocks.WithFooter(slack.Message, attempt.Key.Plan.ToString()),
        };
        return CallAsync("chat.postMessage", message, stopping);
    }

    /// <summary>Asks Slack whether the token is valid; posts nothing.</summary>
    public ValueTask<Outcome> TestAsync(CancellationToken stopping) => CallAsync("auth.test", [], stopping);

    public void Dispose()
    {
        _invoker.Dispose();
        _calls.Dispose();
    }

    private ValueTask<Outcome> CallAsync(string method, JsonObject arguments, CancellationToken stopping)
    {
        var url = new Uri(_options.Api, method);
        return _calls.RunAsync(
            deadline => AskAsync(url, arguments, deadline),
            exception => Outcome.Down(
                RestFailure.ClassOf(exception), $"Slack: {RestFailure.Describe(exception, url)}"), stopping);
    }

    private async ValueTask<Outcome> AskAsync(Uri url, JsonObject arguments, CancellationToken deadline)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url)
        {
            Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes((JsonNode)arguments)),
        };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _options.Token);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json", "utf-8");
        using var response = await _invoker.SendAsync(request, deadline);
        return Judge(response, await GatedHttp.ReadBodyAsync(response, ResponseBytesMax, keeps: true, deadline));
    }

    private Outcome Judge(HttpResponseMessage response, string body)
    {
        int pauseMs = RetryAfter.Of(response, _time.GetUtcNow());
        int status = (int)response.StatusCode;
        if (!response.IsSuccessStatusCode)
        {
            return new Outcome(
                string.Create(CultureInfo.InvariantCulture, $"Slack answered {status}: {body}"),
                RestFailure.MayPassBy(response.StatusCode), pauseMs)
            {
                IsTargetDown = RestFailure.IsDown(response.StatusCode),
                Failure = RestFailure.ClassOf(response.StatusCode),
            };
        }

        var (isOk, error) = Read(body);
        if (isOk)
            return Outcome.Success;
        return error is null
            ? Outcome.Failed(FailureClass.InvalidAnswer, $"Slack sent an answer that is not one of its own: {body}")
            : new Outcome($"Slack: {error}", PassBy.Contains(error), pauseMs) { Failure = ClassOf(error) };
    }

    private static FailureClass ClassOf(string error) => error switch
    {
        "ratelimited" or "rate_limited" => FailureClass.RateLimited,
        "invalid_auth" or "not_authed" or "account_inactive" or "token_revoked" or "token_expired" =>
            FailureClass.SignIn,
        _ => FailureClass.Rejected,
    };

    private static (bool IsOk, string? Error) Read(string body)
    {
        try
        {
            using var answer = JsonDocument.Parse(body);
            var root = answer.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("ok"u8, out var ok))
                return (false, null);
            if (ok.ValueKind == JsonValueKind.True)
                return (true, null);
            bool hasError = root.TryGetProperty("error"u8, out var error) && error.ValueKind == JsonValueKind.String;
            return (false, hasError ? error.GetString() : "no reason given");
        }
        catch (JsonException)
        {
            return (false, null);
        }
    }
}
