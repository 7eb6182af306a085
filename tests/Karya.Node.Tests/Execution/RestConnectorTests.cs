using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Execution;

public sealed class RestConnectorTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    private static readonly Attempt ThirdAttempt = SampleAttempt.Number(3);

    // Stands still unless a test moves it, so that nothing times out by chance.
    private readonly FakeTimeProvider _time = new(Noon);
    private LoopbackTarget _target = null!;
    private RestConnector _connector = null!;

    public async ValueTask InitializeAsync()
    {
        _target = await LoopbackTarget.StartAsync();
        _connector = new RestConnector(
            new RestOptions(), new EgressGate(Rules.Local), _time);
    }

    public async ValueTask DisposeAsync()
    {
        _connector.Dispose();
        await _target.DisposeAsync();
    }

    [Fact]
    public async Task A_call_says_which_attempt_of_which_task_it_is()
    {
        Assert.Equal(Outcome.Success, await CallAsync(Get("/ping?src=karya")));

        var seen = await _target.NextAsync();
        Assert.Equal("GET", seen.Method);
        Assert.Equal("/ping?src=karya", seen.PathAndQuery);
        Assert.Equal(ThirdAttempt.Key.ToTaskId().ToString("D"), seen.Headers["karya-task-id"]);
        Assert.Equal("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", seen.Headers["karya-plan-id"]);
        Assert.Equal("3", seen.Headers["karya-attempt"]);
        Assert.Equal("42", seen.Headers["karya-epoch"]);
        Assert.Equal("keep-alive", seen.Headers["connection"]);
    }

    [Fact]
    public async Task Nothing_goes_out_that_nobody_asked_for()
    {
        await CallAsync(Get("/"));

        var seen = await _target.NextAsync();
        string[] expected =
        [
            "Connection", "Content-Length", "Content-Type", "Host",
            "karya-attempt", "karya-epoch", "karya-plan-id", "karya-task-id",
        ];
        Assert.Equal(expected, seen.Headers.Keys.Order(StringComparer.OrdinalIgnoreCase));
        Assert.Equal("0", seen.Headers["content-length"]);
    }

    [Fact]
    public async Task Karyas_headers_win_over_those_of_the_plan()
    {
        await CallAsync(Get("/") with { Headers = [new("Karya-Attempt", "99"), new("karya-epoch", "0")] });

        var seen = await _target.NextAsync();
        Assert.Equal("3", seen.Headers["karya-attempt"]);
        Assert.Equal("42", seen.Headers["karya-epoch"]);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    [InlineData("PATCH")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task A_body_arrives_verbatim_with_every_method(string method)
    {
        const string Body = "{ \"n\" : 1,\n \"text\":\"ü€𝄞\" }";
        await CallAsync(Get("/") with { Method = method, JsonBody = Body });

        var seen = await _target.NextAsync();
        Assert.Equal(method, seen.Method);
        Assert.Equal(Body, seen.Body);
        Assert.Equal("application/json", seen.Headers["content-type"]);
        Assert.False(seen.Headers.ContainsKey("transfer-encoding"));
    }

    [Theory]
    [InlineData("GET", null)]
    [InlineData("POST", "x")]
    public async Task A_given_content_type_wins_over_the_default(string method, string? body)
    {
        var action = Get("/") with { Method = method, JsonBody = body };
        await CallAsync(action with { Headers = [new("Content-Type", "text/x-own; a=b")] });
        Assert.Equal("text/x-own; a=b", (await _target.NextAsync()).Headers["content-type"]);
    }

    [Fact]
    public async Task Headers_of_the_plan_arrive_as_they_are()
    {
        await CallAsync(Get("/") with
        {
            Headers =
            [
                new("x-key", "v"), new("X-Empty", ""), new("content-language", "de"), new("connection", "Keep-Alive"),
                new("authorization", "Bearer a.b"), new("user-agent", "(odd"), new("x-text", "grün"),
            ],
        });

        var seen = await _target.NextAsync();
        Assert.Equal("v", seen.Headers["x-key"]);
        Assert.Equal("", seen.Headers["x-empty"]);
        Assert.Equal("de", seen.Headers["content-language"]);
        Assert.Equal("Bearer a.b", seen.Headers["authorization"]);
        Assert.Equal("(odd", seen.Headers["user-agent"]);
        Assert.Equal("grün", seen.Headers["x-text"]);
    }

    [Theory]
    [InlineData("x y", "v", "x y")]
    [InlineData("", "v", "''")]
    [InlineData("x-ü", "v", "x-ü")]
    [InlineData("x-split", "a\r\nx-evil: 1", "x-split")]
    [InlineData("x-nul", "a\0b", "x-nul")]
    [InlineData("Host", "elsewhere", "Host")]
    [InlineData("Content-Length", "5", "Content-Length")]
    [InlineData("transfer-encoding", "chunked", "transfer-encoding")]
    [InlineData("connection", "upgrade", "connection")]
    [InlineData("Proxy-Authorization", "x", "Proxy-Authorization")]
    public async Task A_header_that_cannot_be_sent_fails_the_task_for_good(string name, string value, string named)
    {
        var outcome = await CallAsync(Get("/") with { Headers = [new(name, value)] });

        Assert.False(outcome.Retryable);
        Assert.StartsWith("REST INVOCATION FAILED --- error : ", outcome.Error, StringComparison.Ordinal);
        Assert.Contains(named, outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_target.Seen);
    }

    [Theory]
    [InlineData("")]
    [InlineData("?q")]
    [InlineData("host:99999/")]
    [InlineData("host:0/")]
    [InlineData("ho st/")]
    [InlineData("ftp://host/x")]
    [InlineData("file:///etc/passwd")]
    [InlineData("http://http://host/")]
    [InlineData("[::1/")]
    public async Task A_url_that_cannot_be_called_fails_the_task_for_good(string baseUrl)
    {
        var outcome = await CallAsync(Get("/") with { BaseUrl = baseUrl });

        string called = "http://" + baseUrl.Replace("http://http", "http", StringComparison.Ordinal);
        Assert.False(outcome.Retryable);
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : '{called}'", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://")]
    [InlineData("HTTPS://")]
    public async Task A_scheme_in_front_of_the_base_url_is_dropped(string scheme)
    {
        Assert.True((await CallAsync(Get("/x") with { BaseUrl = $"{scheme}{_target.Authority}/x" })).IsSuccess);
        Assert.Equal("/x", (await _target.NextAsync()).PathAndQuery);
    }

    [Fact]
    public async Task An_unknown_method_fails_the_task_for_good()
    {
        var outcome = await CallAsync(Get("/") with { Method = "TRACE" });
        Assert.Equal(
            Outcome.FailedForGood(FailureClass.InvalidAction,
                "REST INVOCATION FAILED --- error : the method 'TRACE' is none of GET, POST, PATCH, PUT and DELETE."),
            outcome);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(204, true)]
    [InlineData(299, true)]
    [InlineData(300, false)]
    [InlineData(302, false)]
    [InlineData(404, false)]
    [InlineData(503, false)]
    public async Task Two_hundred_to_299_is_success_and_nothing_else(int status, bool success)
    {
        _target.Answer(status);
        Assert.Equal(success, (await CallAsync(Get("/"))).IsSuccess);
    }

    [Fact]
    public async Task A_failure_says_status_url_and_answer()
    {
        _target.Answer(503, "busy: ünavailable");
        var outcome = await CallAsync(Get("/ping"));
        string expected = $"REST call failed --- [503 | http://{_target.Authority}/ping] | busy: ünavailable";
        Assert.Equal(Outcome.Down(FailureClass.Http5xx, expected), outcome);
    }

    [Theory]
    [InlineData(429, "7", 7000)]
    [InlineData(503, "7", 7000)]
    [InlineData(503, "Fri, 02 Jan 2026 12:00:30 GMT", 30_000)]
    [InlineData(503, "Fri, 02 Jan 2026 11:00:00 GMT", 0)]
    [InlineData(503, "99999999", 3_600_000)]
    [InlineData(503, "soon", 0)]
    [InlineData(500, "7", 0)]
    public async Task A_busy_target_may_ask_for_a_pause(int status, string retryAfter, int expectedMs)
    {
        _target.Answer(status, "", ("Retry-After", retryAfter));
        Assert.Equal(expectedMs, (await CallAsync(Get("/"))).RetryAfterMs);
    }

    [Theory]
    [InlineData(1500, 1500)]
    [InlineData(0, 2000)]
    [InlineData(-1, 2000)]
    public async Task A_target_that_never_answers_fails_the_attempt_at_its_timeout(long timeoutMs, int expectedMs)
    {
        _target.Hold();
        var call = CallAsync(Get("/") with { TimeoutMs = timeoutMs });
        await _target.NextAsync();

        _time.Advance(TimeSpan.FromMilliseconds(expectedMs - 1));
        Assert.False(call.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        Assert.Equal(
            Outcome.Down(FailureClass.Timeout, string.Create(
                CultureInfo.InvariantCulture,
                $"REST INVOCATION FAILED --- error : timeout: no complete answer within {expectedMs} ms.")),
            await Expect.SoonAsync(call, "the call times out"));
    }

    [Theory]
    [InlineData("HTTP/1.1 20")]
    [InlineData("HTTP/1.1 200 OK\r\nx-half: 1")]
    [InlineData("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")]
    [InlineData("HTTP/1.1 500 Oh\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")]
    public async Task The_timeout_covers_every_stage_of_an_answer(string beginning)
    {
        await using var target = new RawTarget(async (socket, stopping) =>
        {
            await socket.SendAsync(Encoding.Latin1.GetBytes(beginning), stopping);
            await Task.Delay(Timeout.Infinite, stopping);
        });
        using var connector = new RestConnector(
            new RestOptions(), new EgressGate(Rules.Local), TimeProvider.System);

        var call = connector.RunAsync(
            ThirdAttempt, Get("/") with { BaseUrl = target.Authority, TimeoutMs = 50 }, CancellationToken.None);
        Assert.Equal(
            "REST INVOCATION FAILED --- error : timeout: no complete answer within 50 ms.",
            (await Expect.SoonAsync(call.AsTask(), "the call times out")).Error);
    }

    [Fact]
    public async Task An_endless_trickle_of_bytes_does_not_hold_off_the_timeout()
    {
        await using var target = new RawTarget(async (socket, stopping) =>
        {
            await socket.SendAsync("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n"u8.ToArray(), stopping);
            using var ticks = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
            while (await ticks.WaitForNextTickAsync(stopping))
                await socket.SendAsync("x"u8.ToArray(), stopping);
        });
        using var connector = new RestConnector(
            new RestOptions(), new EgressGate(Rules.Local), TimeProvider.System);

        var call = connector.RunAsync(
            ThirdAttempt, Get("/") with { BaseUrl = target.Authority, TimeoutMs = 60 }, CancellationToken.None);
        var outcome = await Expect.SoonAsync(call.AsTask(), "the call times out");
        Assert.Contains("within 60 ms", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timeout_of_one_attempt_does_not_reach_into_the_next()
    {
        _target.Hold();
        var call = CallAsync(Get("/") with { TimeoutMs = 100 });
        await _target.NextAsync();
        _time.Advance(TimeSpan.FromMilliseconds(100));
        Assert.False((await Expect.SoonAsync(call, "the call times out")).IsSuccess);

        var gate = _target.Hold();
        call = CallAsync(Get("/") with { TimeoutMs = 1000 });
        await _target.NextAsync();
        _time.Advance(TimeSpan.FromMilliseconds(900));
        gate.Open();
        Assert.True((await Expect.SoonAsync(call, "the call ends")).IsSuccess);
    }

    [Fact]
    public async Task A_stopping_node_ends_the_call_and_says_so()
    {
        _target.Hold();
        using var stop = new CancellationTokenSource();
        var call = _connector.RunAsync(ThirdAttempt, Get("/"), stop.Token).AsTask();
        await _target.NextAsync();
        await stop.CancelAsync();
        Assert.Equal(Outcome.NodeStopped, await Expect.SoonAsync(call, "the call ends"));
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(500, false)]
    public async Task A_body_over_the_limit_is_cut_and_the_status_counts(int status, bool success)
    {
        using var connector = new RestConnector(
            new RestOptions(ResponseBytesMax: 10), new EgressGate(Rules.Local), _time);
        _target.Answer(status, "0123456789abc");

        var outcome = await connector.RunAsync(ThirdAttempt, Get("/"), CancellationToken.None);
        Assert.Equal(success, outcome.IsSuccess);
        if (!success)
            Assert.EndsWith("| 0123456789… [read no further than 10 bytes]", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_of_exactly_the_limit_is_whole()
    {
        using var connector = new RestConnector(
            new RestOptions(ResponseBytesMax: 10), new EgressGate(Rules.Local), _time);
        _target.Answer(500, "0123456789");
        var outcome = await connector.RunAsync(ThirdAttempt, Get("/"), CancellationToken.None);
        Assert.EndsWith("| 0123456789", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(500, false)]
    public async Task An_endless_body_ends_at_the_limit(int status, bool success)
    {
        var hungUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _target.Respond = async http =>
        {
            http.Response.StatusCode = status;
            await using var registration = http.RequestAborted.Register(hungUp.SetResult);
            while (true)
                await http.Response.Body.WriteAsync(new byte[8192], http.RequestAborted);
        };

        Assert.Equal(success, (await Expect.SoonAsync(CallAsync(Get("/")), "the call ends")).IsSuccess);
        await Expect.SoonAsync(hungUp.Task, "the connector hangs up");
    }

    [Theory]
    [InlineData(400, false, false, FailureClass.Http4xx)]
    [InlineData(401, false, false, FailureClass.Http4xx)]
    [InlineData(404, false, false, FailureClass.Http4xx)]
    [InlineData(408, true, false, FailureClass.Http4xx)]
    [InlineData(409, false, false, FailureClass.Http4xx)]
    [InlineData(425, true, false, FailureClass.Http4xx)]
    [InlineData(429, true, true, FailureClass.RateLimited)]
    [InlineData(500, true, false, FailureClass.Http5xx)]
    [InlineData(502, true, true, FailureClass.Http5xx)]
    [InlineData(503, true, true, FailureClass.Http5xx)]
    [InlineData(504, true, true, FailureClass.Http5xx)]
    [InlineData(599, true, false, FailureClass.Http5xx)]
    public async Task A_status_decides_whether_it_is_tried_again_but_for_plans_of_v1(
        int status, bool isRetryable, bool isDown, FailureClass failure)
    {
        _target.Answer(status, "");

        var outcome = await CallAsync(Get("/") with { RetriesAnyStatus = false });
        Assert.Equal((isRetryable, isDown), (outcome.Retryable, outcome.IsTargetDown));
        Assert.Equal(failure, outcome.Failure);
        Assert.True((await CallAsync(Get("/"))).Retryable);
    }

    [Fact]
    public async Task A_compressed_body_is_not_inflated()
    {
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            await gzip.WriteAsync(new byte[1_000_000], TestContext.Current.CancellationToken);
        _target.AnswerBytes(500, packed.ToArray(), ("Content-Encoding", "gzip"));

        var outcome = await CallAsync(Get("/"));
        Assert.InRange(outcome.Error!.Length, 1, 2000);
        Assert.False((await _target.NextAsync()).Headers.ContainsKey("accept-encoding"));
    }

    [Fact]
    public async Task Cookies_are_not_kept()
    {
        _target.Answer(200, "", ("Set-Cookie", "a=b; Path=/"));
        await CallAsync(Get("/"));
        await CallAsync(Get("/"));
        Assert.All(_target.Seen, seen => Assert.False(seen.Headers.ContainsKey("cookie")));
    }

    [Fact]
    public async Task A_refused_connection_is_named()
    {
        using var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));   // Bound but not listening: nobody else gets the port.
        string authority = bound.LocalEndPoint!.ToString()!;

        Assert.Equal(
            Outcome.Down(FailureClass.Refused,
                $"REST INVOCATION FAILED --- error : {authority} refused the connection: nothing listens there."),
            await CallAsync(Get("/") with { BaseUrl = authority }));
    }

    [Fact]
    public async Task An_unknown_name_is_named()
    {
        // A label of more than 63 characters cannot be resolved anywhere.
        string host = new('a', 70);
        var outcome = await CallAsync(Get("/") with { BaseUrl = host + ".invalid/" });
        Assert.True(outcome.Retryable);
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : the name '{host}.invalid' could not be resolved: ",
            outcome.Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_handshake_is_named()
    {
        using var plain = new TcpListener(IPAddress.Loopback, 0);
        plain.Start();
        var answering = AnswerHelloAsync(plain);

        var outcome = await CallAsync(Get("/") with { Https = true, BaseUrl = plain.LocalEndpoint.ToString()! });
        await Expect.SoonAsync(answering, "the target is called");
        Assert.True(outcome.Retryable);
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : TLS with {plain.LocalEndpoint} failed: ",
            outcome.Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reset_before_the_answer_fails_the_attempt()
    {
        await using var target = new RawTarget((socket, _) =>
        {
            RawTarget.Reset(socket);
            return Task.CompletedTask;
        });
        var outcome = await CallAsync(Post(target.Authority));
        Assert.True(outcome.Retryable);
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : {target.Authority} ", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("connection", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_end_before_the_answer_fails_the_attempt()
    {
        await using var target = new RawTarget("");
        var outcome = await CallAsync(Post(target.Authority));
        Assert.Equal(
            Outcome.Down(FailureClass.Connection,
                $"REST INVOCATION FAILED --- error : {target.Authority} closed the connection before it had answered."),
            outcome);
    }

    [Theory]
    [InlineData(200, true)]
    [InlineData(500, false)]
    public async Task A_target_that_breaks_off_within_the_body_has_answered(int status, bool success)
    {
        await using var target = new RawTarget(string.Create(
            CultureInfo.InvariantCulture, $"HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\nhalf"));
        var outcome = await CallAsync(Post(target.Authority));
        Assert.Equal(success, outcome.IsSuccess);
        if (!success)
            Assert.Contains("| half… [the answer broke off: ", outcome.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.6\r\n\r\n")]
    [InlineData("HTTP/1.1 abc\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nbroken header\r\n\r\n")]
    public async Task An_answer_that_is_not_http_fails_the_attempt(string answer)
    {
        await using var target = new RawTarget(answer);
        var outcome = await CallAsync(Post(target.Authority));
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : {target.Authority} sent no valid HTTP answer: ",
            outcome.Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Endless_headers_fail_the_attempt()
    {
        await using var target = new RawTarget(async (socket, stopping) =>
        {
            await socket.SendAsync("HTTP/1.1 200 OK\r\n"u8.ToArray(), stopping);
            byte[] line = Encoding.Latin1.GetBytes($"x-more: {new string('m', 1000)}\r\n");
            while (true)
                await socket.SendAsync(line, stopping);
        });
        var outcome = await Expect.SoonAsync(CallAsync(Post(target.Authority)), "the call ends");
        Assert.Contains("sent no valid HTTP answer", outcome.Error, StringComparison.Ordinal);
    }

    private static async Task AnswerHelloAsync(TcpListener listener)
    {
        using var socket = await listener.AcceptSocketAsync();
        await socket.ReceiveAsync(new byte[4096]);
        await socket.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
    }

    private static RestAction Post(string baseUrl) => new(false, baseUrl, "POST", [], "{}", 2000);

    private RestAction Get(string path) => new(false, _target.Authority + path, "GET", [], null, 2000);

    private Task<Outcome> CallAsync(RestAction action) =>
        _connector.RunAsync(ThirdAttempt, action, TestContext.Current.CancellationToken).AsTask();
}
