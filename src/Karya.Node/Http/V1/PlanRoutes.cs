using System.Globalization;
using Karya.Engine;
using Karya.Node.Plans;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.V1;

/// <summary><c>/v1/plan</c>: submits, lists, shows, changes and cancels plans.</summary>
internal sealed class PlanRoutes
{
    private const int PlansPerPage = 20;
    private const int PageMax = int.MaxValue / PlansPerPage;

    private readonly IPlanDesk _desk;
    private readonly int _bodyBytesMax;
    private readonly ChainRules _rules;

    public PlanRoutes(IPlanDesk desk, HttpOptions options)
    {
        _desk = desk;
        _bodyBytesMax = options.BodyBytesMax;
        _rules = new ChainRules(options.Strict, options.MaxChainedDepth);
    }

    public async Task SubmitAsync(HttpContext context)
    {
        var body = await RequestBody.ReadAsync(context, _bodyBytesMax);
        using var document = body.Json;
        if (document is null)
        {
            await Answer.TextAsync(context, body.Status, body.Reason);
            return;
        }

        var reader = new PlanReader();
        string? refusal = reader.TryReadSubmit(document.RootElement, out var draft)
            ? _rules.Judge(draft)
            : reader.Mistake;
        if (refusal is not null)
        {
            await RefuseAsync(context, refusal);
            return;
        }

        try
        {
            var plan = await _desk.SubmitAsync(draft!, context.RequestAborted);
            await Answer.JsonAsync(context, plan, AnswerWriter.WritePlan);
        }
        catch (DeskException unknownUser) when (unknownUser.Error == DeskError.UserNotFound)
        {
            await Answer.TextAsync(context, StatusCodes.Status404NotFound, $"User ({draft!.User}) not found");
        }
    }

    public async Task ListAsync(HttpContext context)
    {
        string? userText = context.Request.Query["user_id"] is [var first, ..] ? first : null;
        if (userText is null)
        {
            await Answer.TextAsync(context, StatusCodes.Status404NotFound, "User () not found");
            return;
        }

        if (!Uuids.TryParse(userText, out var user))
        {
            await RefuseAsync(context, $"user_id is {Quoted.Shorten(userText)}; it must be {Uuids.Form}.");
            return;
        }

        // Clients count pages; that the original takes the number for a row is a mistake that shows from row 21 on.
        string pageText = context.Request.Query["page"] is [{ } given, ..] ? given : "0";
        if (!int.TryParse(pageText, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            || number > PageMax)
        {
            await RefuseAsync(context, $"page is {Quoted.Shorten(pageText)}; it must be a number from 0 to {PageMax}.");
            return;
        }

        var page = await _desk.ListAsync(
            UserId.From(user), number * PlansPerPage, PlansPerPage, context.RequestAborted);
        await Answer.JsonAsync(context, (page, number), AnswerWriter.WriteList);
    }

    /// <param name="idText">From the path (the Python client's way); null when only the body names the plan.</param>
    public async Task UpdateAsync(HttpContext context, string? idText)
    {
        if (idText is not null && !Uuids.TryParse(idText, out _))
        {
            await RefuseIdAsync(context, idText);
            return;
        }

        var body = await RequestBody.ReadAsync(context, _bodyBytesMax);
        using var document = body.Json;
        if (document is null)
        {
            await Answer.TextAsync(context, body.Status, body.Reason);
            return;
        }

        var reader = new PlanReader();
        string? refusal = reader.TryReadUpdate(document.RootElement, idText, out var id, out var change)
            ? _rules.Judge(change.Hooks ?? [])
            : reader.Mistake;
        if (refusal is not null)
        {
            await RefuseAsync(context, refusal);
            return;
        }

        await AnswerPlanAsync(context, id, await _desk.UpdateAsync(id, change!, context.RequestAborted));
    }

    /// <summary>Whatever body comes is left unread: clients send none, with several content types.</summary>
    public async Task CancelAsync(HttpContext context, string idText)
    {
        if (!Uuids.TryParse(idText, out var guid))
        {
            await RefuseIdAsync(context, idText);
            return;
        }

        var id = PlanId.From(guid);
        await AnswerPlanAsync(context, id, await _desk.CancelAsync(id, context.RequestAborted));
    }

    public async Task GetAsync(HttpContext context, string idText)
    {
        if (!Uuids.TryParse(idText, out var guid))
        {
            await RefuseIdAsync(context, idText);
            return;
        }

        var id = PlanId.From(guid);
        var found = await _desk.GetAsync(id, context.RequestAborted);
        await (found is { } plan
            ? Answer.JsonAsync(context, plan, AnswerWriter.WritePlanWithTask)
            : NotFoundAsync(context, id));
    }

    public async Task SummarizeAsync(HttpContext context, string idText)
    {
        if (!Uuids.TryParse(idText, out var guid))
        {
            await RefuseIdAsync(context, idText);
            return;
        }

        var id = PlanId.From(guid);
        var summary = await _desk.SummarizeAsync(id, context.RequestAborted);
        await (summary is not null
            ? Answer.JsonAsync(context, summary, AnswerWriter.WriteSummary)
            : NotFoundAsync(context, id));
    }

    private static Task AnswerPlanAsync(HttpContext context, PlanId id, PlanView? plan) => plan is null
        ? NotFoundAsync(context, id)
        : Answer.JsonAsync(context, plan, AnswerWriter.WritePlan);

    private static Task NotFoundAsync(HttpContext context, PlanId id) =>
        Answer.TextAsync(context, StatusCodes.Status404NotFound, $"Plan not found --- {id}");

    private static Task RefuseIdAsync(HttpContext context, string idText) =>
        RefuseAsync(context, $"plan_id is {Quoted.Shorten(idText)}; it must be {Uuids.Form}.");

    private static Task RefuseAsync(HttpContext context, string text) =>
        Answer.TextAsync(context, StatusCodes.Status400BadRequest, text);
}
