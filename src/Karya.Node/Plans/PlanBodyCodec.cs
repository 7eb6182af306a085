using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Karya.Engine;

namespace Karya.Node.Plans;

/// <summary>
/// Plan bodies as stored bytes: compact JSON in UTF-8 that any tool can read. It names no .NET type, so that renaming
/// one breaks no stored plan.
/// </summary>
/// <remarks>
/// <code>
/// {"v":1,"description":"..","period":"PT30S",
///  "action":{"kind":"rest","https":true,"url":"h/x","method":"POST","headers":[["k","v"]],"body":"..",
///   "timeout_ms":1500},
///  "hooks":[{"on":"failure","retries":2,"action":{"kind":"slack","channel":"..","message":".."}}]}
///
/// {"kind":"email","recipient":"..","subject":"..","message":".."}
/// {"kind":"kafka","topic":"..","key":"..","message":".."}
/// {"kind":"worker","name":"..","arguments":"base64","timeout_ms":0}
/// {"kind":"chained","plan":{"user":"..","description":"..","period":"PT5S","period_ms":5000,"recurring":true,
///  "end_at":1795403600000,"retries":2,"action":{..},"hooks":[..]}}
/// </code>
/// What has its default is left out: http, GET, the header that /v1 adds, no body, 2000 ms, 3 retries, no hooks, once,
/// no end, no key. A plan that came over the wire is stored as it came, see <see cref="WireContent"/>.
/// <c>v</c> and <c>kind</c> come first in their objects. Unknown keys are skipped: what may not be
/// skipped raises <c>v</c>. Text with a lone surrogate is stored with U+FFFD in its place.
/// </remarks>
internal static class PlanBodyCodec
{
    private const int Version = 1;
    private const int RetriesDefault = 3;
    private const string MethodDefault = "GET";

    /// <summary>
    /// What nearly every plan has, because /v1 writes its defaults out: left out of each stored plan.
    /// </summary>
    private static readonly KeyValuePair<string, string>[] HeadersDefault = [new("content-type", "application/json")];

    // Far above what a request may nest (its own reader stops at 64), and far below what the stack can bear.
    private const int DepthMax = 256;

