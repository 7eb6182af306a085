using System.Globalization;
using System.Text;
using Xunit;

namespace Karya.Node.Tests.Http.V1;

/// <summary>What is refused, with which text; the desk never hears of it.</summary>
public sealed class BadInputTests
{
    private const string Recurring = """{"type":"karya.core.entities.PlanType.Recurring","end_at":""";

    public static TheoryData<string, string?, string> PlanFields { get; } = new()
    {
        { "user_id", null, "user_id is missing; it must be a string." },
        { "user_id", "null", "user_id is null; it must be a string." },
        { "user_id", "\"\"", "user_id is \"\"; it must be a UUID of the form" },
        { "user_id", "\"5b0f5a0e6d554d0e9a552b4c8a3a7f10\"", "it must be a UUID of the form" },
        { "user_id", "\"{5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10}\"", "it must be a UUID of the form" },
        { "user_id", "\" 5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f1\"", "it must be a UUID of the form" },
        { "user_id", "\"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f1g\"", "it must be a UUID of the form" },
        { "user_id", "\"+b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10\"", "it must be a UUID of the form" },
        { "user_id", "{}", "user_id is an object; it must be a string." },
        { "description", null, "description is missing; it must be a string." },
        { "description", "null", "description is null; it must be a string." },
        { "description", "7", "description is \"7\"; it must be a string." },
        { "description", "[]", "description is a list; it must be a string." },
        { "description", "\"a\\u0000b\"", "description has the control character \\u0000 at position 2" },
        { "description", Text(4097), "description has 4097 characters; at most 4096 are accepted." },
        { "period_time", null, "period_time is missing; it must be a string." },
        { "period_time", "30", "period_time is \"30\"; it must be a string." },
        { "period_time", "\"\"", "period_time \"\" is empty" },
        { "period_time", "\"30s\"", "period_time \"30s\" is not an ISO-8601 duration: it must begin with P" },
        { "period_time", "\"PT0S\"", "period_time is \"PT0S\"; it must be at least one millisecond (PT0.001S)." },
        { "period_time", "\"-PT5S\"", "it must be at least one millisecond" },
        { "period_time", "\"PT-5S\"", "it must be at least one millisecond" },
        { "period_time", "\"P-1DT2H\"", "it must be at least one millisecond" },
        { "period_time", "\"PT0.000000001S\"", "it must be at least one millisecond" },
        { "period_time", "\"P1M\"", "months and years have no fixed length" },
        { "period_time", "\"P1Y\"", "months and years have no fixed length" },
        { "period_time", "\"P2W\"", "use days, P14D for two weeks" },
        { "period_time", "\" PT7S\"", "it must begin with P" },
        { "period_time", "\"PT7S \"", "white space" },
        { "period_time", "\"PT1.5H\"", "only seconds" },
        { "period_time", "\"P36525DT0.001S\"", "it must be at most 100 years (P36525D)." },
        { "period_time", "\"P10000000D\"", "it must be at most 100 years (P36525D)." },
        { "period_time", "\"P9223372036854775807D\"", "too long" },
        { "period_time", Text(200), "period_time has 200 characters; at most 128 are accepted." },
        { "plan_type", null, "plan_type is missing; it must be an object." },
        { "plan_type", "null", "plan_type is null; it must be an object." },
        { "plan_type", "\"OneTime\"", "plan_type is \"OneTime\"; it must be an object." },
        { "plan_type", "{}", "plan_type.type is missing; it must be one of karya.core.entities.PlanType.OneTime, " },
        { "plan_type", "{\"type\":\"OneTime\"}", "plan_type.type is \"OneTime\"; it must be one of" },
        { "plan_type", "{\"type\":\"karya.core.entities.plantype.onetime\"}", "it must be one of" },
        { "plan_type", Recurring + "\"soon\"}", "plan_type.end_at is \"soon\"; it must be an integer." },
        { "plan_type", Recurring + "1.5}", "plan_type.end_at is \"1.5\"; it must be an integer." },
        { "plan_type", Recurring + "1e12}", "plan_type.end_at is \"1e12\"; it must be an integer." },
        { "plan_type", Recurring + "9223372036854775808}", "it must be an integer." },
        { "plan_type", Recurring + "true}", "plan_type.end_at is true; it must be an integer." },
        { "action", null, "action is missing; it must be an object." },
        { "action", "null", "action is null; it must be an object." },
        { "action", "{}", "action.type is missing; it must be one of karya.core.entities.Action.RestApiRequest, " },
        { "action", "{\"type\":7}", "action.type is \"7\"; it must be a string." },
        { "action", "{\"type\":\"System.Diagnostics.Process\"}", "action.type is \"System.Diagnostics.Process\"" },
        { "hooks", "null", "hooks is null; it must be a list." },
        { "hooks", "{}", "hooks is an object; it must be a list." },
        { "hooks", "[null]", "hooks[0] must be an object with trigger, action and max_retry." },
        { "hooks", "[{}]", "hooks[0].trigger is missing; it must be one of ON_FAILURE, ON_COMPLETION." },
        { "hooks", "[{\"trigger\":\"ON_SUCCESS\"}]", "hooks[0].trigger is \"ON_SUCCESS\"; it must be one of" },
        { "hooks", "[{\"trigger\":\"ON_FAILURE\"}]", "hooks[0].action is missing; it must be an object." },
        { "max_failure_retry", "null", "max_failure_retry is null; it must be an integer." },
        { "max_failure_retry", "\"\"", "max_failure_retry is \"\"; it must be an integer." },
        { "max_failure_retry", "2.0", "max_failure_retry is \"2.0\"; it must be an integer." },
        { "max_failure_retry", "1e1", "max_failure_retry is \"1e1\"; it must be an integer." },
        { "max_failure_retry", "1000", "max_failure_retry is 1000; at most 999 is accepted." },
        { "max_failure_retry", "1000000000", "max_failure_retry is 1000000000; at most 999 is accepted." },
        { "max_failure_retry", "-2147483649", "at least -2147483648 is accepted." },
        { "max_failure_retry", "99999999999999999999", "it must be an integer." },
    };

