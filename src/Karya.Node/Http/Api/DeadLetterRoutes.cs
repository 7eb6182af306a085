using System.Globalization;
using System.Text.Json;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.Api;

/// <summary>
/// Lists, replays and drops tasks and hooks that ran out of attempts: one by one, and many by a filter.
/// </summary>
internal sealed class DeadLetterRoutes(IDeadLetterDesk desk, int bodyBytesMax)
{
    private const int LimitDefault = 50;
    private const int LimitMax = 500;

    public Task ListAsync(HttpContext context) => ListAsync(context, isGrouped: false);

    public Task GroupAsync(HttpContext context) => ListAsync(context, isGrouped: true);

    public Task ReplayManyAsync(HttpContext context) => StartAsync(context, DeadLetterVerb.Replay);

    public Task DropManyAsync(HttpContext context) => StartAsync(context, DeadLetterVerb.Drop);

    /// <param name="verb">What is done about it.</param>
    /// <param name="hook">Null for the task itself.</param>
    public async Task ChangeAsync(
        HttpContext context, DeadLetterVerb verb, string plan, string occurrence, string? hook)
    {
        var planId = IdOf(plan, "plan_id");
        if (!long.TryParse(occurrence, NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number < 1)
        {
            throw new ApiMistakeException(
                ErrorCode.OutOfRange, "occurrence",
                $"occurrence is {Quoted.Shorten(occurrence)}; occurrences count from 1.");
        }

        int hookNumber = 0;
        if (hook is not null
            && (!int.TryParse(hook, NumberStyles.None, CultureInfo.InvariantCulture, out hookNumber)
                || hookNumber is < 1 or > Limits.HooksPerPlanMax))
        {
            throw new ApiMistakeException(
                ErrorCode.OutOfRange, "hook",
                $"hook is {Quoted.Shorten(hook)}; hooks count from 1 to {Limits.HooksPerPlanMax}.");
        }

        await desk.ChangeAsync(
            new DeadLetterRequest(Uuid.ToNumber(planId), number, hookNumber, verb), context.RequestAborted);
        await Answer.EmptyAsync(context, StatusCodes.Status202Accepted);
    }

    public async Task ListOperationsAsync(HttpContext context)
    {
        var (limit, _) = PageOf(ReadQuery(context, "limit"));
        var reply = await desk.OperationsAsync(
            new OperationsRequest(null, Stops: false, limit), context.RequestAborted);
        await Answer.JsonAsync(context, reply, WriteAll);
    }

    public Task GetOperationAsync(HttpContext context, string id) => OneAsync(context, id, stops: false);

    public Task StopOperationAsync(HttpContext context, string id) => OneAsync(context, id, stops: true);

    private async Task ListAsync(HttpContext context, bool isGrouped)
    {
        var json = ReadQuery(context, [.. DeadLetterJson.FilterFields, "limit", "cursor"]);
        var (limit, cursor) = PageOf(json);
        var reply = await desk.ListAsync(
            new DeadLettersRequest(DeadLetterJson.ReadFilter(json), isGrouped, limit, cursor), context.RequestAborted);
        await Answer.JsonAsync(context, reply, (writer, page) => DeadLetterJson.Write(writer, page, isGrouped));
    }

    private async Task StartAsync(HttpContext context, DeadLetterVerb verb)
    {
        var body = await RequestBody.ReadAsync(context, bodyBytesMax);
        if (body.Json is null)
        {
            await Answer.ProblemAsync(context, new Problem(body.Status, PlanRoutes.CodeOf(body.Status), body.Reason));
            return;
        }

        using var document = body.Json;
        string[] fields = verb == DeadLetterVerb.Replay
            ? ["filter", "all", "dry_run", "spread"]
            : ["filter", "all", "dry_run"];
        var json = new StrictJson(document.RootElement, "", fields);
        var filter = json.Has("filter")
            ? DeadLetterJson.ReadFilter(json.Object("filter", DeadLetterJson.FilterFields))
            : new DeadLetterFilter();
        long spreadMs = json.DurationMsOrNull("spread", 0) ?? 0;
        if (spreadMs > StartOperationRequest.SpreadMsMax)
            throw json.Mistake(ErrorCode.OutOfRange, "spread", "is longer than a week, which is the most.");
        var operation = await desk.StartAsync(
            new StartOperationRequest(verb, filter, json.Flag("all"), spreadMs, json.Flag("dry_run")),
            context.RequestAborted);
        context.Response.Headers.Location = $"/api/operations/{operation.Id}";
        await Answer.JsonAsync(context, operation, DeadLetterJson.Write, StatusCodes.Status202Accepted);
    }

    private async Task OneAsync(HttpContext context, string id, bool stops)
    {
        var reply = await desk.OperationsAsync(
            new OperationsRequest(IdOf(id, "id"), stops, 1), context.RequestAborted);
        await Answer.JsonAsync(context, reply.Operations[0], DeadLetterJson.Write);
    }

    private static Guid IdOf(string text, string name) => Uuids.TryParse(text, out var id)
        ? id
        : throw new ApiMistakeException(
            ErrorCode.InvalidId, name, $"{name} is {Quoted.Shorten(text)}; it must be {Uuids.Form}.");

    /// <summary>The query as if it were a body: judged as strictly.</summary>
    private static StrictJson ReadQuery(HttpContext context, params string[] known)
    {
        var fields = context.Request.Query.ToDictionary(field => field.Key, field => field.Value.ToString());
        return new StrictJson(JsonSerializer.SerializeToElement(fields), "", known);
    }

    private static (int Limit, byte[]? Cursor) PageOf(StrictJson query)
    {
        int limit = LimitDefault;
        if (query.TextOrNull("limit", int.MaxValue) is { Length: > 0 } text
            && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out limit)
                || limit is < 1 or > LimitMax))
        {
            throw query.Mistake(
                ErrorCode.OutOfRange, "limit", $"is {Quoted.Shorten(text)}; it must be a number from 1 to {LimitMax}.");
        }

        if (query.TextOrNull("cursor", int.MaxValue) is not { Length: > 0 } cursor)
            return (limit, null);
        try
        {
            return (limit, Convert.FromHexString(cursor));
        }
        catch (FormatException)
        {
            throw query.Mistake(
                ErrorCode.InvalidCursor, "cursor", "is none of this server's; pass the \"next\" of the page before.");
        }
    }

    private static void WriteAll(Utf8JsonWriter json, OperationsReply reply)
    {
        json.WriteStartObject();
        json.WriteStartArray("items");
        foreach (var operation in reply.Operations)
            DeadLetterJson.Write(json, operation);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
