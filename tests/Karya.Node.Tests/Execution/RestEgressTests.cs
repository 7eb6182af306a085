using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Where REST actions may go, at first and by redirects.</summary>
public sealed class RestEgressTests : IAsyncLifetime
{
    private static readonly Attempt ThirdAttempt = SampleAttempt.Number(3);

    // Stands still, so that nothing times out by chance.
    private readonly FakeTimeProvider _time = new();
    private LoopbackTarget _target = null!;

    public async ValueTask InitializeAsync() => _target = await LoopbackTarget.StartAsync();

    public ValueTask DisposeAsync() => _target.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Redirects_are_followed_only_where_allowed_and_only_for_get(bool follow)
    {
        using var connector = new RestConnector(
            new RestOptions(FollowRedirects: follow), new EgressGate(Rules.Local), _time);
        _target.Respond = http =>
        {
            if (http.Request.Path == "/from")
                http.Response.Redirect("/to");
            return Task.CompletedTask;
        };

        var action = Get("/from");
        var get = await connector.RunAsync(ThirdAttempt, action, CancellationToken.None);
        var post = await connector.RunAsync(ThirdAttempt, action with { Method = "POST" }, CancellationToken.None);

        string refused = $"REST call failed --- [302 | http://{_target.Authority}/from] | ";
        Assert.Equal(follow ? Outcome.Success : Outcome.Failed(FailureClass.Http3xx, refused), get);
        Assert.Equal(Outcome.Failed(FailureClass.Http3xx, refused), post);
        Assert.Equal(follow ? 3 : 2, _target.Seen.Count);
    }

    [Fact]
    public async Task A_loop_of_redirects_ends_after_five()
    {
        using var connector = new RestConnector(
            new RestOptions(FollowRedirects: true), new EgressGate(Rules.Local), _time);
        _target.Answer(302, "", ("Location", "/again"));
        var outcome = await connector.RunAsync(ThirdAttempt, Get("/again"), CancellationToken.None);
        Assert.Equal(
            Outcome.FailedForGood(FailureClass.Http3xx,
                $"REST INVOCATION FAILED --- error : redirect refused: 'http://{_target.Authority}/again' and 5 more "
                + "lead on."),
            outcome);
        Assert.Equal(6, _target.Seen.Count);
    }

    [Theory]
    [InlineData("http://10.0.0.1/x", "egress denied: '10.0.0.1' is not to be called: 10.0.0.1 is in a private network")]
    [InlineData("http://169.254.169.254/latest", "egress denied: '169.254.169.254' is not to be called: ")]
    [InlineData("//10.0.0.1/x", "egress denied: '10.0.0.1'")]
    [InlineData("file:///etc/passwd", "redirect refused: 'file:///etc/passwd' is no URL of http or https.")]
    [InlineData("gopher://127.0.0.1/x", "redirect refused: 'gopher://127.0.0.1/x' is no URL of http or https.")]
    public async Task A_redirect_is_checked_as_the_first_address_is(string location, string expected)
    {
        using var connector = new RestConnector(
            new RestOptions(FollowRedirects: true), new EgressGate(Rules.Local), _time);
        _target.Answer(302, "", ("Location", location));

        var outcome = await connector.RunAsync(ThirdAttempt, Get("/"), CancellationToken.None);

        Assert.False(outcome.Retryable);
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : {expected}", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_target_is_not_told_what_identifies_the_owner_to_the_first()
    {
        await using var other = await LoopbackTarget.StartAsync();
        using var connector = new RestConnector(
            new RestOptions(FollowRedirects: true), new EgressGate(Rules.Local), _time);
        _target.Answer(307, "", ("Location", $"http://{other.Authority}/there"));
        var action = Get("/") with
        {
            Headers = [new("Authorization", "Bearer secret"), new("Cookie", "a=b"), new("x-kept", "yes")],
        };

        Assert.Equal(Outcome.Success, await connector.RunAsync(ThirdAttempt, action, CancellationToken.None));

        var headers = Assert.Single(other.Seen).Headers;
        Assert.Equal("yes", headers["x-kept"]);
        Assert.DoesNotContain("Authorization", headers.Keys, StringComparer.OrdinalIgnoreCase);
        Assert.DoesNotContain("Cookie", headers.Keys, StringComparer.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("http://127.0.0.1:1/")]
    [InlineData("http://localhost:1/")]
    [InlineData("http://2130706433:1/")]
    [InlineData("http://0x7f.1:1/")]
    [InlineData("http://0177.0.0.1:1/")]
    [InlineData("http://127.1:1/")]
    [InlineData("http://[::1]:1/")]
    [InlineData("http://[::ffff:127.0.0.1]:1/")]
    [InlineData("http://0.0.0.0:1/")]
    [InlineData("http://user@127.0.0.1:1/")]
    [InlineData("http://example.com@127.0.0.1:1/")]
    [InlineData("http://127。0。0。1:1/")]
    public async Task However_loopback_is_written_it_is_refused_where_it_is_not_allowed(string url)
    {
        using var connector = new RestConnector(
            new RestOptions(), new EgressGate(new EgressRules([], AllowsLoopback: false)), _time);

        var outcome = await connector.RunAsync(
            ThirdAttempt, Get("/") with { BaseUrl = url }, CancellationToken.None);

        Assert.Contains("egress denied", outcome.Error, StringComparison.Ordinal);
        Assert.False(outcome.Retryable);
    }

    [Fact]
    public async Task A_request_is_signed_where_there_is_a_key_and_a_plan_cannot_sign_for_us()
    {
        Assert.True(SigningKey.TryRead("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", out byte[] key));
        var signer = new WebhookSigner(key);
        using var connector = new RestConnector(
            new RestOptions { Signer = signer }, new EgressGate(Rules.Local), _time);
        var action = Get("/") with
        {
            Method = "POST",
            JsonBody = "größe",
            Headers = [new("webhook-id", "forged"), new("Webhook-Signature", "forged")],
        };

        Assert.Equal(Outcome.Success, await connector.RunAsync(ThirdAttempt, action, CancellationToken.None));

        var headers = Assert.Single(_target.Seen).Headers;
        string id = ThirdAttempt.Key.ToTaskId().ToString("D");
        Assert.Equal(id, headers["webhook-id"]);
        Assert.Equal(
            signer.SignatureOf(id, headers["webhook-timestamp"], "größe"u8), headers["webhook-signature"]);
    }

    private RestAction Get(string path) => new(false, _target.Authority + path, "GET", [], null, 2000);
}
