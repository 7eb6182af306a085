using System.Text.Json;
using Karya.Protocol.Messages;

namespace Karya.Node.Http.Api;

/// <summary>Nodes and partitions as <c>/api/cluster</c> and the command line write them.</summary>
internal static class ClusterJson
{
    public static void WriteNode(Utf8JsonWriter json, NodeStatus node)
    {
        json.WriteStartObject();
        json.WriteString("name", node.Name);
        json.WriteString("incarnation", node.Incarnation);
        json.WriteString("state", WordOf(node.State));
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

    /// <param name="json">Where to.</param>
    /// <param name="number">Of the partition.</param>
    /// <param name="partition">As it was told.</param>
    /// <param name="node">The name of its owner; null for nobody that is known.</param>
    public static void WritePartition(Utf8JsonWriter json, int number, in PartitionStatus partition, string? node)
    {
        json.WriteStartObject();
        json.WriteNumber("partition", number);
        json.WriteString("node", node);
        json.WriteNumber("epoch", partition.Epoch);
        json.WriteBoolean("moving", partition.IsMoving);
        json.WriteEndObject();
    }

    /// <summary>States of later versions are unknown ones.</summary>
    public static string WordOf(NodeState state) => state switch
    {
        NodeState.Up => "up",
        NodeState.Draining => "draining",
        NodeState.Silent => "silent",
        _ => "unknown",
    };

    private static void WriteMs(Utf8JsonWriter json, string name, long? us)
    {
        if (us is { } known)
            json.WriteNumber(name, known / 1000.0);
        else
            json.WriteNull(name);
    }
}
