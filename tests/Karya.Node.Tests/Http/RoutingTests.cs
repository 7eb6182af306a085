using Karya.Node.Http;
using Xunit;

namespace Karya.Node.Tests.Http;

public sealed class RoutingTests
{
    [Theory]
    [InlineData("/v1")]
    [InlineData("/v2/plan")]
    [InlineData("/v1/plans")]
    [InlineData("/v1/Plan")]
    [InlineData("/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/tasks")]
    [InlineData("/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/summary/x")]
    [InlineData("/etc/passwd")]
    [InlineData("/v1/../etc")]
    [InlineData("/%2e%2e/%2e%2e/etc/passwd")]
    public async Task An_unknown_path_is_an_empty_404(string path)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync(path);

        Assert.Equal((404, "", "*"), (reply.Status, reply.Text, reply.Header("Access-Control-Allow-Origin")));
    }

    [Theory]
    [InlineData("DELETE", "/v1/user", "GET, HEAD, POST, OPTIONS")]
    [InlineData("PATCH", "/v1/user", "GET, HEAD, POST, OPTIONS")]
    [InlineData("PUT", "/v1/plan", "GET, HEAD, POST, PATCH, OPTIONS")]
    [InlineData("TRACE", "/v1/plan", "GET, HEAD, POST, PATCH, OPTIONS")]
    [InlineData("BREW", "/v1/plan", "GET, HEAD, POST, PATCH, OPTIONS")]
    [InlineData("DELETE", "/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", "GET, HEAD, POST, PATCH, OPTIONS")]
    [InlineData("POST", "/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/summary", "GET, HEAD, OPTIONS")]
    [InlineData("POST", "/", "GET, HEAD, OPTIONS")]
    [InlineData("POST", "/metrics", "GET, HEAD, OPTIONS")]
    public async Task A_wrong_method_is_an_empty_405(string method, string path, string allowed)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.SendAsync(new HttpMethod(method), path, null, null);

        Assert.Equal((405, "", allowed), (reply.Status, reply.Text, reply.Header("Allow")));
        Assert.Equal("*", reply.Header("Access-Control-Allow-Origin"));
        Assert.Equal(0, desk.Calls);
    }

    [Fact]
    public async Task The_root_answers_an_empty_object_and_no_server_is_named()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/");

        Assert.Equal((200, "{}", "application/json"), (reply.Status, reply.Text, reply.Header("Content-Type")));
        Assert.Null(reply.Header("Server"));
    }

    [Fact]
    public async Task Head_answers_without_a_body()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(HttpMethod.Head, "/v1/user?username=mira", null, null);

        Assert.Equal((200, "", "86"), (reply.Status, reply.Text, reply.Header("Content-Length")));
    }

    [Fact]
    public async Task A_fault_of_our_own_is_a_500_in_text_that_gives_nothing_away()
    {
        await using var host = await ApiHost.StartAsync(new BrokenDesk());

        var reply = await host.GetAsync("/v1/user?username=x");

        Assert.Equal(500, reply.Status);
        Assert.Equal(
            "The node failed to serve the request. That is a bug in Karya; the node's log has the details.",
            reply.Text);
        Assert.Equal("*", reply.Header("Access-Control-Allow-Origin"));
    }

    [Fact]
    public async Task Stopping_lets_a_running_request_end()
    {
        var desk = new BrokenDesk();
        var host = await ApiHost.StartAsync(desk);
        var reply = host.GetAsync("/v1/plan?user_id=5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10");
        await desk.Entered.Task;

        var stop = host.StopAsync(TestContext.Current.CancellationToken);
        Assert.False(stop.IsCompleted);
        desk.Release.SetResult();

        Assert.Equal(200, (await reply).Status);
        await stop;
        await host.DisposeAsync();
    }

    [Fact]
    public async Task The_wildcard_binds_every_address()
    {
        var options = new HttpOptions { Endpoints = [new HttpEndpoint("*", 0)] };

        var addresses = await ApiHost.BindAsync(options);

        Assert.NotEqual(0, Assert.Single(addresses).Port);
    }

    [Fact]
    public async Task A_host_name_binds_all_that_it_resolves_to()
    {
        var options = new HttpOptions { Endpoints = [new HttpEndpoint("localhost", 0)] };

        var addresses = await ApiHost.BindAsync(options);

        Assert.All(addresses, address => Assert.True(address.IsLoopback));
    }
}
