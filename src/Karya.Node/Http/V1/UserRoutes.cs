using Karya.Node.Plans;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.V1;

/// <summary><c>/v1/user</c>: makes users and finds them by name.</summary>
internal sealed class UserRoutes
{
    private readonly IPlanDesk _desk;
    private readonly int _bodyBytesMax;

    public UserRoutes(IPlanDesk desk, int bodyBytesMax)
    {
        _desk = desk;
        _bodyBytesMax = bodyBytesMax;
    }

    public async Task CreateAsync(HttpContext context)
    {
        var body = await RequestBody.ReadAsync(context, _bodyBytesMax);
        using var document = body.Json;
        if (document is null)
        {
            await Answer.TextAsync(context, body.Status, body.Reason);
            return;
        }

        var reader = new PlanReader();
        string name = reader.ReadUserName(document.RootElement);
        if (reader.Mistake is { } mistake)
        {
            await Answer.TextAsync(context, StatusCodes.Status400BadRequest, mistake);
            return;
        }

        var user = await _desk.CreateUserAsync(name, context.RequestAborted);
        await Answer.JsonAsync(context, user, AnswerWriter.WriteUser);
    }

    public async Task FindAsync(HttpContext context)
    {
        string? name = context.Request.Query["username"] is [var first, ..] ? first : null;
        var user = name is null ? null : await _desk.FindUserAsync(name, context.RequestAborted);
        await (user is null
            ? Answer.TextAsync(context, StatusCodes.Status404NotFound, $"User ({name}) not found")
            : Answer.JsonAsync(context, user, AnswerWriter.WriteUser));
    }
}
