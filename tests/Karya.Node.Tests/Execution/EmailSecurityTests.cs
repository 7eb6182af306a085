using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Karya.Engine;
using Karya.LocalServers;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using SmtpServer;
using SmtpServer.Authentication;
using SmtpServer.ComponentModel;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Mail servers that demand an encrypted connection and a password.</summary>
public sealed class EmailSecurityTests : IAsyncLifetime
{
    private static readonly Attempt First = SampleAttempt.Number(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly int _port = LocalPorts.FindFree();
    private readonly X509Certificate2 _certificate = TestCertificate.Make("127.0.0.1");
    private readonly Users _users = new();
    private readonly MailBag _bag = new();
    private Task _served = Task.CompletedTask;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _served.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
        _certificate.Dispose();
    }

    [Theory]
    [InlineData(EmailSecurity.StartTls)]
    [InlineData(EmailSecurity.Tls)]
    public async Task A_mail_is_sent_encrypted_by_who_is_known(object security)
    {
        Serve((EmailSecurity)security);
        using var connector = NewConnector((EmailSecurity)security, "s3cret", TrustOne);

        Assert.Equal(Outcome.Success, await SendAsync(connector));

        Assert.Equal(["karya s3cret"], _users.Seen);
        Assert.Equal("subject", Assert.Single(_bag.Mails).Subject);
    }

    [Fact]
    public async Task A_password_that_is_not_accepted_is_not_tried_again_and_not_told()
    {
        Serve(EmailSecurity.StartTls);
        using var connector = NewConnector(EmailSecurity.StartTls, "wr0ng", TrustOne);

        var outcome = await SendAsync(connector);

        Assert.Equal((FailureClass.SignIn, false), (outcome.Failure, outcome.Retryable));
        Assert.StartsWith(
            $"e-mail: 127.0.0.1:{_port} did not accept connectors.email.user and its password: ", outcome.Error,
            StringComparison.Ordinal);
        Assert.DoesNotContain("wr0ng", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_bag.Mails);
    }

    [Theory]
    [InlineData(EmailSecurity.StartTls)]
    [InlineData(EmailSecurity.Tls)]
    public async Task To_a_server_whose_certificate_nobody_has_signed_no_password_is_sent(object security)
    {
        Serve((EmailSecurity)security);
        using var connector = NewConnector((EmailSecurity)security, "s3cret", trust: null);

        var outcome = await SendAsync(connector);

        Assert.Equal((FailureClass.Tls, true), (outcome.Failure, outcome.Retryable));
        Assert.Empty(_users.Seen);
        Assert.Empty(_bag.Mails);
    }

    [Fact]
    public async Task Who_does_not_sign_in_where_it_is_demanded_is_told_so()
    {
        Serve(EmailSecurity.StartTls);
        using var connector = NewConnector(EmailSecurity.StartTls, password: null, TrustOne);

        var outcome = await SendAsync(connector);

        Assert.Equal((FailureClass.SignIn, false), (outcome.Failure, outcome.Retryable));
        Assert.Contains("connectors.email.user is not set", outcome.Error, StringComparison.Ordinal);
    }

    private bool TrustOne(
        object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors) =>
        certificate?.GetCertHashString() == _certificate.Thumbprint;

    private void Serve(EmailSecurity security)
    {
        var options = new SmtpServerOptionsBuilder()
            .ServerName("mail.test")
            .Endpoint(endpoint => endpoint
                .Endpoint(new IPEndPoint(IPAddress.Loopback, _port))
                .IsSecure(security == EmailSecurity.Tls)
                .Certificate(_certificate)
                .AuthenticationRequired()
                .AllowUnsecureAuthentication(false))
            .Build();
        var services = new ServiceProvider();
        services.Add(_bag);
        services.Add((IUserAuthenticatorFactory)_users);
        _served = new SmtpServer.SmtpServer(options, services).StartAsync(_stopping.Token);
    }

    private EmailConnector NewConnector(
        EmailSecurity security, string? password, RemoteCertificateValidationCallback? trust) => new(
        new EmailOptions("127.0.0.1", _port, security, "karya@example.org")
        {
            User = password is null ? "" : "karya",
            Password = password ?? "",
        },
        new EgressGate(Rules.Local), TimeProvider.System, trust);

    private static ValueTask<Outcome> SendAsync(EmailConnector connector) => connector.RunAsync(
        First, new EmailAction("ann@example.com", "subject", "m"), TestContext.Current.CancellationToken);

    /// <summary>Knows one user, and notes who came.</summary>
    private sealed class Users : UserAuthenticator, IUserAuthenticatorFactory
    {
        private readonly Lock _lock = new();
        private readonly List<string> _seen = [];

        public IReadOnlyList<string> Seen
        {
            get
            {
                lock (_lock)
                    return [.. _seen];
            }
        }

        public IUserAuthenticator CreateInstance(ISessionContext context) => this;

        public override Task<bool> AuthenticateAsync(
            ISessionContext context, string user, string password, CancellationToken cancellationToken)
        {
            lock (_lock)
                _seen.Add($"{user} {password}");
            return Task.FromResult(user == "karya" && password == "s3cret");
        }
    }
}
