using Karya.Engine.Shards;
using Karya.Node.Configuration;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging;

namespace Karya.Node;

/// <summary>The connectors that a node is configured for, and the gate by which they go out.</summary>
internal sealed class NodeConnectors : IDisposable
{
    private readonly NodeOptions _options;
    private readonly EgressGate _gate;
    private readonly RestConnector _rest;
    private readonly SlackConnector? _slack;
    private readonly EmailConnector? _email;
    private readonly KafkaConnector? _kafka;

    /// <param name="options">What is configured.</param>
    /// <param name="log">Is told of targets that are down, and of those that are back.</param>
    /// <param name="clock">Measures pauses.</param>
    public NodeConnectors(NodeOptions options, ILogger log, TimeProvider clock)
    {
        _options = options;
        var breaker = options.Executor.Breaker;
        Breaker = new TargetBreaker(
            new Execution.BreakerOptions(breaker.Failures, breaker.Pause), SetLimit,
            (target, error) => Parked(log, target, error), clock);
        _gate = new EgressGate(RulesOf(options));
        var connectors = options.Connectors;
        var secrets = SecretsOf(options.Secrets);
        _rest = new RestConnector(RestOf(connectors.Rest) with { Secrets = secrets }, _gate, clock);
        if (connectors.Slack.IsSet)
            _slack = new SlackConnector(SlackOf(connectors.Slack), _gate, clock);
        if (connectors.Email.IsSet)
            _email = new EmailConnector(EmailOf(connectors.Email), _gate, clock);
        if (connectors.Kafka.IsSet)
            _kafka = new KafkaConnector(KafkaOf(connectors.Kafka), _gate, clock);
        Rules = new ActionRules(_slack is not null, _email is not null, _kafka is not null)
        {
            MailDomains = OptionList.Entries(connectors.Email.Domains),
            Topics = OptionList.Entries(connectors.Kafka.Topics),
            Secrets = secrets,
        };
        Guard(options.Http.Listen.Port, options.Tcp.Listen.Port); // Until those are known that are taken for port 0.
    }

    /// <summary>What plans may ask for.</summary>
    public ActionRules Rules { get; }

    /// <summary>Parks the tasks of targets that are down. It is to hear of each attempt that ended.</summary>
    public TargetBreaker Breaker { get; }

    /// <summary>All of the node, before the first attempt.</summary>
    public IReadOnlyList<Shard> Shards { get; set; } = [];

    public Connectors With(SubmitChild submitChild) => new(_rest, new ChainedConnector(submitChild))
    {
        Slack = _slack,
        Email = _email,
        Kafka = _kafka,
    };

    /// <summary>From now on nothing connects to the node itself, where it listens.</summary>
    public void Guard(NodeAddresses addresses) => Guard(addresses.Http.Port, addresses.Tcp.Port);

    /// <summary>What there is, and how the one of a name does when it is tried out.</summary>
    /// <exception cref="DeskException">There is none of that name, or the node is not configured for it.</exception>
    public async Task<ConnectorsReply> DescribeAsync(string? test, CancellationToken stopping)
    {
        var connectors = new List<ConnectorStatus>();
        foreach (var (name, target, setting, tryOut) in All())
        {
            bool isMissing = setting is not null;
            if (test == name && isMissing)
            {
                throw new DeskException(new WireFault(
                    ErrorCode.ConnectorMissing, "connectors.test",
                    $"{name} is not configured on this node: {setting} is missing."));
            }

            var outcome = test == name && tryOut is not null ? await tryOut(stopping) : default(Outcome?);
            var state = (isMissing, outcome) switch
            {
                (true, _) => ConnectorState.Missing,
                (_, null) => ConnectorState.Configured,
                (_, { IsSuccess: true }) => ConnectorState.Working,
                _ => ConnectorState.Failing,
            };
            connectors.Add(new ConnectorStatus(
                name, state, isMissing ? null : target, isMissing ? $"{setting} is missing." : outcome?.Error));
        }

        return test is null || connectors.Exists(one => one.Name == test)
            ? new ConnectorsReply(connectors)
            : throw new DeskException(
                DeskError.Invalid,
                $"There is no connector named {Quoted.Shorten(test)}; there are "
                + string.Join(", ", connectors.Select(one => one.Name)) + ".");
    }

    public void Dispose()
    {
        Breaker.Dispose();
        _rest.Dispose();
        _slack?.Dispose();
        _email?.Dispose();
        _kafka?.Dispose();
    }

