using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Karya.Client.Plans;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>What a plan does each time it is due.</summary>
public abstract record KaryaAction
{
    private KaryaAction()
    {
    }

    /// <summary>Calls a URL.</summary>
    /// <param name="body">Sent as it is; null for none. At most 256 KiB.</param>
    /// <param name="headers">At most 100.</param>
    /// <param name="timeout">Of one attempt; null for the node's default of 2 s.</param>
    /// <param name="retryOn">See <see cref="HttpCall.RetryOn"/>.</param>
    public static KaryaAction Http(
        HttpMethod method, string url, string? body = null, IEnumerable<KeyValuePair<string, string>>? headers = null,
        TimeSpan? timeout = null, IEnumerable<int>? retryOn = null)
    {
        ArgumentNullException.ThrowIfNull(method);
        ArgumentException.ThrowIfNullOrEmpty(url);
        return new HttpCall(method.Method, url, [.. headers ?? []], body, Time(timeout))
        {
            RetryOn = retryOn is null ? null : [.. retryOn],
        };
    }

    /// <summary>Posts to a Slack channel. <paramref name="blocks"/> is a JSON array of blocks, as text.</summary>
    public static KaryaAction Slack(string channel, string blocks)
    {
        ArgumentException.ThrowIfNullOrEmpty(channel);
        ArgumentNullException.ThrowIfNull(blocks);
        return new SlackPost(channel, blocks);
    }

    /// <summary>Sends a mail.</summary>
    public static KaryaAction Email(string recipient, string subject, string message)
    {
        ArgumentException.ThrowIfNullOrEmpty(recipient);
        ArgumentNullException.ThrowIfNull(subject);
        ArgumentNullException.ThrowIfNull(message);
        return new Mail(recipient, subject, message);
    }

    /// <summary>Publishes to a Kafka topic.</summary>
    public static KaryaAction Kafka(string topic, string message, string? key = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(topic);
        ArgumentNullException.ThrowIfNull(message);
        return new KafkaRecord(topic, key, message);
    }

    /// <summary>Starts another plan, a child of this one. At most 8 deep, the outermost included.</summary>
    public static KaryaAction Chain(Plan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return new ChainedPlan(plan);
    }

    /// <summary>Has a worker carry it out, with arguments as JSON.</summary>
    /// <param name="name">1 to 128 of a-z, 0-9, '.', '_' and '-'.</param>
    /// <param name="timeout">Of one attempt; null for as long as the worker lives.</param>
    /// <param name="json">Null for camel case, as <see cref="KaryaClientOptions.Json"/>.</param>
    public static KaryaAction Task<TArgs>(
        string name, TArgs args, TimeSpan? timeout = null, JsonSerializerOptions? json = null) =>
        Task(name, args, Json.TypeOf<TArgs>(json ?? Json.Default), timeout);

    /// <summary>Has a worker carry it out, with arguments as JSON. For applications compiled ahead of time.</summary>
    public static KaryaAction Task<TArgs>(
        string name, TArgs args, JsonTypeInfo<TArgs> type, TimeSpan? timeout = null) =>
        Task(name, (ReadOnlyMemory<byte>)JsonSerializer.SerializeToUtf8Bytes(args, type), timeout);

    /// <summary>Has a worker carry it out, with these bytes as its arguments: at most 256 KiB.</summary>
    [OverloadResolutionPriority(1)] // Bytes are not to be taken for something that becomes JSON.
    public static KaryaAction Task(string name, ReadOnlyMemory<byte> arguments, TimeSpan? timeout = null) =>
        new WorkerTask(TaskNames.Checked(name), arguments, Time(timeout));

    internal abstract ActionMessage ToMessage(UInt128 user);

    internal static KaryaAction From(ActionMessage message) => message switch
    {
        RestAction rest => new HttpCall(rest.Method, rest.Url, rest.Headers, rest.Body, Time(rest.TimeoutMs))
        {
            RetryOn = rest.RetryOn,
        },
        SlackAction slack => new SlackPost(slack.Channel, slack.Message),
        EmailAction email => new Mail(email.Recipient, email.Subject, email.Message),
        KafkaAction kafka => new KafkaRecord(kafka.Topic, kafka.Key, kafka.Message),
        ChainAction chain => new ChainedPlan(Plan.From(chain.Plan)),
        TaskAction task => new WorkerTask(task.Name, task.Arguments, Time(task.TimeoutMs)),
        _ => throw new ArgumentException($"An action of type {message.GetType().Name}."),
    };

    private static TimeSpan? Time(TimeSpan? timeout) =>
        timeout is { } value ? Durations.Checked(value, nameof(timeout), mayBeZero: false) : null;

    private static TimeSpan? Time(long ms) => ms == 0 ? null : Durations.FromMs(ms);

    private static long Ms(TimeSpan? timeout) => Durations.ToMs(timeout) ?? 0;

    /// <summary>See <see cref="Http"/>.</summary>
    public sealed record HttpCall(
        string Method, string Url, IReadOnlyList<KeyValuePair<string, string>> Headers, string? Body, TimeSpan? Timeout)
        : KaryaAction
    {
        /// <summary>
        /// After which statuses another attempt is made: numbers from 300 to 599, or 3, 4 and 5 for all that begin with
        /// them; at most 32. Null for 408, 425, 429 and 5xx; empty for none. An attempt that brought no answer at all
        /// is made again in any case.
        /// </summary>
        public IReadOnlyList<int>? RetryOn { get; init; }

        internal override ActionMessage ToMessage(UInt128 user) =>
            new RestAction(Method, Url, Headers, Body, Ms(Timeout))
            {
                RetryOn = RetryOn,
            };
    }

    /// <summary>See <see cref="Slack"/>.</summary>
    public sealed record SlackPost(string Channel, string Blocks) : KaryaAction
    {
        internal override ActionMessage ToMessage(UInt128 user) => new SlackAction(Channel, Blocks);
    }

    /// <summary>See <see cref="Email"/>.</summary>
    public sealed record Mail(string Recipient, string Subject, string Message) : KaryaAction
    {
        internal override ActionMessage ToMessage(UInt128 user) => new EmailAction(Recipient, Subject, Message);
    }

    /// <summary>See <see cref="Kafka"/>.</summary>
    public sealed record KafkaRecord(string Topic, string? Key, string Message) : KaryaAction
    {
        internal override ActionMessage ToMessage(UInt128 user) => new KafkaAction(Topic, Key, Message);
    }

    /// <summary>See <see cref="Chain"/>.</summary>
    public sealed record ChainedPlan(Plan Plan) : KaryaAction
    {
        internal override ActionMessage ToMessage(UInt128 user) => new ChainAction(Plan.ToMessage(user));
    }

    /// <summary>See <see cref="KaryaAction.Task(string, ReadOnlyMemory{byte}, TimeSpan?)"/>.</summary>
    public sealed record WorkerTask(string Name, ReadOnlyMemory<byte> Arguments, TimeSpan? Timeout) : KaryaAction
    {
        internal override ActionMessage ToMessage(UInt128 user) =>
            new TaskAction(Name, Arguments.ToArray(), Ms(Timeout));
    }
}
