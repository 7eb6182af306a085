using System.Buffers;
using MimeKit;
using SmtpServer;
using SmtpServer.Protocol;
using SmtpServer.Storage;

namespace Karya.Node.Tests.Execution;

/// <summary>Keeps what was sent, and answers as told.</summary>
internal sealed class MailBag : MessageStore
{
    private readonly Lock _lock = new();
    private readonly List<MimeMessage> _mails = [];

    public SmtpResponse Answer { get; set; } = SmtpResponse.Ok;

    public IReadOnlyList<MimeMessage> Mails
    {
        get
        {
            lock (_lock)
                return [.. _mails];
        }
    }

    public override async Task<SmtpResponse> SaveAsync(
        ISessionContext context, IMessageTransaction transaction, ReadOnlySequence<byte> buffer,
        CancellationToken cancellationToken)
    {
        if (Answer.ReplyCode != SmtpReplyCode.Ok)
            return Answer;
        using var stream = new MemoryStream(buffer.ToArray());
        var mail = await MimeMessage.LoadAsync(stream, cancellationToken);
        lock (_lock)
            _mails.Add(mail);
        return Answer;
    }
}