    private static readonly JsonWriterOptions Writing = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = DepthMax,
        SkipValidation = true,
    };

    private static readonly JsonReaderOptions Reading = new() { MaxDepth = DepthMax };

    public static void Write(PlanBody body, IBufferWriter<byte> output)
    {
        if (body.IsWire)
        {
            WireContent.Write(body, output);
            return;
        }

        using var writer = new Utf8JsonWriter(output, Writing);
        writer.WriteStartObject();
        writer.WriteNumber("v"u8, Version);
        WriteBody(writer, body);
        writer.WriteEndObject();
    }

    /// <exception cref="PlanBodyDamagedException">The bytes are not what <see cref="Write"/> wrote.</exception>
    public static PlanBody Read(ReadOnlySpan<byte> bytes)
    {
        if (WireContent.Is(bytes))
            return WireContent.Read(bytes);
        try
        {
            var reader = new Utf8JsonReader(bytes, Reading);
            ReadVersion(ref reader);
            var body = ReadFields(ref reader).ToBody();
            return reader.Read() ? throw new PlanBodyDamagedException("Something follows the plan.") : body;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new PlanBodyDamagedException(e.Message, e);
        }
    }

    /// <summary>Reads one action only: <paramref name="hook"/> 0 is the plan's own, k that of its k-th hook.</summary>
    /// <exception cref="PlanBodyDamagedException">
    /// The bytes up to that action are not what <see cref="Write"/> wrote.
    /// </exception>
    public static PlanAction ReadAction(ReadOnlySpan<byte> bytes, int hook)
    {
        if (WireContent.Is(bytes))
            return WireContent.ReadAction(bytes, hook);
        try
        {
            var reader = new Utf8JsonReader(bytes, Reading);
            ReadVersion(ref reader);
            while (NextKey(ref reader))
            {
                if (hook == 0 && reader.ValueTextEquals("action"u8))
                    return ReadAction(ref reader);
                if (hook > 0 && reader.ValueTextEquals("hooks"u8))
                    return ReadHookAction(ref reader, hook);
                reader.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            throw new PlanBodyDamagedException(e.Message, e);
        }

        throw Missing(hook == 0 ? "action" : "hooks");
    }

    private static void WriteBody(Utf8JsonWriter writer, PlanBody body)
    {
        writer.WriteString("description"u8, body.Description);
        writer.WriteString("period"u8, body.PeriodText);
        writer.WritePropertyName("action"u8);
        WriteAction(writer, body.Action);
        if (body.Hooks.Count == 0)
            return;

        writer.WriteStartArray("hooks"u8);
        foreach (var hook in body.Hooks)
        {
            writer.WriteStartObject();
            writer.WriteString("on"u8, hook.Trigger == HookTrigger.OnFailure ? "failure"u8 : "completion"u8);
            if (hook.RetriesMax != RetriesDefault)
                writer.WriteNumber("retries"u8, hook.RetriesMax);
            writer.WritePropertyName("action"u8);
            WriteAction(writer, hook.Action);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    private static void WriteAction(Utf8JsonWriter writer, PlanAction action)
    {
        writer.WriteStartObject();
        switch (action)
        {
            case RestAction rest:
                WriteRest(writer, rest);
                break;
            case SlackAction slack:
                writer.WriteString("kind"u8, "slack"u8);
                writer.WriteString("channel"u8, slack.Channel);
                writer.WriteString("message"u8, slack.Message);
                break;
            case EmailAction email:
                writer.WriteString("kind"u8, "email"u8);
                writer.WriteString("recipient"u8, email.Recipient);
                writer.WriteString("subject"u8, email.Subject);
                writer.WriteString("message"u8, email.Message);
                break;
            case KafkaAction kafka:
                writer.WriteString("kind"u8, "kafka"u8);
                writer.WriteString("topic"u8, kafka.Topic);
                if (kafka.Key is not null)
                    writer.WriteString("key"u8, kafka.Key);
                writer.WriteString("message"u8, kafka.Message);
                break;
            case ChainedAction chained:
                writer.WriteString("kind"u8, "chained"u8);
                WriteDraft(writer, chained.Plan);
                break;
            case WorkerAction worker:
                writer.WriteString("kind"u8, "worker"u8);
                writer.WriteString("name"u8, worker.Name);
                writer.WriteBase64String("arguments"u8, worker.Arguments);
                writer.WriteNumber("timeout_ms"u8, worker.TimeoutMs);
                break;
            default:
                Invariant.Fail($"{action.GetType().Name} has no stored form");
                break;
        }

        writer.WriteEndObject();
    }

    private static void WriteRest(Utf8JsonWriter writer, RestAction rest)
    {
        writer.WriteString("kind"u8, "rest"u8);
        if (rest.Https)
            writer.WriteBoolean("https"u8, true);
        writer.WriteString("url"u8, rest.BaseUrl);
        if (rest.Method != MethodDefault)
            writer.WriteString("method"u8, rest.Method);
        bool isDefault = rest.Headers.Count == 1 && rest.Headers[0].Equals(HeadersDefault[0]);
        if (!isDefault)
        {
            writer.WriteStartArray("headers"u8);
            foreach (var (name, value) in rest.Headers)
            {
                writer.WriteStartArray();
                writer.WriteStringValue(name);
                writer.WriteStringValue(value);
                writer.WriteEndArray();
            }

            writer.WriteEndArray();
        }

        if (rest.JsonBody is not null)
            writer.WriteString("body"u8, rest.JsonBody);
        if (rest.TimeoutMs != RestAction.TimeoutMsDefault)
            writer.WriteNumber("timeout_ms"u8, rest.TimeoutMs);
    }

    private static void WriteDraft(Utf8JsonWriter writer, PlanDraft draft)
    {
        writer.WriteStartObject("plan"u8);
        writer.WriteString("user"u8, draft.User.ToGuid());
        writer.WriteNumber("period_ms"u8, draft.PeriodMs);
        if (draft.Recurring)
            writer.WriteBoolean("recurring"u8, true);
        if (draft.EndAtMs is { } endAtMs)
            writer.WriteNumber("end_at"u8, endAtMs);
        if (draft.RetriesMax != RetriesDefault)
            writer.WriteNumber("retries"u8, draft.RetriesMax);
        WriteBody(writer, draft.Body);
        writer.WriteEndObject();
    }

    private static void ReadVersion(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject || !NextKey(ref reader)
            || !reader.ValueTextEquals("v"u8))
        {
            throw new PlanBodyDamagedException("It does not begin with its version.");
        }

        int version = NextInt32(ref reader);
        if (version != Version)
        {
            throw new PlanBodyDamagedException(string.Create(
                CultureInfo.InvariantCulture, $"It has version {version}; this node reads version {Version}."));
        }
    }

    /// <summary>
    /// Reads the keys of a plan, be it the stored one or one inside a chained action, up to the closing brace.
    /// </summary>
    private static Fields ReadFields(ref Utf8JsonReader reader)
    {
        var fields = new Fields { RetriesMax = RetriesDefault };
        while (NextKey(ref reader))
        {
            if (reader.ValueTextEquals("description"u8))
                fields.Description = NextString(ref reader);
            else if (reader.ValueTextEquals("period"u8))
                fields.PeriodText = NextString(ref reader);
            else if (reader.ValueTextEquals("action"u8))
                fields.Action = ReadAction(ref reader);
            else if (reader.ValueTextEquals("hooks"u8))
                fields.Hooks = ReadHooks(ref reader);
            else if (reader.ValueTextEquals("user"u8))
                fields.User = UserId.From(NextGuid(ref reader));
            else if (reader.ValueTextEquals("period_ms"u8))
                fields.PeriodMs = NextInt64(ref reader);
            else if (reader.ValueTextEquals("recurring"u8))
                fields.Recurring = NextBoolean(ref reader);
            else if (reader.ValueTextEquals("end_at"u8))
                fields.EndAtMs = NextInt64(ref reader);
            else if (reader.ValueTextEquals("retries"u8))
                fields.RetriesMax = NextInt32(ref reader);
            else
                reader.Skip();
        }

        return fields;
    }

    private static List<PlanHook> ReadHooks(ref Utf8JsonReader reader)
    {
        var hooks = new List<PlanHook>();
        Open(ref reader, JsonTokenType.StartArray);
        while (NextElement(ref reader, JsonTokenType.StartObject))
            hooks.Add(ReadHook(ref reader));
        return hooks;
    }

    private static PlanHook ReadHook(ref Utf8JsonReader reader)
    {
        HookTrigger? trigger = null;
        PlanAction? action = null;
        int retriesMax = RetriesDefault;
        while (NextKey(ref reader))
        {
            if (reader.ValueTextEquals("on"u8))
                trigger = ToTrigger(NextString(ref reader));
            else if (reader.ValueTextEquals("retries"u8))
                retriesMax = NextInt32(ref reader);
            else if (reader.ValueTextEquals("action"u8))
                action = ReadAction(ref reader);
            else
                reader.Skip();
        }

        return new PlanHook(trigger ?? throw Missing("on"), action ?? throw Missing("action"), retriesMax);
    }

    private static HookTrigger ToTrigger(string on) => on switch
    {
        "failure" => HookTrigger.OnFailure,
        "completion" => HookTrigger.OnCompletion,
        _ => throw new PlanBodyDamagedException($"A hook hangs on '{on}'."),
    };

    private static PlanAction ReadHookAction(ref Utf8JsonReader reader, int hook)
    {
        Open(ref reader, JsonTokenType.StartArray);
        for (int position = 1; NextElement(ref reader, JsonTokenType.StartObject); position++)
        {
            if (position < hook)
            {
                reader.Skip();
                continue;
            }

            while (NextKey(ref reader))
            {
                if (reader.ValueTextEquals("action"u8))
                    return ReadAction(ref reader);
                reader.Skip();
            }

            throw Missing("action");
        }

        throw new PlanBodyDamagedException(
            string.Create(CultureInfo.InvariantCulture, $"It has no hook number {hook}."));
    }

    private static PlanAction ReadAction(ref Utf8JsonReader reader)
    {
        Open(ref reader, JsonTokenType.StartObject);
        if (!NextKey(ref reader) || !reader.ValueTextEquals("kind"u8))
            throw Missing("kind");

        string kind = NextString(ref reader);
        return kind switch
        {
            "rest" => ReadRest(ref reader),
            "slack" => ReadTexts(ref reader, "channel"u8).ToSlack(),
            "email" => ReadTexts(ref reader, "recipient"u8).ToEmail(),
            "kafka" => ReadTexts(ref reader, "topic"u8).ToKafka(),
            "chained" => ReadChained(ref reader),
            "worker" => ReadWorker(ref reader),
            _ => throw new PlanBodyDamagedException($"An action is of the kind '{kind}'."),
        };
    }

    private static RestAction ReadRest(ref Utf8JsonReader reader)
    {
        var https = false;
        string? url = null;
        string method = MethodDefault;
        string? body = null;
        long timeoutMs = RestAction.TimeoutMsDefault;
        IReadOnlyList<KeyValuePair<string, string>> headers = HeadersDefault;
        while (NextKey(ref reader))
        {
            if (reader.ValueTextEquals("https"u8))
                https = NextBoolean(ref reader);
            else if (reader.ValueTextEquals("url"u8))
                url = NextString(ref reader);
            else if (reader.ValueTextEquals("method"u8))
                method = NextString(ref reader);
            else if (reader.ValueTextEquals("headers"u8))
                headers = ReadHeaders(ref reader);
            else if (reader.ValueTextEquals("body"u8))
                body = NextString(ref reader);
            else if (reader.ValueTextEquals("timeout_ms"u8))
                timeoutMs = NextInt64(ref reader);
            else
                reader.Skip();
        }

        return new RestAction(https, url ?? throw Missing("url"), method, headers, body, timeoutMs);
    }

    private static List<KeyValuePair<string, string>> ReadHeaders(ref Utf8JsonReader reader)
    {
        var headers = new List<KeyValuePair<string, string>>();
        Open(ref reader, JsonTokenType.StartArray);
        while (NextElement(ref reader, JsonTokenType.StartArray))
        {
            headers.Add(new KeyValuePair<string, string>(NextString(ref reader), NextString(ref reader)));
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
                throw new PlanBodyDamagedException("A header is more than a name and a value.");
        }

        return headers;
    }

    private static ChainedAction ReadChained(ref Utf8JsonReader reader)
    {
        PlanDraft? plan = null;
        while (NextKey(ref reader))
        {
            if (reader.ValueTextEquals("plan"u8))
            {
                Open(ref reader, JsonTokenType.StartObject);
                plan = ReadFields(ref reader).ToDraft();
            }
            else
            {
                reader.Skip();
            }
        }

        return new ChainedAction(plan ?? throw Missing("plan"));
    }

    private static WorkerAction ReadWorker(ref Utf8JsonReader reader)
    {
        string? name = null;
        byte[]? arguments = null;
        long timeoutMs = 0;
        while (NextKey(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
            {
                name = NextString(ref reader);
            }
            else if (reader.ValueTextEquals("arguments"u8))
            {
                reader.Read();
                arguments = reader.GetBytesFromBase64();
            }
            else if (reader.ValueTextEquals("timeout_ms"u8))
            {
                timeoutMs = NextInt64(ref reader);
            }
            else
            {
                reader.Skip();
            }
        }

        return new WorkerAction(
            name ?? throw Missing("name"), arguments ?? throw Missing("arguments"), timeoutMs);
    }

    private static Texts ReadTexts(ref Utf8JsonReader reader, ReadOnlySpan<byte> targetKey)
    {
        var texts = default(Texts);
        while (NextKey(ref reader))
        {
            if (reader.ValueTextEquals(targetKey))
                texts.Target = NextString(ref reader);
            else if (reader.ValueTextEquals("subject"u8))
                texts.Subject = NextString(ref reader);
            else if (reader.ValueTextEquals("key"u8))
                texts.Key = NextString(ref reader);
            else if (reader.ValueTextEquals("message"u8))
                texts.Message = NextString(ref reader);
            else
                reader.Skip();
        }

        return texts;
    }

    private static bool NextKey(ref Utf8JsonReader reader) =>
        reader.Read() && reader.TokenType == JsonTokenType.PropertyName;

    private static bool NextElement(ref Utf8JsonReader reader, JsonTokenType start)
    {
        if (!reader.Read() || reader.TokenType == JsonTokenType.EndArray)
            return false;
        return reader.TokenType == start
            ? true
            : throw new PlanBodyDamagedException($"A list holds a {reader.TokenType} where a {start} belongs.");
    }

    private static void Open(ref Utf8JsonReader reader, JsonTokenType start)
    {
        if (!reader.Read() || reader.TokenType != start)
            throw new PlanBodyDamagedException($"There is a {reader.TokenType} where a {start} belongs.");
    }

    private static string NextString(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.GetString() ?? throw new PlanBodyDamagedException("There is a null where a text belongs.");
    }

    private static int NextInt32(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.GetInt32();
    }

    private static long NextInt64(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.GetInt64();
    }

    private static bool NextBoolean(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.GetBoolean();
    }

    private static Guid NextGuid(ref Utf8JsonReader reader)
    {
        reader.Read();
        return reader.GetGuid();
    }

    private static PlanBodyDamagedException Missing(string key) => new($"'{key}' is missing.");

    /// <summary>The keys of a plan, as far as they were there.</summary>
    private struct Fields
    {
        public string? Description;
        public string? PeriodText;
        public PlanAction? Action;
        public IReadOnlyList<PlanHook>? Hooks;
        public UserId? User;
        public long? PeriodMs;
        public bool Recurring;
        public long? EndAtMs;
        public int RetriesMax;

        public readonly PlanBody ToBody() => new(
            Description ?? throw Missing("description"),
            PeriodText ?? throw Missing("period"),
            Action ?? throw Missing("action"),
            Hooks ?? []);

        public readonly PlanDraft ToDraft() => new(
            User ?? throw Missing("user"),
            ToBody(),
            PeriodMs ?? throw Missing("period_ms"),
            Recurring,
            EndAtMs,
            RetriesMax);
    }

    /// <summary>The texts of an action that consists of nothing else.</summary>
    private struct Texts
    {
        public string? Target;
        public string? Subject;
        public string? Key;
        public string? Message;

        public readonly SlackAction ToSlack() =>
            new(Target ?? throw Missing("channel"), Message ?? throw Missing("message"));

        public readonly EmailAction ToEmail() => new(
            Target ?? throw Missing("recipient"),
            Subject ?? throw Missing("subject"),
            Message ?? throw Missing("message"));

        public readonly KafkaAction ToKafka() =>
            new(Target ?? throw Missing("topic"), Key, Message ?? throw Missing("message"));
    }
}

/// <summary>The stored bytes of a plan cannot be read. The message says what is wrong with them.</summary>
internal sealed class PlanBodyDamagedException : Exception
{
    public PlanBodyDamagedException(string message) : base($"The stored plan is damaged. {message}")
    {
    }

    public PlanBodyDamagedException()
    {
    }

    public PlanBodyDamagedException(string message, Exception innerException)
        : base($"The stored plan is damaged. {message}", innerException)
    {
    }
}
