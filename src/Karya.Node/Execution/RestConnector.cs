using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using Karya.Engine;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Protocol;

namespace Karya.Node.Execution;

/// <param name="ResponseBytesMax">Bytes of a response body that are read. The rest is not waited for.</param>
/// <param name="FollowRedirects">Follow up to five redirects of a GET, each through the gate.</param>
internal sealed record RestOptions(int ResponseBytesMax = 64 * 1024, bool FollowRedirects = false)
{
    /// <summary>Requests are signed with it; null: they are not.</summary>
    public WebhookSigner? Signer { get; init; }

    /// <summary>What references in headers and bodies stand for.</summary>
    public PlanSecrets Secrets { get; init; } = PlanSecrets.None;
}

/// <summary>Calls URLs. Thread-safe; connections are pooled and shared by all attempts.</summary>
/// <remarks>
/// What counts as an answer: status line and headers. A body that is too long or breaks off changes nothing any more,
/// since the target has decided; only a body that does not end within the time limit fails the attempt.
/// </remarks>
internal sealed class RestConnector : IConnector, IDisposable
{
    private const int RedirectsMax = 5;

    // A day. Nobody means a longer one, and timers end at 49 days.
    private const long TimeoutMsMax = 86_400_000;

    /// <summary>What identifies the plan's owner to the first target is not told to another one.</summary>
    private static readonly HashSet<string> ForTheFirstOnly = new(StringComparer.OrdinalIgnoreCase)
    {
        "authorization", "cookie",
    };

    private readonly RestOptions _options;
    private readonly TimeProvider _time;
    private readonly DeadlinePool _deadlines;
    private readonly HttpMessageInvoker _invoker;

    public RestConnector(RestOptions options, EgressGate gate, TimeProvider time)
    {
        _options = options;
        _time = time;
        _deadlines = new DeadlinePool(time);
        _invoker = GatedHttp.NewInvoker(gate);
    }

    public ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
    {
        var rest = (RestAction)action;
        return _options.Secrets.IsOn && HasReferences(rest)
            ? RunWithSecretsAsync(attempt, rest, stopping)
            : CallAsync(attempt, rest, stopping);
    }

    public void Dispose()
    {
        _invoker.Dispose();
        _deadlines.Dispose();
    }

    /// <summary>One request: how the attempt ended, or the request that it leads on to. Never throws.</summary>
    private async ValueTask<(Outcome Outcome, HttpRequestMessage? Next)> StepAsync(
        Call call, HttpRequestMessage request, int redirects)
    {
        try
        {
            using var response = await _invoker.SendAsync(request, call.Deadline);
            if (!_options.FollowRedirects || !IsRedirect(request, response, out string? location))
                return (await JudgeAsync(response, call), null);
            await GatedHttp.ReadBodyAsync(response, _options.ResponseBytesMax, keeps: false, call.Deadline);
            if (redirects == RedirectsMax)
                return (Refused($"'{call.Url}' and {RedirectsMax} more lead on"), null);
            return TryFollow(call, request.RequestUri!, location, Signing(), out var next, out string? refusal)
                ? (Outcome.Success, next)
                : (Refused(refusal), null);
        }
        catch (Exception) when (call.Stopping.IsCancellationRequested)
        {
            return (Outcome.NodeStopped, null);
        }
        catch (Exception) when (call.Deadline.IsCancellationRequested)
        {
            return (Outcome.Down(FailureClass.Timeout, Invocation(string.Create(
                CultureInfo.InvariantCulture, $"timeout: no complete answer within {call.TimeoutMs} ms."))), null);
        }
        catch (Exception e)
        {
            return (RestFailure.DenialIn(e) is { } denied
                ? Outcome.FailedForGood(FailureClass.EgressDenied, Invocation(denied.Message))
                : Outcome.Down(
                    RestFailure.ClassOf(e), Invocation(RestFailure.Describe(e, request.RequestUri!))), null);
        }
    }

    private static bool HasReferences(RestAction rest) =>
        rest.JsonBody?.Contains("${", StringComparison.Ordinal) == true
        || rest.Headers.Any(header => header.Value.Contains("${", StringComparison.Ordinal));

    /// <summary>The values are in the request and nowhere else: a target that repeats them is quoted without.</summary>
    private async ValueTask<Outcome> RunWithSecretsAsync(
        Attempt attempt, RestAction rest, CancellationToken stopping)
    {
        var used = new List<UsedSecret>();
        string? problem = null;
        string? body = rest.JsonBody is null ? null : Resolve(rest.JsonBody);
        var headers = rest.Headers.Select(header => KeyValuePair.Create(header.Key, Resolve(header.Value))).ToArray();
        if (problem is not null)
            return Outcome.Failed(FailureClass.Secret, Invocation($"secret: {problem}"));
        var outcome = await CallAsync(attempt, rest with { JsonBody = body, Headers = headers }, stopping);
        return outcome.Error is null ? outcome : outcome with { Error = PlanSecrets.Redact(outcome.Error, used) };

        string Resolve(string text)
        {
            string resolved = _options.Secrets.Resolve(text, used, out string? why);
            problem ??= why;
            return resolved;
        }
    }

