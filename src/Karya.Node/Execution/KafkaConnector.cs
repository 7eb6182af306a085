using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Confluent.Kafka;
using Karya.Engine;
using Karya.Node.Execution.Egress;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <summary>How a user signs in at Kafka: mechanisms of SASL.</summary>
internal enum KafkaSignIn
{
    ScramSha512,
    ScramSha256,
    Plain,
}

/// <param name="Servers">As Kafka's clients take them: <c>host:port</c>, with commas between them.</param>
/// <param name="Topics">That may be published to; an entry may end with <c>*</c>.</param>
internal sealed record KafkaOptions(string Servers, IReadOnlyList<string> Topics)
{
    /// <summary>Encrypt the way to the brokers.</summary>
    public bool Tls { get; init; }

    /// <summary>Empty: nobody signs in.</summary>
    public string User { get; init; } = "";

    public string Password { get; init; } = "";

    /// <summary>How <see cref="User"/> signs in.</summary>
    public KafkaSignIn SignIn { get; init; }

    /// <summary>Without the password.</summary>
    public override string ToString() => Servers;
}

/// <summary>
/// Publishes messages with an idempotent producer, each acknowledged by all replicas in sync. Thread-safe; the producer
/// is made when it is first needed.
/// </summary>
/// <remarks>
/// The producer's own repetitions write a message once. A repeated attempt is another message, with the same
/// <c>karya-task-id</c> in its headers. The library looks names up by itself, so brokers are checked by the gate when
/// the producer is made, and again after a failure: not each connection.
/// </remarks>
internal sealed class KafkaConnector(KafkaOptions options, EgressGate gate, TimeProvider time)
    : IConnector, IDisposable
{
    private const int PortDefault = 9092;

    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(30);

    /// <summary>So that the library's own words for a message that nobody took come first.</summary>
    private static readonly TimeSpan MessageTimeToSpare = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan MetadataMax = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FarewellMax = TimeSpan.FromSeconds(5);

    private readonly TimedCalls _calls = new("Kafka", TimeLimit + MessageTimeToSpare, time);
    private readonly SemaphoreSlim _making = new(1, 1);
    private IProducer<byte[]?, byte[]>? _producer;
    private volatile Error? _lastError; // Of a connection: why a message is not acknowledged.

    public ValueTask<Outcome> RunAsync(Attempt attempt, PlanAction action, CancellationToken stopping)
    {
        var kafka = (KafkaAction)action;
        return KafkaTopics.ProblemWith(kafka.Topic, options.Topics) is { } problem
            ? ValueTask.FromResult(Outcome.FailedForGood(FailureClass.InvalidAction, $"Kafka: {problem}"))
            : _calls.RunAsync(deadline => PublishAsync(attempt, kafka, deadline), Judge, stopping);
    }

    /// <summary>Asks a broker who the others are.</summary>
    public ValueTask<Outcome> TestAsync(CancellationToken stopping) => _calls.RunAsync(AskAsync, Judge, stopping);

    public void Dispose()
    {
        DropProducer();
        _making.Dispose();
        _calls.Dispose();
    }

    private async ValueTask<Outcome> PublishAsync(Attempt attempt, KafkaAction kafka, CancellationToken deadline)
    {
        var producer = await ProducerAsync(deadline);
        await producer.ProduceAsync(kafka.Topic, MessageOf(attempt, kafka), deadline);
        _lastError = null;
        return Outcome.Success;
    }

    private async ValueTask<Outcome> AskAsync(CancellationToken deadline)
    {
        var producer = await ProducerAsync(deadline);
        using var admin = new DependentAdminClientBuilder(producer.Handle).Build();
        await Task.Run(() => admin.GetMetadata(MetadataMax), deadline);
        _lastError = null;
        return Outcome.Success;
    }

    private Outcome Judge(Exception exception)
    {
        switch (exception)
        {
            case SocketException:
                return Outcome.Down(
                    FailureClass.Dns, $"Kafka: {options.Servers} cannot be looked up: {exception.Message}");
            case KafkaException { Error: var error }:
                if (error.IsFatal)
                    DropProducer();
                return OutcomeOf(error);
            default: // Another attempt has just dropped the producer, say.
                return Outcome.Failed(FailureClass.Other, $"Kafka: {exception.Message}");
        }
    }

    private async ValueTask<IProducer<byte[]?, byte[]>> ProducerAsync(CancellationToken stopping)
    {
        if (Volatile.Read(ref _producer) is { } made)
            return made;
        await _making.WaitAsync(stopping);
        try
        {
            if (_producer is { } madeMeanwhile)
                return madeMeanwhile;
            await CheckServersAsync(stopping);
            var producer = new ProducerBuilder<byte[]?, byte[]>(Configuration())
                .SetLogHandler((_, _) => { }) // What goes wrong comes back with the attempts.
                .SetErrorHandler((_, error) => _lastError = error)
                .Build();
            Volatile.Write(ref _producer, producer);
            return producer;
        }
        finally
        {
            _making.Release();
        }
    }

    private async ValueTask CheckServersAsync(CancellationToken stopping)
    {
        foreach (string server in options.Servers.Split(',', StringSplitOptions.TrimEntries))
        {
            int colon = server.LastIndexOf(':');
            bool hasPort = colon > server.LastIndexOf(']') && int.TryParse(
                server.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _);
            string host = hasPort ? server[..colon] : server;
            int port = hasPort ? int.Parse(server.AsSpan(colon + 1), CultureInfo.InvariantCulture) : PortDefault;
            await gate.CheckAsync(host, port, stopping);
        }
    }

    private ProducerConfig Configuration()
    {
        bool signsIn = options.User.Length > 0;
        var configuration = new ProducerConfig
        {
            BootstrapServers = options.Servers,
            ClientId = "karya",
            EnableIdempotence = true,
            Acks = Acks.All,
            MessageTimeoutMs = (int)TimeLimit.TotalMilliseconds,
            SocketNagleDisable = true,
            LingerMs = 1,
            SecurityProtocol = (options.Tls, signsIn) switch
            {
                (true, true) => SecurityProtocol.SaslSsl,
                (true, false) => SecurityProtocol.Ssl,
                (false, true) => SecurityProtocol.SaslPlaintext,
                _ => SecurityProtocol.Plaintext,
            },
        };
        if (signsIn)
        {
            configuration.SaslMechanism = options.SignIn switch
            {
                KafkaSignIn.Plain => SaslMechanism.Plain,
                KafkaSignIn.ScramSha256 => SaslMechanism.ScramSha256,
                _ => SaslMechanism.ScramSha512,
            };
            configuration.SaslUsername = options.User;
            configuration.SaslPassword = options.Password;
        }

        return configuration;
    }

    private static Message<byte[]?, byte[]> MessageOf(Attempt attempt, KafkaAction kafka) => new()
    {
        Key = kafka.Key is null ? null : Encoding.UTF8.GetBytes(kafka.Key),
        Value = Encoding.UTF8.GetBytes(kafka.Message),
        Headers = new Headers
        {
            new Header("karya-task-id", Ascii(attempt.Key.ToTaskId().ToString("D"))),
            new Header("karya-plan-id", Ascii(attempt.Key.Plan.ToString())),
            new Header("karya-attempt", Ascii(attempt.Number.ToString(CultureInfo.InvariantCulture))),
            new Header("karya-epoch", Ascii(attempt.Epoch.ToString(CultureInfo.InvariantCulture))),
        },
    };

    private static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);

    private static string Describe(Error error) => error.Code == ErrorCode.Local_MsgTimedOut
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"timeout: no broker acknowledged the message within {TimeLimit.TotalSeconds} s.")
        : error.Reason;

    /// <summary>A message that was not acknowledged says so; what is wrong with the brokers is known besides.</summary>
    private Outcome OutcomeOf(Error error)
    {
        bool isUnheard = error.Code is ErrorCode.Local_MsgTimedOut or ErrorCode.Local_Transport
            or ErrorCode.Local_TimedOut;
        var cause = isUnheard ? _lastError : null;
        bool isForGood = IsForGood(error.Code);
        return new Outcome($"Kafka: {Describe(error)}{(cause is null ? "" : $" {cause.Reason}")}", !isForGood)
        {
            IsTargetDown = !isForGood,
            Failure = ClassOf(cause?.Code ?? error.Code),
        };
    }

    private static FailureClass ClassOf(ErrorCode code) => code switch
    {
        ErrorCode.Local_MsgTimedOut or ErrorCode.Local_TimedOut or ErrorCode.RequestTimedOut => FailureClass.Timeout,
        ErrorCode.Local_AllBrokersDown or ErrorCode.Local_Transport or ErrorCode.NetworkException =>
            FailureClass.Connection,
        ErrorCode.Local_Resolve => FailureClass.Dns,
        ErrorCode.Local_Ssl => FailureClass.Tls,
        ErrorCode.SaslAuthenticationFailed or ErrorCode.Local_Authentication => FailureClass.SignIn,
        ErrorCode.Local_InvalidArg => FailureClass.InvalidAction,
        _ => FailureClass.Rejected,
    };

    private static bool IsForGood(ErrorCode code) => code is ErrorCode.TopicAuthorizationFailed
        or ErrorCode.ClusterAuthorizationFailed or ErrorCode.SaslAuthenticationFailed or ErrorCode.MsgSizeTooLarge
        or ErrorCode.TopicException or ErrorCode.InvalidRecord or ErrorCode.Local_InvalidArg;

    /// <summary>The next attempt makes another one.</summary>
    private void DropProducer()
    {
        if (Interlocked.Exchange(ref _producer, null) is not { } producer)
            return;
        producer.Flush(FarewellMax);
        producer.Dispose();
    }
}
