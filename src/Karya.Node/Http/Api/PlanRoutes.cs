using System.Text;
using Karya.Node.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.Api;

/// <summary>Plans under <c>/api</c>: all that can be submitted over the wire, as JSON.</summary>
internal sealed class PlanRoutes(IPlanDesk desk, int bodyBytesMax)
{
    private const string KeyHeader = "Idempotency-Key";

    public async Task SubmitAsync(HttpContext context)
    {
        var body = await RequestBody.ReadAsync(context, bodyBytesMax);
        if (body.Json is null)
        {
            await Answer.ProblemAsync(context, new Problem(body.Status, CodeOf(body.Status), body.Reason));
            return;
        }

        using var json = body.Json;
        var (plan, durability) = PlanJson.ReadSubmit(json.RootElement);
        string? key = KeyOf(context.Request);
        var writer = new FrameWriter();
        plan.Write(writer);
        var (id, existed) = await desk.SubmitAsync(
            writer.Written, key, durability == Durability.Accepted, context.RequestAborted);
        context.Response.Headers.Location = $"/v1/plan/{id}";
        await Answer.JsonAsync(
            context, (Id: id, Existed: existed, Durability: durability),
            (json, taken) =>
            {
                json.WriteStartObject();
                json.WriteString("id", taken.Id.ToGuid());
                json.WriteBoolean("existed", taken.Existed);
                json.WriteString("durability", taken.Durability == Durability.Accepted ? "accepted" : "durable");
                json.WriteEndObject();
            },
            existed ? StatusCodes.Status200OK : StatusCodes.Status201Created);
    }

    /// <summary>As draft-ietf-httpapi-idempotency-key-header has it, with or without its quotes.</summary>
    private static string? KeyOf(HttpRequest request)
    {
        var sent = request.Headers[KeyHeader];
        if (sent.Count == 0)
            return null;
        string key = sent.ToString();
        if (key is ['"', .. var quoted, '"'])
            key = quoted;
        int bytes = Encoding.UTF8.GetByteCount(key);
        return bytes is > 0 and <= ProtocolLimits.KeyBytesMax && sent.Count == 1
            ? key
            : throw new ApiMistakeException(
                ErrorCode.OutOfRange, KeyHeader,
                $"{KeyHeader} has {bytes} bytes; 1 to {ProtocolLimits.KeyBytesMax} are allowed, in one header.");
    }

    /// <summary>What a body that cannot be read is refused with.</summary>
    public static string CodeOf(int status) => status switch
    {
        StatusCodes.Status413PayloadTooLarge => "BODY_TOO_LARGE",
        StatusCodes.Status415UnsupportedMediaType => "CONTENT_TYPE",
        _ => "INVALID_JSON",
    };
}