    public static TheoryData<string, string?, string> RestFields { get; } = new()
    {
        { "base_url", null, "action.base_url is missing; it must be a string." },
        { "base_url", "\"\"", "action.base_url is \"\"; it must be host:port/path?query" },
        { "base_url", "\"ftp://h/x\"", "the scheme must be http or https, or be left out." },
        { "base_url", "\"file:///etc/passwd\"", "the scheme must be http or https" },
        { "base_url", "\"//h/x\"", "it must be host:port/path?query" },
        { "base_url", "\"h:65536/\"", "it must be host:port/path?query" },
        { "base_url", "\"h/\\r\\nx\"", "action.base_url has the control character \\u000d at position 3" },
        { "protocol", "\"http\"", "action.protocol is \"http\"; it must be one of HTTP, HTTPS." },
        { "protocol", "null", "action.protocol is null; it must be a string." },
        { "method", "\"TRACE\"", "action.method is \"TRACE\"; it must be one of GET, POST, PATCH, PUT, DELETE." },
        { "headers", "null", "action.headers is null; it must be an object." },
        { "headers", "[]", "action.headers is a list; it must be an object." },
        { "headers", "{\"a\":1}", "action.headers.a is \"1\"; it must be a string." },
        { "headers", "{\"a\":\"x\\r\\ny: z\"}", "action.headers.a has the control character \\u000d at position 2" },
        { "headers", "{\"a\":\"x\\ny\"}", "action.headers.a has the control character \\u000a at position 2" },
        { "headers", "{\"a\":\"\\u0000\"}", "action.headers.a has the control character \\u0000 at position 1" },
        { "headers", "{\"\":\"x\"}", "\"\" in headers is no header name" },
        { "headers", "{\"a b\":\"x\"}", "\"a b\" in headers is no header name" },
        { "headers", "{\"a:\":\"x\"}", "\"a:\" in headers is no header name" },
        { "headers", "{\"a\\r\\nb\":\"x\"}", "\"a\\u000d\\u000ab\" in headers is no header name" },
        { "headers", "{\"h\\u00e9\":\"x\"}", "in headers is no header name" },
        { "headers", "{\"Transfer-Encoding\":\"chunked\"}", "action.headers.Transfer-Encoding cannot be set" },
        { "headers", "{\"content-length\":\"5\"}", "action.headers.content-length cannot be set" },
        { "headers", Headers(101), "at most 100 headers are accepted." },
        { "headers", $"{{\"a\":{Text(8193)}}}", "action.headers.a has 8193 characters; at most 8192 are accepted." },
        { "body", "null", "action.body is null; it must be an object." },
        { "body", "{\"n\":1}", "action.body.type is missing; it must be one of" },
        {
            "body", "{\"type\":\"karya.core.entities.http.Body.JsonBody\"}",
            "action.body.json_string is missing; it must be a string."
        },
        { "timeout", "null", "action.timeout is null; it must be an integer." },
        { "timeout", "3600001", "action.timeout is 3600001; at most 3600000 is accepted." },
        { "timeout", "1500.5", "action.timeout is \"1500.5\"; it must be an integer." },
    };

