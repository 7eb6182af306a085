using System.Buffers;
using System.Buffers.Text;
using System.Text;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// Checks an action on the wire without making objects of it, and says on which lane it runs. Refusals are left with
/// the reader.
/// </summary>
internal static class ActionChecks
{
    private static readonly SearchValues<byte> TokenLetters = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    private static readonly SearchValues<byte> NameLetters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789._-"u8);

    private static readonly SearchValues<byte> HostLetters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-"u8);

    /// <summary>Visible ASCII but for the backslash, which some take for a slash.</summary>
    private static readonly SearchValues<byte> PlainLetters = SearchValues.Create(
        [.. Enumerable.Range(0x21, 0x5E).Select(code => (byte)code).Where(code => code != (byte)'\\')]);

    /// <summary>All that ends or breaks a line of HTTP or SMTP; tabs do not.</summary>
    private static readonly SearchValues<byte> Controls = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Select(code => (byte)code).Where(code => code != (byte)'\t'), 0x7F]);

    private const int HostLabelBytesMax = 63; // Of one label between dots; whole hosts are rarely longer.

    /// <summary>These decide where a message ends or goes; two opinions about that are a security hole.</summary>
    private static readonly string[] FramingHeaders =
        ["content-length", "transfer-encoding", "te", "trailer", "upgrade", "host", "connection"];

    public static void Read(
        ref WireReader reader, ActionRules rules, int depth, out uint lane, out bool isPulled)
    {
        lane = 0;
        isPulled = false;
        var kind = ActionMessage.ReadKind(ref reader, out int count);
        switch (kind)
        {
            case ActionKind.None:
                break; // Refused.
            case ActionKind.Rest:
                lane = ReadRest(ref reader, rules.Secrets);
                Protocol.Messages.RestAction.ReadRetryOn(ref reader, count);
                break;
            case ActionKind.Chain:
                lane = Lanes.Chained;
                SubmissionReader.CheckChained(ref reader, rules, depth + 1);
                break;
            case ActionKind.Task:
                lane = ReadTask(ref reader);
                isPulled = true;
                break;
            case ActionKind.Slack when rules.Slack:
                lane = MessageChecks.ReadSlack(ref reader);
                break;
            case ActionKind.Email when rules.Email:
                lane = MessageChecks.ReadEmail(ref reader, rules);
                break;
            case ActionKind.Kafka when rules.Kafka:
                lane = MessageChecks.ReadKafka(ref reader, rules);
                break;
            default:
                RefuseMissing(ref reader, kind);
                break;
        }
    }

    /// <summary>Whether a text is a name that workers may subscribe to.</summary>
    public static bool IsTaskName(ReadOnlySpan<byte> name) =>
        !name.IsEmpty && name.Length <= ProtocolLimits.TaskNameBytesMax && !name.ContainsAnyExcept(NameLetters);

    private static void RefuseMissing(ref WireReader reader, ActionKind kind)
    {
        var (name, setting) = kind switch
        {
            ActionKind.Slack => ("Slack", "connectors.slack.token"),
            ActionKind.Email => ("E-mail", "connectors.email.host"),
            _ => ("Kafka", "connectors.kafka.bootstrapServers"),
        };
        reader.Refuse(
            ErrorCode.ConnectorMissing, "action.kind",
            $"{name} is not configured on this node: {setting} is missing in its configuration.");
    }

    private static uint ReadTask(ref WireReader reader)
    {
        var name = reader.ReadUtf8("action.name", ProtocolLimits.TaskNameBytesMax);
        if (!reader.HasFailed && !IsTaskName(name))
        {
            reader.Refuse(
                ErrorCode.InvalidName, "action.name",
                $"action.name is {Quote(name)}; 1 to {ProtocolLimits.TaskNameBytesMax} of a-z, 0-9, '.', '_' and '-' "
                + "are allowed.");
        }

        reader.ReadBinary("action.arguments", ProtocolLimits.PayloadBytesMax);
        reader.ReadInt64("action.timeout", 0, ProtocolLimits.DurationMsMax);
        return Lanes.OfTask(name);
    }

    private static uint ReadRest(ref WireReader reader, PlanSecrets secrets)
    {
        var method = reader.ReadUtf8("action.method", 16);
        bool isMethod = method.SequenceEqual("GET"u8) || method.SequenceEqual("POST"u8) || method.SequenceEqual("PUT"u8)
            || method.SequenceEqual("PATCH"u8) || method.SequenceEqual("DELETE"u8);
        if (!reader.HasFailed && !isMethod)
        {
            reader.Refuse(
                ErrorCode.OutOfRange, "action.method",
                $"action.method is {Quote(method)}; GET, POST, PATCH, PUT and DELETE are allowed.");
        }

        var url = reader.ReadUtf8("action.url", ProtocolLimits.UrlBytesMax);
        uint lane = 0;
        int port = 0;
        if (!reader.HasFailed && !TryJudgeUrl(url, out lane, out port))
        {
            reader.Refuse(
                ErrorCode.InvalidUrl, "action.url",
                $"action.url is {Quote(url)}; it must be a URL like https://host:port/path, of http or https, with a "
                + "port from 1 to 65535.");
        }
        else if (!reader.HasFailed && ServicePorts.NameOf(port) is { } service)
        {
            reader.Refuse(
                ErrorCode.InvalidUrl, "action.url",
                $"action.url is {Quote(url)}; port {port} is that of {service}, not of HTTP.");
        }

        int headers = reader.ReadArray("action.headers", 0, ProtocolLimits.HeadersMax, itemSlots: 2);
        for (int i = 0; i < headers && !reader.HasFailed; i++)
            ReadHeader(ref reader, secrets, i);
        if (!reader.TryReadNil())
        {
            var body = reader.ReadUtf8("action.body", ProtocolLimits.PayloadBytesMax);
            if (secrets.IsOn)
                CheckSecrets(ref reader, secrets, "action.body", body);
        }

        reader.ReadInt64("action.timeout", 0, RestTimeoutMsMax);
        return lane;
    }

    /// <summary>One hour: what takes longer is a task for a worker.</summary>
    private const long RestTimeoutMsMax = 3_600_000;

    private static void ReadHeader(ref WireReader reader, PlanSecrets secrets, int index)
    {
        reader.ReadArray("action.header", 2, 2);
        var name = reader.ReadUtf8("action.header.name", ProtocolLimits.HeaderNameBytesMax);
        var value = reader.ReadUtf8("action.header.value", ProtocolLimits.HeaderValueBytesMax);
        if (reader.HasFailed)
            return;
        if (name.IsEmpty || name.ContainsAnyExcept(TokenLetters))
        {
            reader.Refuse(
                ErrorCode.InvalidHeader, "action.headers",
                $"action.headers[{index}] is named {Quote(name)}; letters, digits and !#$%&'*+-.^_`|~ are allowed.");
        }
        else if (value.ContainsAny(Controls))
        {
            reader.Refuse(
                ErrorCode.InvalidHeader, "action.headers",
                $"action.headers[{index}], {Quote(name)}, has a control character in its value.");
        }
        else if (IsFraming(name))
        {
            reader.Refuse(
                ErrorCode.InvalidHeader, "action.headers",
                $"action.headers[{index}], {Quote(name)}, cannot be set: it is decided by how the request is sent.");
        }
        else
        {
            CheckSecrets(ref reader, secrets, "action.headers", value);
        }
    }

    private static void CheckSecrets(
        ref WireReader reader, PlanSecrets secrets, string slot, ReadOnlySpan<byte> text)
    {
        if (text.IndexOf("${"u8) >= 0 && secrets.ProblemWith(Encoding.UTF8.GetString(text)) is { } problem)
            reader.Refuse(ErrorCode.UnknownSecret, slot, $"{slot}: {problem}");
    }

    private static bool IsFraming(ReadOnlySpan<byte> name)
    {
        foreach (string framing in FramingHeaders)
        {
            if (Ascii.EqualsIgnoreCase(name, framing))
                return true;
        }

        return name.Length > 6 && Ascii.EqualsIgnoreCase(name[..6], "proxy-"u8);
    }

    /// <summary>Nearly all URLs are plain ASCII and are judged here; the others by the library.</summary>
    private static bool TryJudgeUrl(ReadOnlySpan<byte> url, out uint lane, out int port)
    {
        lane = 0;
        port = 0;
        bool isHttps = url.Length > 8 && Ascii.EqualsIgnoreCase(url[..8], "https://"u8);
        bool isHttp = url.Length > 7 && Ascii.EqualsIgnoreCase(url[..7], "http://"u8);
        if (!isHttp && !isHttps)
            return false;

        var rest = url[(isHttps ? 8 : 7)..];
        int end = rest.IndexOfAny("/?#"u8);
        var authority = end < 0 ? rest : rest[..end];
        int colon = authority.IndexOf((byte)':');
        var host = colon < 0 ? authority : authority[..colon];
        bool isPlain = IsPlainHost(host) && !authority.Contains((byte)'@') && !rest.ContainsAnyExcept(PlainLetters);
        if (!isPlain)
            return TryJudgeWithLibrary(url, out lane, out port);

        port = isHttps ? 443 : 80;
        if (colon >= 0)
        {
            bool isPort = Utf8Parser.TryParse(authority[(colon + 1)..], out port, out int used)
                && used == authority.Length - colon - 1 && port is > 0 and <= ushort.MaxValue
                && authority[colon + 1] != (byte)'+';
            if (!isPort)
                return false;
        }

        lane = Lanes.OfHost(host, port);
        return true;
    }

    /// <summary>Beyond doubt. What has odd dots or dashes, or a long label, may be a host all the same.</summary>
    private static bool IsPlainHost(ReadOnlySpan<byte> host) =>
        host.Length is > 0 and <= HostLabelBytesMax && !host.ContainsAnyExcept(HostLetters)
        && char.IsAsciiLetterOrDigit((char)host[0]) && char.IsAsciiLetterOrDigit((char)host[^1])
        && host.IndexOf(".."u8) < 0 && host.IndexOf(".-"u8) < 0 && host.IndexOf("-."u8) < 0;

    private static bool TryJudgeWithLibrary(ReadOnlySpan<byte> url, out uint lane, out int port)
    {
        lane = 0;
        port = 0;
        string text = Encoding.UTF8.GetString(url);
        if (url.ContainsAny(Controls) || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Host.Length == 0
            || uri.Port is <= 0 or > ushort.MaxValue)
        {
            return false;
        }

        port = uri.Port;
        lane = Lanes.Of(WireActions.Of(new Protocol.Messages.RestAction("GET", text, [], null, 0)));
        return true;
    }

    private static string Quote(ReadOnlySpan<byte> text) => Quoted.Shorten(Encoding.UTF8.GetString(text));
}
