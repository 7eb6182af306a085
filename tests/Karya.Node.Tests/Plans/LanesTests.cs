using Karya.Engine;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Plans;

public sealed class LanesTests
{
    [Theory]
    [InlineData("Example.COM/a", "example.com:80/b?c")]
    [InlineData("example.com", "http://example.com/x")]
    [InlineData("example.com", "HTTPS://example.com#x")]
    [InlineData("example.com:8080", "u:p@example.com:8080\\x")]
    [InlineData("[::1]", "[::1]:80/x")]
    [InlineData("[FE80::A]:81", "http://[fe80::a]:81?x")]
    [InlineData("example.com:", "example.com:80")]
    public void The_same_target_is_the_same_lane(string one, string other) =>
        Assert.Equal(Lanes.Of(Rest(one)), Lanes.Of(Rest(other)));

    [Fact]
    public void Different_targets_are_different_lanes()
    {
        PlanAction[] actions =
        [
            Rest("a.example"), Rest("b.example"), Rest("a.example:81"), Rest("a.example") with { Https = true },
            Rest("[::1]"), Rest("[::2]"), new SlackAction("c", "m"), new EmailAction("a@b.c", "s", "m"),
            new KafkaAction("t", null, "m"), new KafkaAction("u", null, "m"), Chained(),
        ];
        Assert.Equal(actions.Length, actions.Select(Lanes.Of).Distinct().Count());
    }

    [Fact]
    public void The_default_port_follows_the_protocol_of_the_action() => Assert.Equal(
        Lanes.Of(Rest("http://h/") with { Https = true }), Lanes.Of(Rest("h:443") with { Https = true }));

    [Fact]
    public void What_is_sent_makes_no_difference()
    {
        Assert.Equal(Lanes.Of(new SlackAction("c", "m")), Lanes.Of(new SlackAction("d", "n")));
        Assert.Equal(Lanes.Of(new KafkaAction("t", null, "m")), Lanes.Of(new KafkaAction("t", "k", "n")));
    }

    [Fact]
    public void Lanes_are_stored_and_must_never_change()
    {
        Assert.Equal(3615649214u, Lanes.Of(Rest("127.0.0.1:9000/ping?src=karya")));
        Assert.Equal(3463189087u, Lanes.Of(new SlackAction("c", "m")));
        Assert.Equal(704588909u, Lanes.Of(new EmailAction("a@b.c", "s", "m")));
        Assert.Equal(3123698157u, Lanes.Of(new KafkaAction("orders", null, "m")));
        Assert.Equal(519370665u, Lanes.Of(Chained()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("@")]
    [InlineData(":")]
    [InlineData("]:[")]
    [InlineData("[")]
    [InlineData("http://")]
    [InlineData("http://http://")]
    [InlineData("a:99999999999999999999")]
    [InlineData("\0\u0130\uFFFF")]
    public void Garbage_has_a_lane_too(string baseUrl) =>
        Assert.Equal(Lanes.Of(Rest(baseUrl)), Lanes.Of(Rest(baseUrl)));

    [Fact]
    public void A_host_of_any_length_has_a_lane()
    {
        string host = new('h', 1_000_000);
        Assert.Equal(Lanes.Of(Rest(host + "/a")), Lanes.Of(Rest(host + "/b")));
    }

    private static RestAction Rest(string baseUrl) => new(false, baseUrl, "GET", [], null, 2000);

    private static ChainedAction Chained() => new(
        new PlanDraft(new UserId(1), new PlanBody("", "PT1S", Rest("h"), []), 1000, false, null, 3));
}
