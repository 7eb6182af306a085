using System.Text;
using System.Text.Json;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using EmailAction = Karya.Protocol.Messages.EmailAction;
using KafkaAction = Karya.Protocol.Messages.KafkaAction;
using RestAction = Karya.Protocol.Messages.RestAction;
using SlackAction = Karya.Protocol.Messages.SlackAction;

namespace Karya.Node.Http.Api;

/// <summary>
/// A plan in the JSON of <c>/api</c> as a message of the wire: what is right there is right here, with the same limits
/// and errors, which are found when the message is submitted. This reads the form.
/// </summary>
internal static class PlanJson
{
    private const int RetriesDefault = 3;

    private static readonly string[] ActionKinds = ["http", "slack", "email", "kafka", "chain", "task"];
    private static readonly string[] MissedWords = ["once", "skip", "all"];
    private static readonly string[] ScheduleKinds = ["after", "at", "every", "cron"];
    private static readonly string[] Durabilities = ["durable", "accepted"];
    private static readonly string[] Events = ["failure", "completion"];

    /// <summary>The fields of a plan, whether submitted or inside an action.</summary>
    private static readonly string[] PlanFields =
        ["user_id", "name", "schedule", "action", "retries", "retry_delay", "retry_delay_max", "missed", "hooks"];

    /// <summary>Fields that only the plan itself has, as <see cref="Read"/> does not read them.</summary>
    private static readonly string[] SubmitFields = ["id", "durability"];

    /// <exception cref="ApiMistakeException">Something is not as it must be.</exception>
    public static (PlanMessage Plan, Durability Durability) ReadSubmit(JsonElement body)
    {
        var json = new StrictJson(body, "", [.. PlanFields, .. SubmitFields]);
        var durability = (Durability)json.Choice("durability", Durabilities, absent: 0);
        return (Read(json, depth: 1) with { Id = json.UuidOrNull("id") }, durability);
    }

    private static PlanMessage Read(StrictJson json, int depth)
    {
        if (depth > ProtocolLimits.ChainDepthMax)
        {
            throw json.Mistake(
                ErrorCode.ChainTooDeep, "",
                $"is nested {depth} deep; at most {ProtocolLimits.ChainDepthMax} are allowed.");
        }

        return new PlanMessage(
            json.UuidOrNull("user_id") ?? throw json.Missing("user_id", "the id of a user"),
            ReadSchedule(json),
            new PolicyMessage(
                (int)json.Integer("retries", 0, ProtocolLimits.RetriesMax, RetriesDefault),
                json.DurationMsOrNull("retry_delay", 1),
                json.DurationMsOrNull("retry_delay_max", 1),
                (MissedRuns)json.Choice("missed", MissedWords, absent: 0)),
            new ContentMessage(
                json.TextOrNull("name", ProtocolLimits.DescriptionBytesMax) ?? "", ReadAction(json, depth),
                ReadHooks(json, depth)));
    }

    private static ScheduleMessage ReadSchedule(StrictJson json)
    {
        if (!json.Has("schedule"))
            return new ScheduleMessage.After(0);
        var schedule = json.Object("schedule", "after", "at", "every", "first", "cron", "zone", "end");
        string[] given = [.. ScheduleKinds.Where(schedule.Has)];
        if (given.Length != 1)
        {
            throw new ApiMistakeException(
                given.Length == 0 ? "SCHEDULE_REQUIRED" : "SCHEDULE_AMBIGUOUS", "schedule",
                "schedule must have exactly one of after, at, every and cron.");
        }

        Allow(schedule, given[0], "first", "every");
        Allow(schedule, given[0], "zone", "cron");
        Allow(schedule, given[0], "end", "every", "cron");
        return given[0] switch
        {
            "after" => new ScheduleMessage.After(schedule.DurationMsOrNull("after", 0)!.Value),
            "at" => new ScheduleMessage.At(schedule.InstantMsOrNull("at")!.Value),
            "every" => new ScheduleMessage.Every(
                schedule.DurationMsOrNull("every", 1)!.Value, schedule.InstantMsOrNull("first"),
                schedule.InstantMsOrNull("end")),
            _ => new ScheduleMessage.Cron(
                schedule.Text("cron", ProtocolLimits.CronBytesMax),
                schedule.TextOrNull("zone", ProtocolLimits.ZoneBytesMax) ?? "UTC",
                schedule.InstantMsOrNull("end")),
        };
    }