    private void Guard(int httpPort, int tcpPort)
    {
        var own = new List<OwnServer>
        {
            new(_options.Http.Listen.Host, httpPort, "the node's own HTTP"),
            new(_options.Tcp.Listen.Host, tcpPort, "the node's own wire protocol"),
        };
        if (_options.Storage.Postgres.IsSet)
        {
            own.AddRange(ConnectionString.ServersOf(_options.Storage.Postgres.ConnectionString).Select(
                server => new OwnServer(server.Host, server.Port, "the node's own Postgres")));
        }

        if (_options.Cluster.IsSet)
        {
            own.AddRange(RedisConfiguration.ServersOf(_options.Cluster.Redis).Select(
                server => new OwnServer(server.Host, server.Port, "the node's own Redis")));
        }

        _gate.OwnServers = own;
    }

    private static void Parked(ILogger log, string target, string? error)
    {
        if (error is null)
            NodeLog.TargetIsBack(log, target);
        else
            NodeLog.TargetIsDown(log, target, error);
    }

    private void SetLimit(uint lane, int limit)
    {
        foreach (var shard in Shards)
            shard.Inbox.PostLimit(lane, limit);
    }

    /// <summary>Name, target, the setting that is missing, and how it is tried out.</summary>
    private IEnumerable<(string Name, string? Target, string? Setting, TryOut? TryOut)> All()
    {
        var connectors = _options.Connectors;
        yield return ("rest", null, null, _ => ValueTask.FromResult(Outcome.Success));
        yield return (
            "slack", SlackOf(connectors.Slack).Api.ToString(), _slack is null ? "connectors.slack.token" : null,
            _slack is null ? null : _slack.TestAsync);
        yield return (
            "email", connectors.Email.ToString(), _email is null ? "connectors.email.host" : null,
            _email is null ? null : _email.TestAsync);
        yield return (
            "kafka", connectors.Kafka.ToString(), _kafka is null ? "connectors.kafka.bootstrapServers" : null,
            _kafka is null ? null : _kafka.TestAsync);
    }

    private static EgressRules RulesOf(NodeOptions options)
    {
        string allow = options.Connectors.Egress.Allow;
        bool isAlone = options.Http.Listen.IsLoopback && options.Tcp.Listen.IsLoopback;
        return new EgressRules(
            [.. OptionList.Entries(allow).Select(ConnectorTable.ReadNetwork)], allow.Length == 0 && isAlone);
    }

    private static PlanSecrets SecretsOf(SecretsOptions secrets) => new(
        OptionList.Entries(secrets.Environment),
        secrets.Folder.Length == 0 ? "" : Path.TrimEndingDirectorySeparator(Path.GetFullPath(secrets.Folder)),
        Environment.GetEnvironmentVariable);

    private static Execution.RestOptions RestOf(Configuration.RestOptions rest) =>
        new(rest.ResponseBytesMax, rest.FollowRedirects)
        {
            Signer = SigningKey.TryRead(rest.SigningKey, out byte[] key) ? new WebhookSigner(key) : null,
        };

    private static Execution.SlackOptions SlackOf(Configuration.SlackOptions slack) => new(
        slack.Token, slack.Api.Length == 0 ? Execution.SlackOptions.ApiDefault : new Uri(slack.Api));

    private static Execution.EmailOptions EmailOf(Configuration.EmailOptions email) => new(
        email.Host, email.Port, SecurityOf(email.Security), email.From)
    {
        User = email.User,
        Password = email.Password,
        Domains = OptionList.Entries(email.Domains),
    };

    private static EmailSecurity SecurityOf(MailSecurity security) => security switch
    {
        MailSecurity.Tls => EmailSecurity.Tls,
        MailSecurity.None => EmailSecurity.None,
        _ => EmailSecurity.StartTls,
    };

    private static Execution.KafkaOptions KafkaOf(Configuration.KafkaOptions kafka) =>
        new(kafka.BootstrapServers, OptionList.Entries(kafka.Topics))
        {
            Tls = kafka.Tls,
            User = kafka.User,
            Password = kafka.Password,
            SignIn = kafka.Mechanism switch
            {
                KafkaMechanism.Plain => KafkaSignIn.Plain,
                KafkaMechanism.ScramSha256 => KafkaSignIn.ScramSha256,
                _ => KafkaSignIn.ScramSha512,
            },
        };

    private delegate ValueTask<Outcome> TryOut(CancellationToken stopping);
}
