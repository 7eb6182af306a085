using System.Net;
using System.Net.Sockets;
using Karya.Node.Plans;

namespace Karya.Node.Configuration;

/// <summary>The options of section <c>connectors</c>, a part of <see cref="OptionTable"/>.</summary>
internal static class ConnectorTable
{
    private const string AutoText = "auto";
    private const string AnyText = "any";
    private const string SecretForm = "a text, best ${env:NAME} or ${file:path}";

    private static readonly (string Text, MailSecurity Value)[] Securities =
        [("starttls", MailSecurity.StartTls), ("tls", MailSecurity.Tls), ("none", MailSecurity.None)];

    private static readonly (string Text, KafkaMechanism Value)[] Mechanisms =
    [
        ("scram-sha-512", KafkaMechanism.ScramSha512), ("scram-sha-256", KafkaMechanism.ScramSha256),
        ("plain", KafkaMechanism.Plain),
    ];

    public static Option[] All =>
    [
        Option.Text(
            "connectors.egress.allow", AutoText, "networks such as 10.1.0.0/16 or fd12::/64, with commas between them",
            text => OptionList.FirstMistake(text, JudgeNetwork), o => o.Connectors.Egress.Allow,
            (o, value) => With(o, o.Connectors with { Egress = new EgressOptions { Allow = value } })),
        .. Rest(),
        .. Slack(),
        .. Email(),
        .. Kafka(),
    ];

    /// <summary>An entry of a list of networks that was checked.</summary>
    public static IPNetwork ReadNetwork(string text) =>
        TryReadNetwork(text, out var network) ? network : throw new FormatException(text);

    private static Option[] Rest() =>
    [
        Option.Size(
            "connectors.rest.responseBytesMax", 1024, 16 * 1024 * 1024, o => o.Connectors.Rest.ResponseBytesMax,
            (o, value) => WithRest(o, o.Connectors.Rest with { ResponseBytesMax = value })),
        Option.Switch(
            "connectors.rest.followRedirects", o => o.Connectors.Rest.FollowRedirects,
            (o, value) => WithRest(o, o.Connectors.Rest with { FollowRedirects = value })),
        Option.Secret(
            "connectors.rest.signingKey", SigningKey.Form, JudgeSigningKey,
            o => o.Connectors.Rest.SigningKey,
            (o, value) => WithRest(o, o.Connectors.Rest with { SigningKey = value })),
    ];

    private static Option[] Slack() =>
    [
        Option.Secret(
            "connectors.slack.token", SecretForm, JudgeSecret, o => o.Connectors.Slack.Token,
            (o, value) => WithSlack(o, o.Connectors.Slack with { Token = value })),
        Option.Text(
            "connectors.slack.api", AutoText, "a URL of http or https that ends with /", JudgeApi,
            o => o.Connectors.Slack.Api, (o, value) => WithSlack(o, o.Connectors.Slack with { Api = value })),
    ];

    private static Option[] Email() =>
    [
        Option.Text(
            "connectors.email.host", Option.NoneText, "a name or an address", JudgeHost, o => o.Connectors.Email.Host,
            (o, value) => WithEmail(o, o.Connectors.Email with { Host = value })),
        Option.Number(
            "connectors.email.port", 1, ushort.MaxValue, o => o.Connectors.Email.Port,
            (o, value) => WithEmail(o, o.Connectors.Email with { Port = value })),
        Option.Choice(
            "connectors.email.security", Securities, o => o.Connectors.Email.Security,
            (o, value) => WithEmail(o, o.Connectors.Email with { Security = value })),
        Option.Text(
            "connectors.email.from", Option.NoneText, "name@host, or Name <name@host>", JudgeSender,
            o => o.Connectors.Email.From, (o, value) => WithEmail(o, o.Connectors.Email with { From = value })),
        Option.Text(
            "connectors.email.user", Option.NoneText, "a name", _ => null, o => o.Connectors.Email.User,
            (o, value) => WithEmail(o, o.Connectors.Email with { User = value })),
        Option.Secret(
            "connectors.email.password", SecretForm, JudgeSecret, o => o.Connectors.Email.Password,
            (o, value) => WithEmail(o, o.Connectors.Email with { Password = value })),
        Option.Text(
            "connectors.email.domains", AnyText, "domains with commas between them",
            text => OptionList.FirstMistake(text, JudgeHost), o => o.Connectors.Email.Domains,
            (o, value) => WithEmail(o, o.Connectors.Email with { Domains = value })),
    ];

