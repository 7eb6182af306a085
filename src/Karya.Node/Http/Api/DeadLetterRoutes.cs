using System.Globalization;
using System.Text.Json;
using Karya.Engine;
using Karya.Node.Plans;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.Api;

/// <summary>Lists tasks and hooks that ran out of attempts, and gives them their attempts again.</summary>
internal sealed class DeadLetterRoutes
{
    private const int LimitDefault = 50;
    private const int LimitMax = 500;

    /// <summary>Far above what a store hands out as a cursor.</summary>
    private const int CursorCharsMax = 256;

    private readonly IPlanDesk _desk;

    public DeadLetterRoutes(IPlanDesk desk)
    {
        _desk = desk;
    }

    public async Task ListAsync(HttpContext context)
    {
        var query = context.Request.Query;
        string limitText = query["limit"].ToString();
        int limit = LimitDefault;
        bool isNumber = limitText.Length == 0
            || int.TryParse(limitText, NumberStyles.None, CultureInfo.InvariantCulture, out limit);
        if (!isNumber || limit is < 1 or > LimitMax)
        {
            await RefuseAsync(context, "OUT_OF_RANGE", "limit",
                $"limit is {Quoted.Shorten(limitText)}; it must be a number from 1 to {LimitMax}.");
            return;
        }

        string cursor = query["cursor"].ToString();
        if (cursor.Length > CursorCharsMax)
        {
            await RefuseAsync(context, "INVALID_CURSOR", "cursor",
                "cursor is too long; pass the \"next\" of the page before, unchanged.");
            return;
        }

        var page = await _desk.ListDeadAsync(cursor.Length == 0 ? null : cursor, limit, context.RequestAborted);
        await Answer.JsonAsync(context, page, WritePage);
    }

    /// <param name="hook">Null for the task itself.</param>
    public async Task ReplayAsync(HttpContext context, string plan, string occurrence, string? hook)
    {
        if (!Uuids.TryParse(plan, out var planId))
        {
            await RefuseAsync(context, "INVALID_ID", "plan_id",
                $"plan_id is {Quoted.Shorten(plan)}; it must be {Uuids.Form}.");
            return;
        }

        if (!long.TryParse(occurrence, NumberStyles.None, CultureInfo.InvariantCulture, out long number) || number < 1)
        {
            await RefuseAsync(context, "OUT_OF_RANGE", "occurrence",
                $"occurrence is {Quoted.Shorten(occurrence)}; occurrences count from 1.");
            return;
        }

        int hookNumber = 0;
        if (hook is not null
            && (!int.TryParse(hook, NumberStyles.None, CultureInfo.InvariantCulture, out hookNumber)
                || hookNumber is < 1 or > Limits.HooksPerPlanMax))
        {
            await RefuseAsync(context, "OUT_OF_RANGE", "hook",
                $"hook is {Quoted.Shorten(hook)}; hooks count from 1 to {Limits.HooksPerPlanMax}.");
            return;
        }

        var key = new TaskKey(PlanId.From(planId), number, hookNumber);
        bool found = await _desk.ReplayAsync(key, context.RequestAborted);
        await (found
            ? Answer.EmptyAsync(context, StatusCodes.Status202Accepted)
            : Answer.ProblemAsync(context, new(StatusCodes.Status404NotFound, "DEAD_LETTER_NOT_FOUND",
                "There is no such dead letter: the task never failed for good, was replayed already, or is pruned.")));
    }

    private static Task RefuseAsync(HttpContext context, string code, string field, string detail) =>
        Answer.ProblemAsync(context, new(StatusCodes.Status400BadRequest, code, detail, field));

    private static void WritePage(Utf8JsonWriter json, DeadLetterPage page)
    {
        json.WriteStartObject();
        json.WriteStartArray("items");
        foreach (var letter in page.Items)
            WriteLetter(json, letter);

        json.WriteEndArray();
        json.WriteString("next", page.Next);
        json.WriteEndObject();
    }

    private static void WriteLetter(Utf8JsonWriter json, DeadLetter letter)
    {
        var key = letter.Task.Key;
        string task = $"/api/plans/{key.Plan}/tasks/{key.Occurrence}";
        json.WriteStartObject();
        json.WriteString("task_id", key.ToTaskId());
        json.WriteString("plan_id", key.Plan.ToGuid());
        json.WriteNumber("occurrence", key.Occurrence);
        if (key.IsHook)
            json.WriteNumber("hook", key.Hook);
        else
            json.WriteNull("hook");

        json.WriteString("user_id", letter.User.ToGuid());
        json.WriteString("description", letter.Description);
        json.WriteNumber("attempts", letter.Task.Attempts);
        json.WriteNumber("due_at", letter.Task.DueMs);
        if (letter.Task.FinishedMs is { } finishedMs)
            json.WriteNumber("failed_at", finishedMs);
        else
            json.WriteNull("failed_at");

        json.WriteString("last_error", letter.LastError);
        json.WriteString("replay", key.IsHook ? $"{task}/hooks/{key.Hook}/replay" : $"{task}/replay");
        json.WriteEndObject();
    }
}
