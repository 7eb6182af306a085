using System.Text;
using Confluent.Kafka;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;
using Karya.Node.Tests.Execution.Egress;
using Xunit;

namespace Karya.Node.Tests.Execution;

/// <summary>Against the brokers that librdkafka brings for tests: they speak the protocol, on loopback.</summary>
public sealed class KafkaConnectorTests : IDisposable
{
    private static readonly Attempt Second = SampleAttempt.Number(2);

    private readonly IAdminClient _cluster;
    private readonly string _servers;

    public KafkaConnectorTests()
    {
        var configuration = new AdminClientConfig { BootstrapServers = "localhost" };
        configuration.Set("test.mock.num.brokers", "2");
        _cluster = new AdminClientBuilder(configuration).SetLogHandler((_, _) => { }).Build();
        var brokers = _cluster.GetMetadata(TimeSpan.FromSeconds(30)).Brokers;
        _servers = string.Join(',', brokers.Select(broker => $"{broker.Host}:{broker.Port}"));
    }

    [Fact]
    public async Task A_message_is_published_with_its_key_and_headers_that_tell_attempts_apart()
    {
        using var connector = NewConnector("orders");

        Assert.Equal(
            Outcome.Success, await PublishAsync(connector, new KafkaAction("orders", "k", "größe")));

        var message = Consume("orders");
        Assert.Equal(("k", "größe"), (Encoding.UTF8.GetString(message.Key), Encoding.UTF8.GetString(message.Value)));
        Assert.Equal(
            [
                ("karya-task-id", Second.Key.ToTaskId().ToString("D")), ("karya-plan-id", Second.Key.Plan.ToString()),
                ("karya-attempt", "2"), ("karya-epoch", "42"),
            ],
            message.Headers.Select(header => (header.Key, Encoding.ASCII.GetString(header.GetValueBytes()))));
    }

    [Fact]
    public async Task A_message_without_a_key_has_none()
    {
        using var connector = NewConnector("*");

        Assert.Equal(Outcome.Success, await PublishAsync(connector, new KafkaAction("plain", null, "")));

        var message = Consume("plain");
        Assert.Null(message.Key);
        Assert.Empty(message.Value);
    }

    [Theory]
    [InlineData("other", "the topic \"other\" is not allowed; connectors.kafka.topics does not name it.")]
    [InlineData("../orders", "\"../orders\" is no topic: ")]
    [InlineData("", "\"\" is no topic: ")]
    [InlineData("..", "\"..\" is no topic: ")]
    [InlineData("__consumer_offsets", "\"__consumer_offsets\" belongs to Kafka itself")]
    public async Task A_topic_that_is_not_listed_is_not_published_to(string topic, string expected)
    {
        using var connector = NewConnector("orders", "audit-*");

        var outcome = await PublishAsync(connector, new KafkaAction(topic, null, "x"));

        Assert.False(outcome.Retryable);
        Assert.StartsWith($"Kafka: {expected}", outcome.Error, StringComparison.Ordinal);
        Assert.Equal(
            Outcome.Success, await PublishAsync(connector, new KafkaAction("audit-1", null, "x")));
    }

    [Fact]
    public async Task A_test_asks_a_broker_who_is_there()
    {
        using var connector = NewConnector("*");

        Assert.Equal(Outcome.Success, await connector.TestAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Who_signs_in_is_let_in()
    {
        await using var broker = new SaslBroker("karya", "s3cret");
        using var connector = NewSaslConnector(broker, "s3cret");

        Assert.Equal(Outcome.Success, await connector.TestAsync(TestContext.Current.CancellationToken));

        Assert.Equal("\0karya\0s3cret", broker.Seen.First());
    }

    [Fact]
    public async Task Who_is_not_let_in_is_told_why_and_not_what_the_password_was()
    {
        await using var broker = new SaslBroker("karya", "s3cret");
        using var connector = NewSaslConnector(broker, "wr0ng");

        var outcome = await connector.TestAsync(TestContext.Current.CancellationToken);

        Assert.Equal(FailureClass.SignIn, outcome.Failure);
        Assert.Contains("no such user", outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("wr0ng", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Brokers_are_behind_the_gate_too()
    {
        using var connector = new KafkaConnector(
            new KafkaOptions(_servers, ["*"]), new EgressGate(new EgressRules([], AllowsLoopback: false)),
            TimeProvider.System);

        var outcome = await PublishAsync(connector, new KafkaAction("orders", null, "x"));

        Assert.False(outcome.Retryable);
        Assert.StartsWith("Kafka: egress denied: '", outcome.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _cluster.Dispose();

    private static ValueTask<Outcome> PublishAsync(KafkaConnector connector, KafkaAction action) =>
        connector.RunAsync(Second, action, TestContext.Current.CancellationToken);

    private KafkaConnector NewConnector(params string[] topics) =>
        new(new KafkaOptions(_servers, topics), new EgressGate(Rules.Local), TimeProvider.System);

    private static KafkaConnector NewSaslConnector(SaslBroker broker, string password) => new(
        new KafkaOptions(broker.Address, ["*"])
        {
            User = "karya",
            Password = password,
            SignIn = KafkaSignIn.Plain,
        },
        new EgressGate(Rules.Local), TimeProvider.System);

    private Message<byte[], byte[]> Consume(string topic)
    {
        using var consumer = new ConsumerBuilder<byte[], byte[]>(
            new ConsumerConfig { BootstrapServers = _servers, GroupId = "tests" }).Build();
        var partitions = _cluster.GetMetadata(topic, TimeSpan.FromSeconds(30)).Topics.Single().Partitions;
        consumer.Assign(partitions.Select(
            partition => new TopicPartitionOffset(topic, partition.PartitionId, Offset.Beginning)));
        return consumer.Consume(TimeSpan.FromSeconds(30))?.Message
            ?? throw new InvalidOperationException($"Nothing came to {topic}.");
    }
}
