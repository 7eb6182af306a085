using System.Net;
using Karya.Engine;
using Karya.LocalServers;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using SmtpServer;
using SmtpServer.ComponentModel;
using SmtpServer.Protocol;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Against a real SMTP server of a test library, on loopback.</summary>
public sealed class EmailConnectorTests : IAsyncLifetime
{
    private static readonly Attempt First = SampleAttempt.Number(1);

    private readonly MailBag _bag = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly int _port = LocalPorts.FindFree();
    private Task _served = Task.CompletedTask;

    public ValueTask InitializeAsync()
    {
        var options = new SmtpServerOptionsBuilder()
            .ServerName("mail.test")
            .Endpoint(endpoint => endpoint.Endpoint(new IPEndPoint(IPAddress.Loopback, _port)))
            .Build();
        var services = new ServiceProvider();
        services.Add(_bag);
        var server = new SmtpServer.SmtpServer(options, services);
        _served = server.StartAsync(_stopping.Token);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _served.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    [Fact]
    public async Task A_mail_has_a_text_and_an_html_part_with_the_same_words_and_nothing_of_them_is_markup()
    {
        using var connector = NewConnector();

        Assert.Equal(Outcome.Success, await SendAsync(connector, "ann@example.com", "Disk full", "a < b\n<script>"));

        var mail = Assert.Single(_bag.Mails);
        Assert.Equal("Karya <karya@example.org>", mail.From.ToString().Replace("\"", "", StringComparison.Ordinal));
        Assert.Equal("ann@example.com", mail.To.ToString());
        Assert.Equal("Disk full", mail.Subject);
        Assert.StartsWith("a < b\n<script>\n", mail.TextBody!.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.StartsWith(
            "<p>a &lt; b<br>\n&lt;script&gt;</p>", mail.HtmlBody!.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Equal($"{First.Key.ToTaskId():D}@example.org", mail.MessageId);
        Assert.Equal("auto-generated", mail.Headers["Auto-Submitted"]);
        Assert.Equal(First.Key.ToTaskId().ToString("D"), mail.Headers["karya-task-id"]);
    }

    [Fact]
    public async Task Several_recipients_get_one_mail()
    {
        using var connector = NewConnector();

        Assert.Equal(
            Outcome.Success, await SendAsync(connector, "Ann <ann@example.com>, bob@example.com", "s", "m"));

        Assert.Equal(2, Assert.Single(_bag.Mails).To.Count);
    }

    [Theory]
    [InlineData("a@b\r\nRCPT TO:<x@y>", "s", "has control characters")]
    [InlineData("\"x\r\n\"@b.com", "s", "has control characters")]
    [InlineData("nobody", "s", "is no e-mail address")]
    [InlineData("", "s", "is no e-mail address")]
    [InlineData("a@b@c", "s", "is no e-mail address")]
    [InlineData("a@example.com", "x\nBcc: y@z", "the subject has the control character U+000A")]
    [InlineData("a@elsewhere.test", "s", "mail to \"elsewhere.test\" is not allowed; connectors.email.domains")]
    public async Task What_would_smuggle_something_into_a_mail_is_not_sent(
        string recipient, string subject, string expected)
    {
        using var connector = NewConnector("example.com", "b.com", "b");

        var outcome = await SendAsync(connector, recipient, subject, "m");

        Assert.False(outcome.Retryable);
        Assert.Contains(expected, outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_bag.Mails);
    }

    [Fact]
    public async Task More_than_a_hundred_recipients_are_refused()
    {
        using var connector = NewConnector();
        string many = string.Join(',', Enumerable.Range(0, 1001).Select(i => $"a{i}@example.com"));

        var outcome = await SendAsync(connector, many, "s", "m");

        Assert.Equal(
            Outcome.FailedForGood(
                FailureClass.InvalidAction, "e-mail: there are 1001 recipients; at most 100 are allowed."),
            outcome);
    }

    [Theory]
    [InlineData(SmtpReplyCode.MailboxUnavailable, false)]
    [InlineData(SmtpReplyCode.ServiceUnavailable, true)]
    [InlineData(SmtpReplyCode.InsufficientStorage, true)]
    [InlineData(SmtpReplyCode.TransactionFailed, false)]
    public async Task The_servers_word_decides_whether_it_is_tried_again(SmtpReplyCode code, bool isRetryable)
    {
        using var connector = NewConnector();
        _bag.Answer = new SmtpResponse(code, "not today");

        var outcome = await SendAsync(connector, "ann@example.com", "s", "m");

        Assert.Equal(isRetryable, outcome.Retryable);
        Assert.Equal($"e-mail: 127.0.0.1:{_port} answered {(int)code}: not today", outcome.Error);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_tried_again()
    {
        using var connector = new EmailConnector(
            new EmailOptions("127.0.0.1", 1, EmailSecurity.None, "karya@example.org"),
            new EgressGate(Rules.Local), TimeProvider.System);

        Assert.Equal(
            Outcome.Down(FailureClass.Refused, "e-mail: 127.0.0.1:1 refused the connection: nothing listens there."),
            await SendAsync(connector, "ann@example.com", "s", "m"));
    }

    [Fact]
    public async Task Where_tls_is_asked_for_nothing_is_sent_in_the_clear()
    {
        using var connector = NewConnector(EmailSecurity.StartTls);

        var outcome = await SendAsync(connector, "ann@example.com", "s", "m");

        Assert.False(outcome.Retryable);
        Assert.Contains(
            "does not offer what connectors.email.security asks for", outcome.Error, StringComparison.Ordinal);
        Assert.Empty(_bag.Mails);
    }

    [Fact]
    public async Task A_test_signs_in_and_sends_nothing()
    {
        using var connector = NewConnector();

        Assert.Equal(Outcome.Success, await connector.TestAsync(TestContext.Current.CancellationToken));
        Assert.Empty(_bag.Mails);
    }

    [Fact]
    public async Task The_mail_server_is_behind_the_gate_too()
    {
        using var connector = new EmailConnector(
            new EmailOptions("localhost", _port, EmailSecurity.None, "karya@example.org"),
            new EgressGate(new EgressRules([], AllowsLoopback: false)), TimeProvider.System);

        var outcome = await SendAsync(connector, "ann@example.com", "s", "m");

        Assert.False(outcome.Retryable);
        Assert.StartsWith("e-mail: egress denied: 'localhost'", outcome.Error, StringComparison.Ordinal);
    }

    private EmailConnector NewConnector(params string[] domains) => NewConnector(EmailSecurity.None, domains);

    private EmailConnector NewConnector(EmailSecurity security, params string[] domains) => new(
        new EmailOptions("127.0.0.1", _port, security, "Karya <karya@example.org>") { Domains = domains },
        new EgressGate(Rules.Local), TimeProvider.System);

    private static ValueTask<Outcome> SendAsync(
        EmailConnector connector, string recipient, string subject, string message) => connector.RunAsync(
        First, new EmailAction(recipient, subject, message), TestContext.Current.CancellationToken);
}
