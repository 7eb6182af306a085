using System.Text.Json;
using Karya.Client;
using Karya.Protocol;

namespace Karya.Cli.Plans;

/// <summary>
/// Plans as JSON: what <c>--dry-run</c> prints and <c>submit -f</c> reads (<see cref="PlanReader"/>), and the plan part
/// of what other commands print. The form is that of <c>POST /api/plans</c>, and its names never change.
/// </summary>
internal static class PlanWriter
{
    /// <summary>A plan to submit.</summary>
    public static void Write(Utf8JsonWriter json, Plan plan)
    {
        json.WriteStartObject();
        WriteMembers(json, plan);
        json.WriteString("durability", Word(plan.Durability));
        json.WriteEndObject();
    }

    /// <summary>The members of a plan as a node has it; the caller opens and closes the object.</summary>
    public static void WriteMembers(Utf8JsonWriter json, PlanState plan)
    {
        json.WriteString("id", plan.Id);
        json.WriteString("user_id", plan.UserId);
        if (plan.ParentId is { } parent)
            json.WriteString("parent_id", parent);
        else
            json.WriteNull("parent_id");
        json.WriteString("name", plan.Name);
        json.WriteString("status", Word(plan.Status));
        Write(json, "schedule", plan.Schedule);
        Write(json, "action", plan.Action);
        json.WriteNumber("retries", plan.MaxRetries);
        Write(json, plan.Hooks);
        json.WriteString("created_at", InstantText.Show(plan.CreatedAt));
        json.WriteString("updated_at", InstantText.Show(plan.UpdatedAt));
    }

    /// <summary>As JSON and tables spell a value of an enumeration.</summary>
    public static string Word<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static void WriteMembers(Utf8JsonWriter json, Plan plan)
    {
        if (plan.Id is { } id)
            json.WriteString("id", id);
        if (plan.User is { } user)
            json.WriteString("user_id", user);
        if (plan.IdempotencyKey is { } key)
            json.WriteString("key", key);
        json.WriteString("name", plan.Name);
        Write(json, "schedule", plan.Schedule);
        Write(json, "action", plan.Action);
        json.WriteNumber("retries", plan.MaxRetries);
        WriteDuration(json, "retry_delay", plan.RetryDelay);
        WriteDuration(json, "retry_delay_max", plan.RetryDelayMax);
        json.WriteString("missed", Word(plan.Missed));
        Write(json, plan.Hooks);
    }

    private static void Write(Utf8JsonWriter json, string name, Schedule schedule)
    {
        json.WriteStartObject(name);
        switch (schedule.Kind)
        {
            case ScheduleKind.After:
                json.WriteString("after", DurationText.ToIso(schedule.Period));
                break;
            case ScheduleKind.At:
                WriteInstant(json, "at", schedule.FirstAt);
                break;
            case ScheduleKind.Every:
                json.WriteString("every", DurationText.ToIso(schedule.Period));
                WriteInstant(json, "first", schedule.FirstAt);
                break;
            default:
                json.WriteString("cron", schedule.Expression);
                json.WriteString("zone", schedule.TimeZone);
                break;
        }

        WriteInstant(json, "end", schedule.EndAt);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, KaryaAction action)
    {
        json.WriteStartObject(name);
        switch (action)
        {
            case KaryaAction.HttpCall http:
                Write(json, http);
                break;
            case KaryaAction.WorkerTask task:
                Write(json, task);
                break;
            case KaryaAction.ChainedPlan chained:
                json.WriteString("kind", "chain");
                json.WriteStartObject("plan");
                WriteMembers(json, chained.Plan);
                json.WriteEndObject();
                break;
            case KaryaAction.SlackPost slack:
                WriteTexts(json, "slack", ("channel", slack.Channel), ("message", slack.Blocks));
                break;
            case KaryaAction.Mail mail:
                WriteTexts(
                    json, "email", ("recipient", mail.Recipient), ("subject", mail.Subject), ("message", mail.Message));
                break;
            case KaryaAction.KafkaRecord kafka:
                WriteTexts(json, "kafka", ("topic", kafka.Topic), ("key", kafka.Key), ("message", kafka.Message));
                break;
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, KaryaAction.HttpCall http)
    {
        json.WriteString("kind", "http");
        json.WriteString("method", http.Method);
        json.WriteString("url", http.Url);
        Write(json, http.Headers);
        if (http.Body is { } body)
            json.WriteString("body", body);
        WriteDuration(json, "timeout", http.Timeout);
        if (http.RetryOn is { } statuses)
            json.WriteString("retry_on", RetryStatuses.Write(statuses));
    }

    /// <summary>An object, unless a name is there twice.</summary>
    private static void Write(Utf8JsonWriter json, IReadOnlyList<KeyValuePair<string, string>> headers)
    {
        if (headers.Count == 0)
            return;
        if (headers.Select(header => header.Key).Distinct().Count() == headers.Count)
        {
            json.WriteStartObject("headers");
            foreach (var (name, value) in headers)
                json.WriteString(name, value);
            json.WriteEndObject();
            return;
        }

        json.WriteStartArray("headers");
        foreach (var (name, value) in headers)
            json.WriteStringValue($"{name}: {value}");
        json.WriteEndArray();
    }

    /// <summary>Arguments stand there as they are, number for number; what is not JSON as base64.</summary>
    private static void Write(Utf8JsonWriter json, KaryaAction.WorkerTask task)
    {
        json.WriteString("kind", "task");
        json.WriteString("name", task.Name);
        if (IsJson(task.Arguments.Span))
        {
            json.WritePropertyName("arguments");
            json.WriteRawValue(
                json.Options.Indented ? task.Arguments.Span : OnOneLine(task.Arguments.Span),
                skipInputValidation: true);
        }
        else
        {
            json.WriteBase64String("arguments_base64", task.Arguments.Span);
        }

        WriteDuration(json, "timeout", task.Timeout);
    }

    private static void Write(Utf8JsonWriter json, IReadOnlyList<Hook> hooks)
    {
        json.WriteStartArray("hooks");
        foreach (var hook in hooks)
        {
            json.WriteStartObject();
            json.WriteString("on", Word(hook.Event));
            Write(json, "action", hook.Action);
            json.WriteNumber("retries", hook.MaxRetries);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteTexts(Utf8JsonWriter json, string kind, params (string Name, string? Value)[] texts)
    {
        json.WriteString("kind", kind);
        foreach (var (member, value) in texts)
        {
            if (value is not null)
                json.WriteString(member, value);
        }
    }

    private static void WriteDuration(Utf8JsonWriter json, string name, TimeSpan? duration)
    {
        if (duration is { } value)
            json.WriteString(name, DurationText.ToIso(value));
    }

    private static void WriteInstant(Utf8JsonWriter json, string name, DateTimeOffset? instant)
    {
        if (instant is { } value)
            json.WriteString(name, InstantText.Show(value));
    }

    /// <summary>In JSON, line ends stand only where a blank may stand as well.</summary>
    private static byte[] OnOneLine(ReadOnlySpan<byte> text)
    {
        byte[] line = text.ToArray();
        foreach (ref byte letter in line.AsSpan())
        {
            if (letter is (byte)'\n' or (byte)'\r')
                letter = (byte)' ';
        }

        return line;
    }

    private static bool IsJson(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text);
        try
        {
            return reader.Read() && reader.TrySkip() && !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
