using System.Text;
using System.Text.Json;
using Karya.Client;
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
        return document.RootElement.ValueKind == JsonValueKind.Array
            ? [.. document.RootElement.EnumerateArray().Select((plan, index) => Plan(new(plan, $"{source}: plan[{index}]")))]
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
            Hooks = [.. members.List("hooks").Select((hook, index) => Hook(new(hook, $"{members.Path}.hooks[{index}]")))],
            IdempotencyKey = members.FindText("key"),
            Id = members.FindValue("id", Guid.Parse),
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
            In: members.FindValue("in", DurationText.Read),
            At: members.FindValue("at", InstantText.Read),
            Every: members.FindValue("every", DurationText.Read),
            Cron: members.FindText("cron"),
            First: members.FindValue("first", InstantText.Read),
            Until: members.FindValue("until", InstantText.Read),
            Zone: members.FindText("tz"));
        members.CheckNoOthers();
        try
        {
            return words.ToSchedule(name => name);
        }
        catch (FormatException exception)
        {
            throw members.Wrong(exception.Message);
        }
    }

    private static KaryaAction Action(JsonMembers members)
    {
        KaryaAction?[] actions =
        [
            members.FindObject("http") is { } http ? Http(http) : null,
            members.FindObject("task") is { } task ? WorkerTask(task) : null,
            members.FindObject("chain") is { } chained ? KaryaAction.Chain(Plan(chained)) : null,
            members.FindObject("slack") is { } slack ? Slack(slack) : null,
            members.FindObject("email") is { } email ? Email(email) : null,
            members.FindObject("kafka") is { } kafka ? Kafka(kafka) : null,
        ];
        members.CheckNoOthers();
        return actions.Count(action => action is not null) == 1
            ? actions.First(action => action is not null)!
            : throw members.Wrong("must have exactly one of http, task, chain, slack, email and kafka");
    }

    private static KaryaAction Http(JsonMembers members) => Checked(members, () => KaryaAction.Http(
        new HttpMethod(members.Text("method")),
        members.Text("url"),
        members.FindText("body"),
        [.. members.List("headers").Select(header => Header(header.ToString()))],
        members.FindValue("timeout", DurationText.Read)));

    private static KaryaAction WorkerTask(JsonMembers members) => Checked(members, () =>
    {
        byte[]? bytes = members.FindText("data_base64") is { } base64 ? Convert.FromBase64String(base64) : null;
        string data = members.Find("data")?.GetRawText() ?? "null";
        return KaryaAction.Task(
            members.Text("name"), (ReadOnlyMemory<byte>)(bytes ?? Encoding.UTF8.GetBytes(data)),
            members.FindValue("timeout", DurationText.Read));
    });

    private static KaryaAction Slack(JsonMembers members) =>
        Checked(members, () => KaryaAction.Slack(members.Text("channel"), members.Text("blocks")));

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
        return on == HookEvent.Failure ? Client.Hook.OnFailure(action, retries) : Client.Hook.OnCompletion(action, retries);
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
