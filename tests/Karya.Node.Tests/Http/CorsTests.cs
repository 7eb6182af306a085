using Karya.Node.Http;
using Karya.Node.Tests.Http.V1;
using Xunit;

namespace Karya.Node.Tests.Http;

public sealed class CorsTests
{
    private const string Foreign = "https://evil.example";

    [Theory]
    [InlineData("//v1/plan", "POST")]
    [InlineData("//v1/user", "POST")]
    [InlineData("//v1/plan", "PATCH")]
    [InlineData("/nowhere", "DELETE")]
    public async Task A_preflight_is_answered_alike_whatever_is_asked_for(string path, string method)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(
            HttpMethod.Options, path, null, null, ("Origin", "http://ui.example"),
            ("Access-Control-Request-Method", method), ("Access-Control-Request-Headers", "content-type"));

        AssertPreflight(reply);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Options_without_origin_answers_the_same_set(bool any)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), any ? CorsMode.Any : CorsMode.Loopback);

        AssertPreflight(await host.SendAsync(HttpMethod.Options, "/v1/plan", null, null));
    }

    [Fact]
    public async Task Every_answer_is_readable_errors_included()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        (string, string) origin = ("Origin", "http://ui.example");

        Reply[] replies =
        [
            await host.PostAsync("/v1/plan", Requests.NightlyPing, origin),
            await host.GetAsync("/v1/user?username=nobody", origin),
            await host.PostAsync("/v1/plan", "{", origin),
            await host.SendAsync(HttpMethod.Post, "/v1/plan", [1], "text/plain", origin),
            await host.GetAsync("/v1/nothing", origin),
            await host.SendAsync(HttpMethod.Delete, "/v1/plan", null, null, origin),
            await host.GetAsync("/"),
        ];

        Assert.Equal([200, 404, 400, 415, 404, 405, 200], replies.Select(reply => reply.Status));
        Assert.All(replies, reply => Assert.Equal("*", reply.Header("Access-Control-Allow-Origin")));
    }

    [Theory]
    [InlineData("http://localhost")]
    [InlineData("http://localhost:5173")]
    [InlineData("https://LOCALHOST:8443")]
    [InlineData("http://127.0.0.1:3000")]
    [InlineData("http://127.9.9.9")]
    [InlineData("http://[::1]:3000")]
    public async Task In_loopback_mode_pages_of_this_machine_may_read_and_write(string origin)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), CorsMode.Loopback);

        var reply = await host.PostAsync("/v1/plan", Requests.NightlyPing, ("Origin", origin));

        Assert.Equal((200, "*"), (reply.Status, reply.Header("Access-Control-Allow-Origin")));
    }

    [Theory]
    [InlineData(Foreign)]
    [InlineData("http://localhost.evil.example")]
    [InlineData("http://127.0.0.1.evil.example")]
    [InlineData("http://localhost@evil.example")]
    [InlineData("http://10.0.0.1")]
    [InlineData("chrome-extension://localhost")]
    [InlineData("null")]
    [InlineData("localhost")]
    public async Task In_loopback_mode_other_pages_may_not_write_and_cannot_read(string origin)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk, CorsMode.Loopback);

        var write = await host.PostAsync("/v1/plan", Requests.NightlyPing, ("Origin", origin));
        var cancel = await host.SendAsync(
            HttpMethod.Post, "/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", null, null, ("Origin", origin));
        var preflight = await host.SendAsync(HttpMethod.Options, "/v1/plan", null, null, ("Origin", origin));
        int calls = desk.Calls;
        var read = await host.GetAsync("/v1/user?username=mira", ("Origin", origin));

        Assert.Equal([403, 403, 403, 200], [write.Status, cancel.Status, preflight.Status, read.Status]);
        Assert.Equal(0, calls);
        Assert.All([write, cancel, preflight, read], reply => Assert.Null(reply.Header("Access-Control-Allow-Origin")));
        Assert.Contains("only pages from this machine may", write.Text, StringComparison.Ordinal);
        Assert.Equal("text/plain; charset=UTF-8", write.Header("Content-Type"));
    }

    [Fact]
    public async Task Without_origin_there_is_nothing_to_allow_in_loopback_mode()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), CorsMode.Loopback);

        var reply = await host.PostAsync("/v1/plan", Requests.NightlyPing);

        Assert.Equal((200, null), (reply.Status, reply.Header("Access-Control-Allow-Origin")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task No_foreign_page_may_use_our_own_api_in_any_mode(bool any)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk, any ? CorsMode.Any : CorsMode.Loopback);
        const string Replay = "/api/plans/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks/1/replay";

        var write = await host.SendAsync(HttpMethod.Post, Replay, null, null, ("Origin", Foreign));
        var read = await host.GetAsync("/api/dead-letters", ("Origin", Foreign));

        Assert.Equal(403, write.Status);
        Assert.Equal("application/problem+json", write.Header("Content-Type"));
        Assert.Contains("\"code\":\"CROSS_SITE\"", write.Text, StringComparison.Ordinal);
        Assert.Null(read.Header("Access-Control-Allow-Origin"));
        Assert.Null(host.DeadLetters.Changed);
    }

    [Theory]
    [InlineData("evil.example", 421)]
    [InlineData("localhost.evil.example:8080", 421)]
    [InlineData("10.0.0.1", 421)]
    [InlineData("localhost", 200)]
    [InlineData("LocalHost:1234", 200)]
    [InlineData("127.0.0.1:80", 200)]
    [InlineData("[::1]:80", 200)]
    public async Task A_node_on_loopback_answers_to_its_own_names_only(string name, int status)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), CorsMode.Loopback);

        Assert.Equal(status, (await host.GetAsync("/v1/user?username=mira", ("Host", name))).Status);
    }

    [Fact]
    public async Task A_request_of_http_1_0_needs_no_host()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk(), CorsMode.Loopback);

        Assert.StartsWith("HTTP/1.1 200", await host.SendRawAsync("GET / HTTP/1.0\r\n\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task In_any_mode_the_host_may_be_a_proxy_of_any_name()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        Assert.Equal(200, (await host.GetAsync("/v1/user?username=mira", ("Host", "karya.example"))).Status);
    }

    private static void AssertPreflight(Reply reply)
    {
        Assert.Equal((200, ""), (reply.Status, reply.Text));
        Assert.Equal("*", reply.Header("Access-Control-Allow-Origin"));
        Assert.Equal("OPTIONS, PATCH", reply.Header("Access-Control-Allow-Methods"));
        Assert.Equal("Content-Type", reply.Header("Access-Control-Allow-Headers"));
        Assert.Equal("3600", reply.Header("Access-Control-Max-Age"));
    }
}
