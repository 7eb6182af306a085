using System.Globalization;
using MimeKit;

namespace Karya.Node.Plans;

/// <summary>The recipients of an e-mail action: one mailbox or several with commas between them. Pure.</summary>
internal static class MailAddresses
{
    public const int RecipientsMax = 100;

    private const int CharsMax = 254; // Of one address: RFC 5321, 4.5.3.1.3, less the angle brackets.

    private static readonly ParserOptions Parsing = new()
    {
        AddressParserComplianceMode = RfcComplianceMode.Strict,
        AllowAddressesWithoutDomain = false,
        AllowUnquotedCommasInAddresses = false,
    };

    /// <summary>Why nothing can be sent to these; null when it can.</summary>
    /// <param name="domains">That mail may go to; empty for all.</param>
    public static string? Read(
        string text, IReadOnlyList<string> domains, out IReadOnlyList<MailboxAddress> mailboxes)
    {
        if (Read(text, out mailboxes) is { } problem)
            return problem;
        foreach (var mailbox in mailboxes)
        {
            if (domains.Count > 0 && !domains.Contains(mailbox.Domain, StringComparer.OrdinalIgnoreCase))
            {
                return $"mail to {Quoted.Shorten(mailbox.Domain)} is not allowed; connectors.email.domains does not "
                    + "name it.";
            }
        }

        return null;
    }

    /// <summary>The same without a list of domains.</summary>
    public static string? Read(string text, out IReadOnlyList<MailboxAddress> mailboxes)
    {
        mailboxes = [];
        if (text.AsSpan().IndexOfAnyInRange('\0', '\x1F') >= 0 || text.Contains('\x7F', StringComparison.Ordinal))
            return $"{Quoted.Shorten(text)} has control characters, which no address has.";
        if (!InternetAddressList.TryParse(Parsing, text, out var addresses) || addresses.Count == 0)
            return $"{Quoted.Shorten(text)} is no e-mail address. Write name@host, or several with commas between.";
        if (addresses.Count > RecipientsMax)
        {
            return string.Create(
                CultureInfo.InvariantCulture,
                $"there are {addresses.Count} recipients; at most {RecipientsMax} are allowed.");
        }

        var read = new List<MailboxAddress>(addresses.Count);
        foreach (var address in addresses)
        {
            if (address is not MailboxAddress mailbox)
                return $"{Quoted.Shorten(address.ToString())} is a group of addresses. Name its members.";
            if (mailbox.Address.Length > CharsMax || mailbox.Domain.Length == 0 || mailbox.LocalPart.Length == 0)
                return $"{Quoted.Shorten(mailbox.Address)} is no e-mail address of at most {CharsMax} characters.";
            read.Add(mailbox);
        }

        mailboxes = read;
        return null;
    }

    /// <summary>Why a text cannot be the subject of a mail; null when it can.</summary>
    public static string? ProblemWithSubject(string subject)
    {
        foreach (char c in subject)
        {
            if (char.IsControl(c) && c != '\t')
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"the subject has the control character U+{(int)c:X4}; a subject is one line of text.");
            }
        }

        return null;
    }
}
