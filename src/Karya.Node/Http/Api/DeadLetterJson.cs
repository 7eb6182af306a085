using System.Globalization;
using System.Text.Json;
using Karya.Engine;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Http.Api;

/// <summary>Dead letters and operations as <c>/api</c> and the command line write them.</summary>
internal static class DeadLetterJson
{
    private const int WordBytesMax = 64;

    /// <summary>The fields of a filter.</summary>
    public static readonly string[] FilterFields =
        ["user_id", "plan_id", "connector", "target", "failure", "since", "until"];

    /// <exception cref="ApiMistakeException">Something in it is wrong.</exception>
    public static DeadLetterFilter ReadFilter(StrictJson json) => new(
        json.UuidOrNull("user_id"), json.UuidOrNull("plan_id"), json.TextOrNull("connector", WordBytesMax),
        json.TextOrNull("target", ProtocolLimits.LineBytesMax), json.TextOrNull("failure", WordBytesMax),
        json.InstantMsOrNull("since"), json.InstantMsOrNull("until"));

    public static void Write(Utf8JsonWriter json, DeadLettersReply reply, bool isGrouped)
    {
        json.WriteStartObject();
        json.WriteStartArray("items");
        foreach (var letter in reply.Letters)
            Write(json, letter);
        foreach (var group in reply.Groups)
            Write(json, group);
        json.WriteEndArray();
        if (isGrouped)
            json.WriteNumber("looked", reply.Looked);
        json.WriteString("next", reply.Next is { } next ? Convert.ToHexStringLower(next) : null);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, DeadLetterSnapshot letter)
    {
        string path = string.Create(
            CultureInfo.InvariantCulture, $"/api/plans/{Uuid.ToGuid(letter.Plan)}/tasks/{letter.Occurrence}");
        if (letter.Hook > 0)
            path = string.Create(CultureInfo.InvariantCulture, $"{path}/hooks/{letter.Hook}");
        json.WriteStartObject();
        json.WriteString("task_id", letter.Id);
        json.WriteString("plan_id", Uuid.ToGuid(letter.Plan));
        json.WriteNumber("occurrence", letter.Occurrence);
        if (letter.Hook > 0)
            json.WriteNumber("hook", letter.Hook);
        else
            json.WriteNull("hook");

        json.WriteString("user_id", Uuid.ToGuid(letter.User));
        json.WriteString("description", letter.Description);
        json.WriteString("connector", letter.Connector);
        json.WriteString("target", letter.Target);
        json.WriteString("failure", letter.Failure);
        json.WriteNumber("attempts", letter.Attempts);
        json.WriteNumber("due_at", letter.DueMs);
        WriteInstant(json, "failed_at", letter.FailedMs);
        json.WriteString("last_error", letter.Error);
        json.WriteString("replay", $"{path}/replay");
        json.WriteString("drop", $"{path}/drop");
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, DeadLetterGroup group)
    {
        json.WriteStartObject();
        json.WriteString("connector", group.Connector);
        json.WriteString("target", group.Target);
        json.WriteString("failure", group.Failure);
        json.WriteNumber("count", group.Count);
        WriteInstant(json, "last_failed_at", group.LastFailedMs);
        json.WritePropertyName("example");
        Write(json, group.Example);
        json.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter json, OperationSnapshot operation)
    {
        json.WriteStartObject();
        json.WriteString("id", operation.Id);
        json.WriteString("verb", WordOf(operation.Verb));
        json.WriteString("state", WordOf(operation.State));
        json.WriteBoolean("dry_run", operation.IsDryRun);
        json.WriteNumber("spread_ms", operation.SpreadMs);
        json.WriteNumber("matched", operation.Matched);
        json.WriteNumber("changed", operation.Changed);
        json.WriteNumber("passed", operation.Passed);
        json.WriteNumber("created_at", operation.CreatedMs);
        json.WriteNumber("updated_at", operation.UpdatedMs);
        json.WriteBoolean("stop_asked", operation.IsStopAsked);
        json.WriteString("node", operation.Node);
        json.WriteString("note", operation.Note);
        json.WritePropertyName("filter");
        Write(json, operation.Filter);
        json.WriteEndObject();
    }

    public static string WordOf(DeadLetterVerb verb) => verb switch
    {
        DeadLetterVerb.Replay => "replay",
        DeadLetterVerb.Drop => "drop",
        _ => "unknown",
    };

    public static string WordOf(OperationState state) => state switch
    {
        OperationState.Counting => "counting",
        OperationState.Running => "running",
        OperationState.Done => "done",
        OperationState.Stopped => "stopped",
        _ => "unknown",
    };

    private static void Write(Utf8JsonWriter json, DeadLetterFilter filter)
    {
        json.WriteStartObject();
        if (filter.User is { } user)
            json.WriteString("user_id", Uuid.ToGuid(user));
        if (filter.Plan is { } plan)
            json.WriteString("plan_id", Uuid.ToGuid(plan));
        if (filter.Connector is not null)
            json.WriteString("connector", filter.Connector);
        if (filter.Target is not null)
            json.WriteString("target", filter.Target);
        if (filter.Failure is not null)
            json.WriteString("failure", filter.Failure);
        if (filter.SinceMs is { } since)
            json.WriteString("since", Text(since));
        if (filter.UntilMs is { } until)
            json.WriteString("until", Text(until));
        json.WriteEndObject();
    }

    private static string Text(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms)
        .ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private static void WriteInstant(Utf8JsonWriter json, string name, long? ms)
    {
        if (ms is { } instant)
            json.WriteNumber(name, instant);
        else
            json.WriteNull(name);
    }
}
