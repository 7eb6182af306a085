using System.Text;
using System.Text.Json;
using Karya.Client;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Cli.Plans;

/// <summary>Reads plans from JSON, in the form that <see cref="PlanWriter"/> writes.</summary>
internal static class PlanReader
{
    private static readonly JsonDocumentOptions Lenient = new()
    {
        AllowTrailingCommas = true,
        CommentHandling = JsonCommentHandling.Skip,
    };

    /// <summary>One plan, or an array of them.</summary>
    /// <param name="source">How messages call the text.</param>
    /// <exception cref="UsageException">It is no plan.</exception>
    public static List<Plan> ReadAll(string text, string source)
    {
        using var document = Parse(text, source);
        var root = document.RootElement;
        return root.ValueKind == JsonValueKind.Array
            ? [.. root.EnumerateArray().Select((plan, index) => Plan(new(plan, $"{source}: plan[{index}]")))]
            : [Plan(new JsonMembers(document.RootElement, $"{source}: plan"))];
    }

    /// <inheritdoc cref="ReadAll"/>
    public static Plan Read(string text, string source)
    {
        using var document = Parse(text, source);
        return Plan(new JsonMembers(document.RootElement, $"{source}: plan"));
    }

    /// <exception cref="FormatException">It is no JSON.</exception>
    public static byte[] JsonBytes(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return Encoding.UTF8.GetBytes(text);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"is not JSON: {exception.Message}", exception);
        }
    }

    /// <exception cref="FormatException">It has no colon.</exception>
    public static KeyValuePair<string, string> Header(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon > 0
            ? new(text[..colon].Trim(), text[(colon + 1)..].Trim())
            : throw new FormatException($"'{text}' is no header such as 'content-type: application/json'.");
    }

    private static Guid Id(string text) =>
        Guid.TryParse(text, out var id) ? id : throw new FormatException($"'{text}' is no UUID.");

    private static JsonDocument Parse(string text, string source)
    {
        try
        {
            return JsonDocument.Parse(text, Lenient);
        }
        catch (JsonException exception)
        {
            throw new UsageException($"{source} is not JSON", exception.Message);
        }
    }

    private static Plan Plan(JsonMembers members)
    {
        var plan = new Plan
        {
            Action = Action(members.Object("action")),
            Schedule = members.FindObject("schedule") is { } schedule ? Schedule(schedule) : Client.Schedule.Now,
            Name = members.FindText("name") ?? "",
            RetryDelay = members.FindValue("retry_delay", DurationText.Read),
            RetryDelayMax = members.FindValue("retry_delay_max", DurationText.Read),
            Hooks =
            [
                .. members.List("hooks").Select((hook, index) => Hook(new(hook, $"{members.Path}.hooks[{index}]"))),
            ],
            User = members.FindValue("user_id", Id),
            IdempotencyKey = members.FindText("key"),
            Id = members.FindValue("id", Id),
        };
        plan = plan with
        {
            MaxRetries = members.FindNumber("retries") ?? plan.MaxRetries,
            Missed = members.FindWord<MissedRuns>("missed") ?? plan.Missed,
            Durability = members.FindWord<Durability>("durability") ?? plan.Durability,
        };
        members.CheckNoOthers();
        return plan;
    }

    private static Schedule Schedule(JsonMembers members)
    {
        var words = new ScheduleWords(
            In: members.FindValue("after", DurationText.Read),
            At: members.FindValue("at", InstantText.Read),
            Every: members.FindValue("every", DurationText.Read),
            Cron: members.FindText("cron"),
            First: members.FindValue("first", InstantText.Read),
            Until: members.FindValue("end", InstantText.Read),
            Zone: members.FindText("zone"));
        members.CheckNoOthers();
        try
        {
            return words.ToSchedule(
                name => name switch { "in" => "after", "until" => "end", "tz" => "zone", _ => name });
        }
        catch (FormatException exception)
        {
            throw members.Wrong(exception.Message);
        }
    }

    private static KaryaAction Action(JsonMembers members) => members.Text("kind") switch
    {
        "http" => Http(members),
        "task" => WorkerTask(members),
        "chain" => Checked(members, () => KaryaAction.Chain(Plan(members.Object("plan")))),
        "slack" => Slack(members),
        "email" => Email(members),
        "kafka" => Kafka(members),
        var kind => throw members.Wrong($"'{kind}' is none of http, task, chain, slack, email and kafka", "kind"),
    };

    private static KaryaAction Http(JsonMembers members) => Checked(members, () => KaryaAction.Http(
        new HttpMethod(members.FindText("method") ?? "GET"),
        members.Text("url"),
        members.FindText("body"),
        Headers(members),
        Timeout(members),
        members.FindText("retry_on") is { } statuses ? Statuses(statuses) : null));

    /// <summary>Statuses after which an attempt is made again, as in <c>429,5xx</c>.</summary>
    public static int[] Statuses(string text) => RetryStatuses.TryRead(text, out int[] statuses)
        ? statuses
        : throw new FormatException(
            $"'{text}' is no list of statuses like 408,429,5xx: from 300 to 599, 3xx to 5xx, or none.");

    /// <summary>An object, or an array of lines where a name is there twice.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Headers(JsonMembers members) =>
        members.Find("headers") is { ValueKind: JsonValueKind.Object } map
            ? [.. map.EnumerateObject().Select(header => KeyValuePair.Create(header.Name, header.Value.ToString()))]
            : [.. members.List("headers").Select(header => Header(header.ToString()))];

    /// <summary>0 is none.</summary>
    private static TimeSpan? Timeout(JsonMembers members) =>
        members.FindValue("timeout", DurationText.Read) is { Ticks: > 0 } timeout ? timeout : null;

    private static KaryaAction WorkerTask(JsonMembers members) => Checked(members, () =>
    {
        byte[]? bytes = members.FindText("arguments_base64") is { } base64 ? Convert.FromBase64String(base64) : null;
        string json = members.Find("arguments")?.GetRawText() ?? "null";
        return KaryaAction.Task(
            members.Text("name"), (ReadOnlyMemory<byte>)(bytes ?? Encoding.UTF8.GetBytes(json)),
            Timeout(members));
    });

    private static KaryaAction Slack(JsonMembers members) =>
        Checked(members, () => KaryaAction.Slack(members.Text("channel"), members.Text("message")));

    private static KaryaAction Email(JsonMembers members) => Checked(
        members, () => KaryaAction.Email(members.Text("recipient"), members.Text("subject"), members.Text("message")));

    private static KaryaAction Kafka(JsonMembers members) => Checked(
        members, () => KaryaAction.Kafka(members.Text("topic"), members.Text("message"), members.FindText("key")));

    private static Hook Hook(JsonMembers members)
    {
        var on = members.FindWord<HookEvent>("on") ?? throw members.Wrong("is missing", "on");
        var action = Action(members.Object("action"));
        int retries = members.FindNumber("retries") ?? 3;
        members.CheckNoOthers();
        return on == HookEvent.Failure
            ? Client.Hook.OnFailure(action, retries)
            : Client.Hook.OnCompletion(action, retries);
    }

    /// <summary>The client checks what it is handed; here it gets its place in the file.</summary>
    private static KaryaAction Checked(JsonMembers members, Func<KaryaAction> read)
    {
        try
        {
            var action = read();
            members.CheckNoOthers();
            return action;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            throw members.Wrong(Mistake.Of(exception));
        }
    }
}
