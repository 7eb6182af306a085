using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <param name="ResponseBytesMax">Bytes of a response body that are read. The rest is not waited for.</param>
/// <param name="FollowRedirects">
/// Follow up to five redirects of a GET. They may lead anywhere, also to where a plan may not.
/// </param>
internal sealed record RestOptions(int ResponseBytesMax = 64 * 1024, bool FollowRedirects = false);

/// <summary>Calls URLs. Thread-safe; connections are pooled and shared by all attempts.</summary>
/// <remarks>
/// What counts as an answer: status line and headers. A body that is too long or breaks off changes nothing any more,
/// since the target has decided; only a body that does not end within the time limit fails the attempt.
/// </remarks>
internal sealed class RestConnector : IConnector, IDisposable
{
    private const int RedirectsMax = 5;
    private const int ResponseHeadersKiBMax = 32;

    // A connection that nobody waits for any more is given up after this; attempts have their own limit.
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(10);

    // Short enough to follow changes of DNS, long enough not to matter.
    private static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    // A day. Nobody means a longer one, and timers end at 49 days.
    private const long TimeoutMsMax = 86_400_000;

    // An hour. A target must not be able to put a task off for years.
    private const int RetryAfterMsMax = 3_600_000;

    private readonly RestOptions _options;
    private readonly TimeProvider _time;
    private readonly DeadlinePool _deadlines;
    private readonly HttpMessageInvoker _invoker;
    private readonly HttpMessageInvoker _followingInvoker;

    public RestConnector(RestOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _deadlines = new DeadlinePool(time);
        _invoker = new HttpMessageInvoker(NewHandler(followRedirects: false));
        _followingInvoker = options.FollowRedirects
            ? new HttpMessageInvoker(NewHandler(followRedirects: true))
            : _invoker;
    }

    public async ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
    {
        var rest = (RestAction)action;
        string url = RestTarget.UrlOf(rest);
        if (!RestRequest.TryBuild(attempt, rest, url, out var request, out string? problem))
            return Outcome.FailedForGood(Invocation(problem));

        long timeoutMs = rest.TimeoutMs <= 0 ? RestAction.TimeoutMsDefault : Math.Min(rest.TimeoutMs, TimeoutMsMax);
        using (request)
        using (var deadline = _deadlines.Start(TimeSpan.FromMilliseconds(timeoutMs), stopping))
        {
            try
            {
                var invoker = request.Method == HttpMethod.Get ? _followingInvoker : _invoker;
                using var response = await invoker.SendAsync(request, deadline.Token);
                string body = await ReadBodyAsync(response, deadline.Token);
                return Judge(response, url, body);
            }
            catch (Exception) when (stopping.IsCancellationRequested)
            {
                return Outcome.NodeStopped;
            }
            catch (Exception) when (deadline.Token.IsCancellationRequested)
            {
                return Outcome.Failed(Invocation(string.Create(
                    CultureInfo.InvariantCulture, $"timeout: no complete answer within {timeoutMs} ms.")));
            }
            catch (Exception e)
            {
                return Outcome.Failed(Invocation(RestFailure.Describe(e, request.RequestUri!)));
            }
        }
    }

    public void Dispose()
    {
        _invoker.Dispose();
        _followingInvoker.Dispose();
        _deadlines.Dispose();
    }

    private static SocketsHttpHandler NewHandler(bool followRedirects) => new()
    {
        PooledConnectionLifetime = ConnectionLifetime,
        ConnectTimeout = ConnectTimeout,
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = followRedirects,
        MaxAutomaticRedirections = RedirectsMax,
        AutomaticDecompression = DecompressionMethods.None,
        MaxResponseHeadersLength = ResponseHeadersKiBMax,
        MaxResponseDrainSize = 0,   // What is over the limit is not read: the connection is closed instead.
        ActivityHeadersPropagator = null,
        RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8,
    };

    /// <summary>
    /// Reads the body to its end, so that the connection can be used again, or to the limit. Only that of a failure
    /// is kept.
    /// </summary>
    private async ValueTask<string> ReadBodyAsync(HttpResponseMessage response, CancellationToken deadline)
    {
        if (response.Content.Headers.ContentLength == 0)
            return "";

        int bytesMax = _options.ResponseBytesMax;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(bytesMax);
        try
        {
            var (count, ending) = await FillAsync(response.Content, buffer.AsMemory(0, bytesMax), deadline);
            return response.IsSuccessStatusCode ? "" : Encoding.UTF8.GetString(buffer, 0, count) + ending;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>How many bytes came, and a remark for when that is not all.</summary>
    private static async ValueTask<(int Count, string Ending)> FillAsync(
        HttpContent content, Memory<byte> buffer, CancellationToken deadline)
    {
        int count = 0;
        try
        {
            // Owned by the response, which disposes it.
            var stream = await content.ReadAsStreamAsync(deadline);
            int read = -1;
            while (read != 0 && count < buffer.Length)
            {
                read = await stream.ReadAsync(buffer[count..], deadline);
                count += read;
            }

            bool isCut = read != 0 && await stream.ReadAsync(new byte[1], deadline) != 0;
            return (count, isCut ? Remark($"read no further than {count} bytes") : "");
        }
        catch (IOException e) when (!deadline.IsCancellationRequested)
        {
            return (count, Remark($"the answer broke off: {e.GetBaseException().Message}"));
        }
    }

    private static string Remark(FormattableString text) => $"… [{FormattableString.Invariant(text)}]";

    private Outcome Judge(HttpResponseMessage response, string url, string body)
    {
        if (response.IsSuccessStatusCode)
            return Outcome.Success;

        string error = string.Create(
            CultureInfo.InvariantCulture, $"REST call failed --- [{(int)response.StatusCode} | {url}] | {body}");
        return new Outcome(error, Retryable: true, RetryAfterMs(response));
    }

    private int RetryAfterMs(HttpResponseMessage response)
    {
        if (response.StatusCode is not (HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable))
            return 0;

        var wanted = response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } => date - _time.GetUtcNow(),
            _ => TimeSpan.Zero,
        };
        return (int)Math.Clamp(wanted.TotalMilliseconds, 0, RetryAfterMsMax);
    }

    private static string Invocation(string message) => $"REST INVOCATION FAILED --- error : {message}";
}
