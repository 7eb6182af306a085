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
            ClusterJson.WriteNode(json, node);
        json.WriteEndArray();
        json.WriteStartArray("partitions");
        foreach (var (number, partition) in cluster.Partitions.Index())
        {
            string? owner = partition.Node is { } node ? cluster.Nodes[node].Name : null;
            ClusterJson.WritePartition(json, number, partition, owner);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
