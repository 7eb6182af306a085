using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Karya.Engine;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace Karya.Node.Execution;

/// <summary>How the way to a mail server is encrypted.</summary>
internal enum EmailSecurity
{
    /// <summary>The connection begins in the clear and must become TLS (port 587).</summary>
    StartTls,

    /// <summary>TLS from the first byte (port 465).</summary>
    Tls,

    /// <summary>Never encrypted: for a server on this machine.</summary>
    None,
}

/// <param name="Host">Of the SMTP server that takes mail from here.</param>
/// <param name="From">The sender: <c>name@host</c>, or <c>Name &lt;name@host&gt;</c>.</param>
internal sealed record EmailOptions(string Host, int Port, EmailSecurity Security, string From)
{
    /// <summary>Empty: the server asks for nobody's name.</summary>
    public string User { get; init; } = "";

    public string Password { get; init; } = "";

    /// <summary>Mail goes only to these domains; empty for all.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];

    /// <summary>Without the password.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port} as {From}");
}

/// <summary>
/// Sends mail by SMTP: a text and an HTML part with the same words. Thread-safe; a connection for each mail.
/// </summary>
/// <remarks>
/// The message id is made of the task's, so that a mail which was sent twice, because its first attempt's answer was
/// lost, can be told by it.
/// </remarks>
internal sealed class EmailConnector : IConnector, IDisposable
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(30);

    private readonly EmailOptions _options;
    private readonly EgressGate _gate;
    private readonly TimeProvider _time;
    private readonly RemoteCertificateValidationCallback? _trust;
    private readonly TimedCalls _calls;
    private readonly MailboxAddress _from;

    /// <param name="options">Where to, and as whom.</param>
    /// <param name="gate">The way out.</param>
    /// <param name="time">Dates mails, and measures the time limit.</param>
    /// <param name="trust">Judges certificates in place of the system's list of authorities, for tests.</param>
    public EmailConnector(
        EmailOptions options, EgressGate gate, TimeProvider time, RemoteCertificateValidationCallback? trust = null)
    {
        _trust = trust;
        _options = options;
        _gate = gate;
        _time = time;
        _calls = new TimedCalls("e-mail", TimeLimit, time);
        _from = MailboxAddress.Parse(options.From); // Checked where the options are read.
    }

    public ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
    {
        var email = (EmailAction)action;
        string? problem = MailAddresses.Read(email.Recipient, _options.Domains, out var recipients)
            ?? MailAddresses.ProblemWithSubject(email.Subject);
        return problem is null
            ? CallAsync(
                (client, deadline) => client.SendAsync(MessageOf(attempt, email, recipients), deadline), stopping)
            : ValueTask.FromResult(Outcome.FailedForGood(FailureClass.InvalidAction, $"e-mail: {problem}"));
    }

    /// <summary>Connects, encrypts and signs in; sends nothing.</summary>
    public ValueTask<Outcome> TestAsync(CancellationToken stopping) =>
        CallAsync((_, _) => Task.CompletedTask, stopping);

    public void Dispose() => _calls.Dispose();

    private ValueTask<Outcome> CallAsync(
        Func<SmtpClient, CancellationToken, Task> send, CancellationToken stopping) =>
        _calls.RunAsync(deadline => TalkAsync(send, deadline), Judge, stopping);

    private async ValueTask<Outcome> TalkAsync(
        Func<SmtpClient, CancellationToken, Task> send, CancellationToken deadline)
    {
        using var socket = await _gate.ConnectAsync(_options.Host, _options.Port, deadline);
        using var client = new SmtpClient
        {
            CheckCertificateRevocation = false,
            ServerCertificateValidationCallback = _trust,
        };
        await client.ConnectAsync(socket, _options.Host, _options.Port, SecurityOf(_options), deadline);
        if (_options.User.Length > 0)
            await client.AuthenticateAsync(_options.User, _options.Password, deadline);
        await send(client, deadline);
        try
        {
            await client.DisconnectAsync(quit: true, deadline);
        }
        catch (Exception)
        {
            // The mail is taken: how the connection ends must not have it sent again.
        }

        return Outcome.Success;
    }

    private Outcome Judge(Exception exception)
    {
        string server = string.Create(CultureInfo.InvariantCulture, $"{_options.Host}:{_options.Port}");
        return exception switch
        {
            SmtpCommandException command => new Outcome(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"e-mail: {server} answered {(int)command.StatusCode}: {command.Message}"),
                Retryable: (int)command.StatusCode < 500)
            {
                Failure = FailureClass.Rejected,
            },
            AuthenticationException => Outcome.FailedForGood(
                FailureClass.SignIn,
                $"e-mail: {server} did not accept connectors.email.user and its password: {exception.Message}"),
            ServiceNotAuthenticatedException => Outcome.FailedForGood(
                FailureClass.SignIn,
                $"e-mail: {server} wants to know who sends, and connectors.email.user is not set: {exception.Message}"),
            SslHandshakeException => Outcome.Down(
                FailureClass.Tls,
                $"e-mail: TLS with {server} failed: {exception.GetBaseException().Message}"),
            NotSupportedException => Outcome.FailedForGood(
                FailureClass.Rejected,
                $"e-mail: {server} does not offer what connectors.email.security asks for: {exception.Message}"),
            SocketException socket => Outcome.Down(
                RestFailure.ClassOf(socket), $"e-mail: {RestFailure.DescribeSocket(socket, server)}"),
            _ => Outcome.Down(FailureClass.Connection, $"e-mail: {server}: {exception.GetBaseException().Message}"),
        };
    }

    private MimeMessage MessageOf(Attempt attempt, EmailAction email, IReadOnlyList<MailboxAddress> recipients)
    {
        string plan = attempt.Key.Plan.ToString();
        var body = new BodyBuilder
        {
            TextBody = $"{email.Message}\n\n-- \nSent by Karya, plan {plan}\n",
            HtmlBody = $"<p>{Html(email.Message)}</p>\n<hr>\n<p><small>Sent by Karya, plan {plan}</small></p>\n",
        };
        var message = new MimeMessage
        {
            Subject = email.Subject,
            Body = body.ToMessageBody(),
            Date = _time.GetUtcNow(),
            MessageId = $"{attempt.Key.ToTaskId():D}@{_from.Domain}",
        };
        message.From.Add(_from);
        message.To.AddRange(recipients);
        message.Headers.Add("Auto-Submitted", "auto-generated"); // RFC 3834: no holiday notices, please.
        message.Headers.Add("karya-task-id", attempt.Key.ToTaskId().ToString("D"));
        message.Headers.Add("karya-attempt", attempt.Number.ToString(CultureInfo.InvariantCulture));
        return message;
    }

    private static string Html(string text) => WebUtility.HtmlEncode(text)
        .Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\n", "<br>\n", StringComparison.Ordinal);

    private static SecureSocketOptions SecurityOf(EmailOptions options) => options.Security switch
    {
        EmailSecurity.Tls => SecureSocketOptions.SslOnConnect,
        EmailSecurity.StartTls => SecureSocketOptions.StartTls,
        _ => SecureSocketOptions.None,
    };
}