    public static TheoryData<string, string> OtherActions { get; } = new()
    {
        { """{"type":"karya.core.entities.Action.SlackMessageRequest","message":"[]"}""", "action.channel is missing" },
        { """{"type":"karya.core.entities.Action.SlackMessageRequest","channel":"C"}""", "action.message is missing" },
        {
            """{"type":"karya.core.entities.Action.EmailRequest","recipient":"a@b\r\nX","subject":"","message":""}""",
            "action.recipient has the control character \\u000d at position 4"
        },
        {
            """{"type":"karya.core.entities.Action.EmailRequest","recipient":"a","subject":"s\nBcc: x","message":""}""",
            "action.subject has the control character \\u000a at position 2"
        },
        {
            """{"type":"karya.core.entities.Action.KafkaProducerRequest","topic":"t","key":1,"message":"m"}""",
            "action.key is \"1\"; it must be a string."
        },
        { """{"type":"karya.core.entities.Action.ChainedRequest"}""", "action.request is missing; it must be an obj" },
        {
            """{"type":"karya.core.entities.Action.ChainedRequest","request":{"user_id":7}}""",
            "action.request.user_id is \"7\"; it must be a string."
        },
    };

    public static TheoryData<string, string> Bodies { get; } = new()
    {
        { "", "The body is empty; a JSON object is expected." },
        { "[]", "The body must be a JSON object." },
        { "null", "The body must be a JSON object." },
        { "\"{}\"", "The body must be a JSON object." },
        { "{", "The body is not valid JSON (line 1, byte 2)" },
        { "{\"a\":1,}", "The body is not valid JSON (line 1, byte 8)" },
        { "{\n  // no\n}", "The body is not valid JSON (line 2, byte 3)" },
        { "{'a':1}", "The body is not valid JSON" },
        { "{} {}", "something follows after its end at byte 3" },
        { "\uFEFF{}", "The body is not valid JSON" },
        { "{\"description\":NaN}", "The body is not valid JSON" },
        { "{\"user_id\":\"\\ud800\"}", "user_id has an unpaired surrogate" },
        { "{\"user_i\\ud800\":\"\"}", "unpaired surrogate" },
        { Nested(70), "maximum configured depth of 64" },
        { Nested(100_000), "maximum configured depth of 64" },
    };

    [Theory]
    [MemberData(nameof(PlanFields))]
    public Task A_bad_field_of_a_plan_is_named(string field, string? json, string text) =>
        PlanIsRefusedAsync(Requests.With(field, json), text);

    [Theory]
    [MemberData(nameof(RestFields))]
    public Task A_bad_field_of_a_rest_action_is_named(string field, string? json, string text) =>
        PlanIsRefusedAsync(Requests.WithInAction(field, json), text);