    private async ValueTask<Outcome> CallAsync(Attempt attempt, RestAction rest, CancellationToken stopping)
    {
        string url = RestTarget.UrlOf(rest);
        if (!RestRequest.TryBuild(attempt, rest, url, Signing(), out var request, out string? problem))
            return Outcome.FailedForGood(FailureClass.InvalidAction, Invocation(problem));

        long timeoutMs = rest.TimeoutMs <= 0 ? RestAction.TimeoutMsDefault : Math.Min(rest.TimeoutMs, TimeoutMsMax);
        using var deadline = _deadlines.Start(TimeSpan.FromMilliseconds(timeoutMs), stopping);
        var call = new Call(attempt, rest, url, timeoutMs, deadline.Token, stopping);
        for (int redirects = 0; ; redirects++)
        {
            var (outcome, next) = await StepAsync(call, request, redirects);
            request.Dispose();
            if (next is null)
                return outcome;
            request = next;
        }
    }

    private Signing? Signing() =>
        _options.Signer is { } signer ? new Signing(signer, _time.GetUtcNow()) : null;

    private static bool IsRedirect(
        HttpRequestMessage request, HttpResponseMessage response, [NotNullWhen(true)] out string? location)
    {
        location = null;
        bool leadsOn = response.StatusCode is HttpStatusCode.MovedPermanently or HttpStatusCode.Found
            or HttpStatusCode.SeeOther or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
        if (leadsOn && request.Method == HttpMethod.Get
            && response.Headers.TryGetValues("location", out var locations))
        {
            location = locations.First();
        }

        return location is not null;
    }

    /// <summary>The next request. It is checked like the first, and its connection by the gate.</summary>
    private static bool TryFollow(
        Call call, Uri from, string location, Signing? signing,
        [NotNullWhen(true)] out HttpRequestMessage? next, [NotNullWhen(false)] out string? refusal)
    {
        next = null;
        var rest = call.Action;
        if (!Uri.TryCreate(from, location, out var to) || to.Scheme is not ("http" or "https"))
        {
            refusal = $"'{location}' is no URL of http or https";
            return false;
        }

        if (from.Scheme == "https" && to.Scheme == "http")
        {
            refusal = $"'{to.GetLeftPart(UriPartial.Path)}' is not encrypted, and '{from.Authority}' was";
            return false;
        }

        bool isSame = to.Scheme == from.Scheme && to.Authority == from.Authority;
        var headers = isSame ? rest.Headers : [.. rest.Headers.Where(header => !ForTheFirstOnly.Contains(header.Key))];
        return RestRequest.TryBuild(
            call.Attempt, rest with { JsonBody = null, Headers = headers }, to.AbsoluteUri, signing, out next,
            out refusal);
    }

    private async ValueTask<Outcome> JudgeAsync(HttpResponseMessage response, Call call)
    {
        bool isSuccess = response.IsSuccessStatusCode;
        string body = await GatedHttp.ReadBodyAsync(
            response, _options.ResponseBytesMax, keeps: !isSuccess, call.Deadline);
        if (isSuccess)
            return Outcome.Success;

        string error = string.Create(
            CultureInfo.InvariantCulture, $"REST call failed --- [{(int)response.StatusCode} | {call.Url}] | {body}");
        bool isRetryable = call.Action.RetryOn is { } statuses
            ? RetryStatuses.Contains(statuses, (int)response.StatusCode)
            : call.Action.RetriesAnyStatus || RestFailure.MayPassBy(response.StatusCode);
        return new Outcome(error, isRetryable, RetryAfter.Of(response, _time.GetUtcNow()))
        {
            IsTargetDown = RestFailure.IsDown(response.StatusCode),
            Failure = RestFailure.ClassOf(response.StatusCode),
        };
    }

    private static Outcome Refused(string why) =>
        Outcome.FailedForGood(FailureClass.Http3xx, Invocation($"redirect refused: {why.TrimEnd('.')}."));

    private static string Invocation(string message) => $"REST INVOCATION FAILED --- error : {message}";

    /// <param name="Url">The first one.</param>
    /// <param name="Deadline">Cancelled when the time is up, or the node stops.</param>
    private readonly record struct Call(
        Attempt Attempt, RestAction Action, string Url, long TimeoutMs, CancellationToken Deadline,
        CancellationToken Stopping);
}
