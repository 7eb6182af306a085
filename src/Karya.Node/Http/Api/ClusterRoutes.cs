using System.Text.Json;
using Karya.Protocol.Messages;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http.Api;

/// <summary>Shows who is there, and who owns what.</summary>
/// <param name="describe">Of the whole cluster. May throw <see cref="Plans.DeskException"/>.</param>
internal sealed class ClusterRoutes(Func<Task<ClusterStatusReply>> describe)
{
    public async Task DescribeAsync(HttpContext context) =>
        await Answer.JsonAsync(context, await describe(), Write);

    private static void Write(Utf8JsonWriter json, ClusterStatusReply cluster)
    {
        json.WriteStartObject();
        json.WriteStartArray("nodes");
        foreach (var node in cluster.Nodes)
            WriteNode(json, node);
        json.WriteEndArray();
        json.WriteStartArray("partitions");
        foreach (var (number, partition) in cluster.Partitions.Index())
        {
            json.WriteStartObject();
            json.WriteNumber("partition", number);
            json.WriteString("node", partition.Node is { } node ? cluster.Nodes[node].Name : null);
            json.WriteNumber("epoch", partition.Epoch);
            json.WriteBoolean("moving", partition.IsMoving);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteNode(Utf8JsonWriter json, NodeStatus node)
    {
        json.WriteStartObject();
        json.WriteString("name", node.Name);
        json.WriteString("incarnation", node.Incarnation);
        json.WriteString("state", node.State.ToString().ToLowerInvariant());
        json.WriteString("tcp", $"{node.Tcp.Host}:{node.Tcp.Port}");
        json.WriteString("http", node.Http);
        json.WriteString("version", node.Version);
        json.WriteNumber("partitions", node.Partitions);
        json.WriteNumber("opening", node.Opening);
        WriteMs(json, "clock_offset_ms", node.ClockOffsetUs);
        WriteMs(json, "late_p50_ms", node.LateMedianUs);
        WriteMs(json, "late_p99_ms", node.Late99Us);
        json.WriteNumber("started", node.Started);
        json.WriteNumber("running", node.Running);
        json.WriteNumber("uptime_ms", node.UptimeMs);
        json.WriteString("trouble", node.Trouble);
        json.WriteEndObject();
    }

    private static void WriteMs(Utf8JsonWriter json, string name, long? us)
    {
        if (us is { } known)
            json.WriteNumber(name, known / 1000.0);
        else
            json.WriteNull(name);
    }
}
