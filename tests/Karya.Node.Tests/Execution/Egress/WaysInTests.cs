using System.Net;
using System.Net.Sockets;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Execution.Egress;

/// <summary>
/// Addresses that no task has business with, by each way that leads to one: named in the URL, as what a name resolves
/// to, and as where another target leads on to. One target may be called, so that there is somebody to lead on.
/// </summary>
public sealed class WaysInTests : IAsyncLifetime
{
    private static readonly IPNetwork[] Allowed = [IPNetwork.Parse("127.0.0.1/32")];

    private LoopbackTarget _target = null!;

    public static TheoryData<string> Addresses { get; } =
    [
        "127.0.0.2", "127.1.2.3", "::1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
        "100.64.0.1", "198.18.0.1", "fc00::1", "fdff::1", "fe80::1", "169.254.1.1", "169.254.169.254",
        "fd00:ec2::254", "224.0.0.1", "ff02::1", "255.255.255.255", "192.0.2.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "::10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ];

    public async ValueTask InitializeAsync() => _target = await LoopbackTarget.StartAsync();

    public ValueTask DisposeAsync() => _target.DisposeAsync();

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task An_address_in_the_url_is_refused(string address) =>
        AssertDenied(await CallAsync($"{HostOf(address)}:8080/", _ => []));

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task An_address_that_a_name_resolves_to_is_refused(string address) =>
        AssertDenied(await CallAsync("target.test:8080/", _ => [IPAddress.Parse(address)]));

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task An_address_that_a_target_leads_on_to_is_refused(string address)
    {
        _target.Answer(302, "", ("Location", $"http://{HostOf(address)}:8080/"));

        AssertDenied(await CallAsync($"{_target.Authority}/", _ => []));

        Assert.Single(_target.Seen);
    }

    [Theory]
    [MemberData(nameof(Addresses))]
    public async Task An_address_that_a_name_resolves_to_which_a_target_leads_on_to_is_refused(string address)
    {
        _target.Answer(302, "", ("Location", "http://next.test:8080/"));

        AssertDenied(await CallAsync($"{_target.Authority}/", _ => [IPAddress.Parse(address)]));
    }

    [Fact]
    public async Task The_one_target_that_may_be_called_is()
    {
        Assert.True((await CallAsync($"{_target.Authority}/", _ => [])).IsSuccess);
        string port = _target.Authority.Split(':')[1];
        Assert.True((await CallAsync($"good.test:{port}/", _ => [IPAddress.Loopback])).IsSuccess);
    }

    private static string HostOf(string address) =>
        IPAddress.Parse(address).AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address;

    private static void AssertDenied(Outcome outcome)
    {
        Assert.Equal((FailureClass.EgressDenied, false), (outcome.Failure, outcome.Retryable));
        Assert.StartsWith(
            "REST INVOCATION FAILED --- error : egress denied: '", outcome.Error, StringComparison.Ordinal);
    }

    private static async Task<Outcome> CallAsync(string baseUrl, Func<string, IPAddress[]> resolve)
    {
        var gate = new EgressGate(
            new EgressRules(Allowed, AllowsLoopback: false), (host, _) => Task.FromResult(resolve(host)));
        using var connector = new RestConnector(
            new RestOptions(FollowRedirects: true), gate, new FakeTimeProvider());
        return await connector.RunAsync(
            SampleAttempt.Number(1), new RestAction(false, baseUrl, "GET", [], null, 10_000),
            TestContext.Current.CancellationToken);
    }
}