    private static Option[] Kafka() =>
    [
        Option.Text(
            "connectors.kafka.bootstrapServers", Option.NoneText, "host:port, or several with commas between them",
            text => OptionList.FirstMistake(text, JudgeServer), o => o.Connectors.Kafka.BootstrapServers,
            (o, value) => WithKafka(o, o.Connectors.Kafka with { BootstrapServers = value })),
        Option.Text(
            "connectors.kafka.topics", Option.NoneText, "topics with commas between them, each of which may end with *",
            text => OptionList.FirstMistake(text, JudgeTopic), o => o.Connectors.Kafka.Topics,
            (o, value) => WithKafka(o, o.Connectors.Kafka with { Topics = value })),
        Option.Switch(
            "connectors.kafka.tls", o => o.Connectors.Kafka.Tls,
            (o, value) => WithKafka(o, o.Connectors.Kafka with { Tls = value })),
        Option.Text(
            "connectors.kafka.user", Option.NoneText, "a name", _ => null, o => o.Connectors.Kafka.User,
            (o, value) => WithKafka(o, o.Connectors.Kafka with { User = value })),
        Option.Secret(
            "connectors.kafka.password", SecretForm, JudgeSecret, o => o.Connectors.Kafka.Password,
            (o, value) => WithKafka(o, o.Connectors.Kafka with { Password = value })),
        Option.Choice(
            "connectors.kafka.mechanism", Mechanisms, o => o.Connectors.Kafka.Mechanism,
            (o, value) => WithKafka(o, o.Connectors.Kafka with { Mechanism = value })),
    ];

    /// <summary>A network, or one address as a network.</summary>
    private static bool TryReadNetwork(string text, out IPNetwork network)
    {
        if (IPNetwork.TryParse(text, out network))
            return true;
        if (!IPAddress.TryParse(text, out var address)
            || (address.AddressFamily == AddressFamily.InterNetwork && address.ToString() != text))
        {
            return false; // Others might read it as another address: 0177.0.0.1, 127.1.
        }

        network = new IPNetwork(address, 8 * address.GetAddressBytes().Length);
        return true;
    }

    private static string? JudgeSecret(string text) =>
        text.Any(char.IsControl) ? "has control characters; it must be one line" : null;

    private static string? JudgeSigningKey(string text) =>
        SigningKey.TryRead(text, out _) ? null : $"is no signing key; write {SigningKey.Form}";

    private static string? JudgeNetwork(string text) => TryReadNetwork(text, out _)
        ? null
        : $"\"{Option.Shown(text)}\" is no network; write it as 10.1.0.0/16, fd12::/64 or 10.1.2.3";

    private static string? JudgeApi(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && text.EndsWith('/')
            ? null
            : $"\"{Option.Shown(text)}\" is no URL of http or https that ends with /";

    private static string? JudgeHost(string text) => Uri.CheckHostName(text) != UriHostNameType.Unknown
        ? null
        : $"\"{Option.Shown(text)}\" is no name of a host, nor an address";

    private static string? JudgeServer(string text)
    {
        bool isServer = Uri.TryCreate("kafka://" + text, UriKind.Absolute, out var uri) && uri.Port > 0
            && uri.PathAndQuery is "" or "/" && uri.UserInfo.Length == 0;
        return isServer ? null : $"\"{Option.Shown(text)}\" is not host:port";
    }

    private static string? JudgeSender(string text) =>
        MailAddresses.Read(text, out var mailboxes) is { } mistake ? mistake.TrimEnd('.')
        : mailboxes.Count == 1 ? null : "there is one sender";

    private static string? JudgeTopic(string text) => text == "*"
        ? null
        : KafkaTopics.ProblemWith(text.EndsWith('*') ? text[..^1] : text)?.TrimEnd('.');

    private static NodeOptions WithRest(NodeOptions options, RestOptions rest) =>
        With(options, options.Connectors with { Rest = rest });

    private static NodeOptions WithSlack(NodeOptions options, SlackOptions slack) =>
        With(options, options.Connectors with { Slack = slack });

    private static NodeOptions WithEmail(NodeOptions options, EmailOptions email) =>
        With(options, options.Connectors with { Email = email });

    private static NodeOptions WithKafka(NodeOptions options, KafkaOptions kafka) =>
        With(options, options.Connectors with { Kafka = kafka });

    private static NodeOptions With(NodeOptions options, ConnectorsOptions connectors) =>
        options with { Connectors = connectors };
}