    [Theory]
    [MemberData(nameof(OtherActions))]
    public Task A_bad_field_of_another_action_is_named(string action, string text) =>
        PlanIsRefusedAsync(Requests.WithAction(action), text);

    [Theory]
    [MemberData(nameof(Bodies))]
    public Task A_body_that_is_no_json_object_is_refused(string body, string text) => PlanIsRefusedAsync(body, text);

    [Theory]
    [InlineData("{}", "name is missing; it must be a string.")]
    [InlineData("""{"Name":"x"}""", "name is missing; it must be a string.")]
    [InlineData("""{"name":null}""", "name is null; it must be a string.")]
    [InlineData("""{"name":"a\u0000"}""", "name has the control character \\u0000 at position 2")]
    public async Task A_bad_user_is_refused(string body, string text)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/user", body);

        AssertRefused(reply, 400, text, desk);
    }

    [Fact]
    public Task Thirty_three_hooks_are_one_too_many()
    {
        const string Hook = """
            {"trigger":"ON_FAILURE",
            "action":{"type":"karya.core.entities.Action.SlackMessageRequest","channel":"","message":""}}
            """;
        string hooks = $"[{string.Join(',', Enumerable.Repeat(Hook, 33))}]";
        return PlanIsRefusedAsync(Requests.With("hooks", hooks), "hooks has 33 entries; at most 32 are accepted.");
    }

    [Fact]
    public async Task Bytes_that_are_no_utf8_are_refused()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var invalid = await host.SendAsync(
            HttpMethod.Post, "/v1/user", [.. "{\"name\":\""u8, 0xC3, .. "\"}"u8], "application/json");
        var utf16 = await host.SendAsync(
            HttpMethod.Post, "/v1/user", Encoding.Unicode.GetBytes("{\"name\":\"x\"}"), "application/json");

        AssertRefused(invalid, 400, "The body is not valid UTF-8.", desk);
        AssertRefused(utf16, 400, "The body is not valid JSON", desk);
    }

    [Theory]
    [InlineData(null, "Content-Type is \"\"; send application/json.")]
    [InlineData("text/plain", "Content-Type is \"text/plain\"; send application/json.")]
    [InlineData("application/x-www-form-urlencoded", "send application/json.")]
    [InlineData("application/xml", "send application/json.")]
    [InlineData("json", "send application/json.")]
    [InlineData("application/json; charset=utf-16", "The charset is \"utf-16\"; JSON is UTF-8.")]
    public async Task Another_content_type_is_refused(string? contentType, string text)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        byte[] body = Encoding.UTF8.GetBytes(Requests.Smallest);

        AssertRefused(await host.SendAsync(HttpMethod.Post, "/v1/plan", body, contentType), 415, text, desk);
        AssertRefused(await host.SendAsync(HttpMethod.Post, "/v1/user", body, contentType), 415, text, desk);
        AssertRefused(await host.SendAsync(HttpMethod.Patch, "/v1/plan", body, contentType), 415, text, desk);
    }

    [Fact]
    public async Task A_compressed_body_is_refused()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/plan", Requests.Smallest, ("Content-Encoding", "gzip"));

        AssertRefused(reply, 415, "Content-Encoding is not accepted: send the JSON as it is.", desk);
    }

    [Theory]
    [InlineData(1025)]
    [InlineData(5000)]
    [InlineData(100_000)]
    public async Task A_body_over_the_limit_is_a_413(int bytes)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk, bodyBytesMax: 1024);
        string body = "{\"name\":\"x\"}".PadRight(bytes);

        var reply = await host.PostAsync("/v1/user", body);

        AssertRefused(reply, 413, "The body is too large: at most 1024 bytes are accepted.", desk);
    }

    [Fact]
    public async Task A_chunked_body_over_the_limit_is_a_413()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk, bodyBytesMax: 1024);

        string answer = await host.SendRawAsync(
            "POST /v1/user HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
            + "Transfer-Encoding: chunked\r\n\r\n401\r\n" + new string(' ', 0x401) + "\r\n0\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 413", answer, StringComparison.Ordinal);
        Assert.Equal(0, desk.Calls);
    }

    [Fact]
    public async Task A_body_of_exactly_the_limit_is_served()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), bodyBytesMax: 1024);

        var reply = await host.PostAsync("/v1/user", "{\"name\":\"x\"}".PadRight(1024));

        Assert.Equal(200, reply.Status);
    }

    [Theory]
    [InlineData("/v1/plan/x", "plan_id is \"x\"; it must be a UUID of the form")]
    [InlineData("/v1/plan/x/summary", "plan_id is \"x\"")]
    [InlineData("/v1/plan/summary", "plan_id is \"summary\"")]
    [InlineData("/v1/plan/0d4f9f0c3f3e4f7a8a9c6f2f6d0b7c11", "it must be a UUID of the form")]
    [InlineData("/v1/plan/{0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11}", "it must be a UUID of the form")]
    [InlineData("/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11%00", "it must be a UUID of the form")]
    [InlineData("/v1/plan?user_id=x", "user_id is \"x\"; it must be a UUID of the form")]
    [InlineData("/v1/plan?user_id=", "user_id is \"\"; it must be a UUID of the form")]
    [InlineData("/v1/plan?user_id=5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10&page=x", "page is \"x\"; it must be a number")]
    [InlineData("/v1/plan?user_id=5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10&page=-1", "page is \"-1\"")]
    [InlineData("/v1/plan?user_id=5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10&page=", "page is \"\"")]
    [InlineData("/v1/plan?user_id=5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10&page=1.5", "page is \"1.5\"")]
    [InlineData("/v1/plan?user_id=5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10&page=107374183", "from 0 to 107374182.")]
    public async Task Bad_paths_and_queries_are_refused(string path, string text)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.GetAsync(path);

        // Kestrel itself refuses a path with a NUL, without a text.
        AssertRefused(reply, 400, path.Contains("%00", StringComparison.Ordinal) ? "" : text, desk);
    }

    [Fact]
    public async Task A_list_without_user_is_a_404_as_in_the_original()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        AssertRefused(await host.GetAsync("/v1/plan?page=0"), 404, "User () not found", desk);
    }

    [Theory]
    [InlineData("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ")]
    [InlineData("Content-Length: -1\r\n\r\n{}")]
    [InlineData("Content-Length: x\r\n\r\n{}")]
    [InlineData("Transfer-Encoding: gzip\r\n\r\n{}")]
    public async Task Requests_with_two_readings_are_refused_and_the_connection_closed(string rest)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        string answer = await host.SendRawAsync(
            "POST /v1/user HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + rest);

        Assert.StartsWith("HTTP/1.1 400", answer, StringComparison.Ordinal);
        Assert.Equal(0, desk.Calls);
    }

    [Fact]
    public async Task A_query_that_is_too_long_is_refused()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.GetAsync("/v1/user?username=" + new string('x', 10_000));

        Assert.Equal(414, reply.Status);
        Assert.Equal(0, desk.Calls);
    }

    private static async Task PlanIsRefusedAsync(string body, string text)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        AssertRefused(await host.PostAsync("/v1/plan", body), 400, text, desk);
    }

    private static void AssertRefused(Reply reply, int status, string text, FakeDesk desk)
    {
        Assert.Equal(status, reply.Status);
        Assert.Contains(text, reply.Text, StringComparison.Ordinal);
        Assert.Equal(0, desk.Calls);
        if (text.Length > 0)
            Assert.Equal("text/plain; charset=UTF-8", reply.Header("Content-Type"));
    }

    private static string Text(int length) => $"\"{new string('x', length)}\"";

    private static string Headers(int count)
    {
        var entries = Enumerable.Range(0, count)
            .Select(number => string.Create(CultureInfo.InvariantCulture, $"\"h{number}\":\"v\""));
        return $"{{{string.Join(',', entries)}}}";
    }

    private static string Nested(int depth) =>
        $"{{\"x\":{new string('[', depth)}{new string(']', depth)}}}";
}
