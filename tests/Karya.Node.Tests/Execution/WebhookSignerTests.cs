using System.Text;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Execution;

public sealed class WebhookSignerTests
{
    /// <summary>From the tests of the specification's own libraries.</summary>
    [Fact]
    public void A_signature_is_that_of_the_specification()
    {
        Assert.True(SigningKey.TryRead("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", out byte[] key));

        string signature = new WebhookSigner(key).SignatureOf(
            "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", """{"test": 2432232314}"""u8);

        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_")]
    [InlineData("whsec_%%%")]
    [InlineData("whsec_c2hvcnQ=")]
    public void What_is_no_key_is_not_taken_for_one(string text) =>
        Assert.False(SigningKey.TryRead(text, out _));

    [Fact]
    public void A_request_has_the_three_headers()
    {
        Assert.True(SigningKey.TryRead(
            "whsec_" + Convert.ToBase64String(Encoding.ASCII.GetBytes(new string('k', 64))), out byte[] key));
        var signer = new WebhookSigner(key);
        using var request = new HttpRequestMessage();

        signer.Sign(request, "id", DateTimeOffset.FromUnixTimeSeconds(7), "body"u8);

        Assert.Equal("id", Assert.Single(request.Headers.GetValues("webhook-id")));
        Assert.Equal("7", Assert.Single(request.Headers.GetValues("webhook-timestamp")));
        Assert.Equal(
            signer.SignatureOf("id", "7", "body"u8), Assert.Single(request.Headers.GetValues("webhook-signature")));
    }
}
