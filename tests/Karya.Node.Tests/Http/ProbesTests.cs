using Karya.Node.Diagnostics;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Http;

public sealed class ProbesTests
{
    [Fact]
    public async Task A_node_that_turns_and_serves_says_ok()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        Assert.Equal((200, "ok\n"), Told(await host.GetAsync("/livez")));
        Assert.Equal((200, "ok\n"), Told(await host.GetAsync("/readyz")));
        Assert.Equal((200, """{"live":true,"ready":true,"reason":null}"""), Told(await host.GetAsync("/healthz")));
    }

    [Fact]
    public async Task A_node_that_is_not_ready_lives_and_says_why()
    {
        var health = new Health(new FakeTimeProvider(), () => "The store does not answer.");
        await using var host = await ApiHost.StartAsync(new FakeDesk(), health: health);

        Assert.Equal((200, "ok\n"), Told(await host.GetAsync("/livez")));
        Assert.Equal((503, "The store does not answer.\n"), Told(await host.GetAsync("/readyz")));
        Assert.Equal(
            (503, """{"live":true,"ready":false,"reason":"The store does not answer."}"""),
            Told(await host.GetAsync("/healthz")));
    }

    [Fact]
    public async Task A_loop_that_stands_still_is_named()
    {
        var clock = new FakeTimeProvider();
        long lastTurn = clock.GetTimestamp();
        var health = new Health(clock, () => null);
        health.Watch("Shard 0", () => lastTurn);
        await using var host = await ApiHost.StartAsync(new FakeDesk(), health: health);

        clock.Advance(Health.StallMax);
        Assert.Equal((200, "ok\n"), Told(await host.GetAsync("/livez")));

        clock.Advance(TimeSpan.FromMilliseconds(1000));
        Assert.Equal((503, "Shard 0 has not turned for 6.0 s.\n"), Told(await host.GetAsync("/livez")));
        Assert.Equal((503, "Shard 0 has not turned for 6.0 s.\n"), Told(await host.GetAsync("/readyz")));

        lastTurn = clock.GetTimestamp();
        Assert.Equal((200, "ok\n"), Told(await host.GetAsync("/livez")));
    }

    [Fact]
    public async Task The_metrics_page_is_prometheus_text()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.GetAsync("/metrics");

        Assert.Equal((200, "text/plain; version=0.0.4; charset=utf-8"), (reply.Status, reply.Header("Content-Type")));
        Assert.Contains("# TYPE karya_lateness_seconds histogram", reply.Text, StringComparison.Ordinal);
    }

    private static (int Status, string Text) Told(Reply reply) => (reply.Status, reply.Text);
}