    private static void Allow(StrictJson schedule, string given, string name, params string[] kinds)
    {
        if (schedule.Has(name) && !kinds.Contains(given))
        {
            throw schedule.Mistake(
                ErrorCode.Malformed, name, $"does not go with {given}; it goes with {string.Join(" and ", kinds)}.");
        }
    }

    private static HookMessage[] ReadHooks(StrictJson json, int depth)
    {
        var hooks = new List<HookMessage>();
        foreach (var (item, path) in json.List("hooks", ProtocolLimits.HooksMax, ErrorCode.TooManyHooks))
        {
            var hook = new StrictJson(item, path, "on", "retries", "action");
            hooks.Add(new HookMessage(
                (HookEvent)(hook.Choice("on", Events) + 1),
                (int)hook.Integer("retries", 0, ProtocolLimits.RetriesMax, RetriesDefault),
                ReadAction(hook, depth)));
        }

        return [.. hooks];
    }

    private static ActionMessage ReadAction(StrictJson json, int depth)
    {
        var element = json.Any("action") ?? throw json.Missing("action", "an object with a kind");
        string path = json.PathOf("action");
        string? kind = element.ValueKind == JsonValueKind.Object && element.TryGetProperty("kind", out var value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
        switch (kind)
        {
            case "http":
                return ReadHttp(new StrictJson(
                    element, path, "kind", "method", "url", "headers", "body", "timeout", "retry_on"));
            case "slack":
                var slack = new StrictJson(element, path, "kind", "channel", "message");
                return new SlackAction(Line(slack, "channel"), Message(slack));
            case "email":
                var email = new StrictJson(element, path, "kind", "recipient", "subject", "message");
                return new EmailAction(Line(email, "recipient"), Line(email, "subject"), Message(email));
            case "kafka":
                var kafka = new StrictJson(element, path, "kind", "topic", "key", "message");
                return new KafkaAction(
                    Line(kafka, "topic"), kafka.TextOrNull("key", ProtocolLimits.LineBytesMax), Message(kafka));
            case "chain":
                var chain = new StrictJson(element, path, "kind", "plan");
                return new ChainAction(Read(chain.Object("plan", PlanFields), depth + 1));
            case "task":
                var task = new StrictJson(element, path, "kind", "name", "arguments", "timeout");
                return new TaskAction(
                    task.Text("name", ProtocolLimits.TaskNameBytesMax), ArgumentsOf(task),
                    task.DurationMsOrNull("timeout", 0) ?? 0);
            default:
                throw new ApiMistakeException(
                    ErrorCode.UnknownAction, $"{path}.kind",
                    $"{path}.kind is {Quoted.Shorten(kind)}; it must be one of {string.Join(", ", ActionKinds)}.");
        }
    }

    private static RestAction ReadHttp(StrictJson action) => new(
        action.TextOrNull("method", 16) ?? "GET",
        action.Text("url", ProtocolLimits.UrlBytesMax),
        action.Map("headers", ProtocolLimits.HeadersMax, ProtocolLimits.HeaderValueBytesMax),
        action.TextOrNull("body", ProtocolLimits.PayloadBytesMax),
        action.DurationMsOrNull("timeout", 0) ?? 0)
    {
        RetryOn = RetryOn(action),
    };

    private static int[]? RetryOn(StrictJson action)
    {
        const string Name = "retry_on";
        if (action.TextOrNull(Name, ProtocolLimits.LineBytesMax) is not { } text)
            return null;
        return RetryStatuses.TryRead(text, out int[] statuses)
            ? statuses
            : throw action.Mistake(
                ErrorCode.OutOfRange, Name,
                $"is {Quoted.Shorten(text)}; it must be like 408,429,5xx: statuses from 300 to 599, 3xx to 5xx, or "
                + "none.");
    }

    private static string Line(StrictJson action, string name) => action.Text(name, ProtocolLimits.LineBytesMax);

    private static string Message(StrictJson action) =>
        action.Text("message", ProtocolLimits.PayloadBytesMax);

    /// <summary>Any JSON, which is what workers get; nothing for nothing.</summary>
    private static byte[] ArgumentsOf(StrictJson task)
    {
        byte[] arguments = task.Any("arguments") is { } json ? Encoding.UTF8.GetBytes(json.GetRawText()) : [];
        return arguments.Length <= ProtocolLimits.PayloadBytesMax
            ? arguments
            : throw task.Mistake(
                ErrorCode.PayloadTooLarge, "arguments",
                $"has {arguments.Length} bytes; at most {ProtocolLimits.PayloadBytesMax} are allowed.");
    }
}
