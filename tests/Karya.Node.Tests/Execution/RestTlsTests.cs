using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Targets whose certificates are not to be believed. No plan can ask to believe them.</summary>
public sealed class RestTlsTests
{
    [Theory]
    [InlineData("localhost", false)] // Signed by nobody.
    [InlineData("localhost", true)]
    [InlineData("elsewhere.test", false)]
    public async Task What_a_wrong_certificate_vouches_for_gets_no_request(string name, bool isExpired)
    {
        using var certificate = TestCertificate.Make(name, isExpired);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var served = ServeAsync(listener, certificate);
        using var connector = new RestConnector(new RestOptions(), new EgressGate(Rules.Local), TimeProvider.System);
        string authority = string.Create(
            CultureInfo.InvariantCulture, $"localhost:{((IPEndPoint)listener.LocalEndpoint).Port}");

        var outcome = await connector.RunAsync(
            SampleAttempt.Number(1), new RestAction(true, authority, "POST", [], "body", 10_000),
            TestContext.Current.CancellationToken);

        Assert.Equal((FailureClass.Tls, true), (outcome.Failure, outcome.Retryable));
        Assert.StartsWith(
            $"REST INVOCATION FAILED --- error : TLS with {authority} failed: ", outcome.Error,
            StringComparison.Ordinal);
        Assert.Equal(0, await served);
    }

    /// <summary>How many bytes of a request came.</summary>
    private static async Task<int> ServeAsync(TcpListener listener, X509Certificate2 certificate)
    {
        using var client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        await using var stream = new SslStream(client.GetStream());
        try
        {
            await stream.AuthenticateAsServerAsync(certificate);
            return await stream.ReadAsync(new byte[64], TestContext.Current.CancellationToken);
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            return 0;
        }
    }
}
