using System.Text.Json;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.Api;

/// <summary>Shows the node's connectors, and tries one out.</summary>
/// <param name="describe">With the name of one to try out. May throw <see cref="Plans.DeskException"/>.</param>
internal sealed class ConnectorRoutes(Func<string?, CancellationToken, Task<ConnectorsReply>> describe)
{
    public async Task ListAsync(HttpContext context) =>
        await Answer.JsonAsync(context, await describe(null, context.RequestAborted), Write);

    /// <summary>200 whether it works or not: the state says so.</summary>
    public async Task TestAsync(HttpContext context, string name)
    {
        var reply = await describe(name, context.RequestAborted);
        await Answer.JsonAsync(context, reply.Connectors.First(one => one.Name == name), ConnectorJson.Write);
    }

    private static void Write(Utf8JsonWriter json, ConnectorsReply reply)
    {
        json.WriteStartObject();
        json.WriteStartArray("items");
        foreach (var connector in reply.Connectors)
            ConnectorJson.Write(json, connector);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
