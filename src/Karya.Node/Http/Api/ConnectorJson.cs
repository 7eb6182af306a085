using System.Text.Json;
using Karya.Protocol.Messages;

namespace Karya.Node.Http.Api;

/// <summary>Connectors as <c>/api/connectors</c> and the command line write them.</summary>
internal static class ConnectorJson
{
    public static void Write(Utf8JsonWriter json, ConnectorStatus connector)
    {
        json.WriteStartObject();
        json.WriteString("name", connector.Name);
        json.WriteString("state", WordOf(connector.State));
        json.WriteString("target", connector.Target);
        json.WriteString("trouble", connector.Trouble);
        json.WriteEndObject();
    }

    public static string WordOf(ConnectorState state) => state switch
    {
        ConnectorState.Missing => "missing",
        ConnectorState.Configured => "configured",
        ConnectorState.Working => "working",
        ConnectorState.Failing => "failing",
        _ => "unknown",
    };
}
