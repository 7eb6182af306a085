using System.Globalization;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Client;
using Karya.Node.Http.Api;
using Karya.Protocol.Messages;

namespace Karya.Cli.Rendering;

/// <summary>A cluster, for people and as JSON.</summary>
internal static class ClusterText
{
    public static void WritePartition(Utf8JsonWriter json, OwnedPartition partition) =>
        ClusterJson.WritePartition(json, partition.Number, partition.Status, partition.Node);

    public static void WriteStatus(Utf8JsonWriter json, ClusterStatus cluster)
    {
        json.WriteStartObject();
        json.WriteNumber("nodes", cluster.Nodes.Count);
        json.WriteNumber("partitions", cluster.Partitions.Count);
        json.WriteNumber("owned", cluster.Partitions.Count - Missing(cluster).Count);
        json.WriteNumber("moving", Moving(cluster));
        json.WriteStartArray("problems");
        foreach (string problem in Problems(cluster))
            json.WriteStringValue(problem);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static void PrintStatus(Terminal terminal, ClusterStatus cluster)
    {
        var problems = Problems(cluster);
        terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"{cluster.Nodes.Count} {(cluster.Nodes.Count == 1 ? "node" : "nodes")}, "
                + $"{cluster.Partitions.Count} partitions, {Moving(cluster)} moving: ")
            + (problems.Count == 0 ? "all is well" : "not all is well"));
        foreach (string problem in problems)
            terminal.Line($"  {TextTable.Plain(problem)}");
        terminal.Line("");
        PrintNodes(terminal, cluster.Nodes);
    }

    public static void PrintNodes(Terminal terminal, IReadOnlyList<NodeStatus> nodes)
    {
        var table = new TextTable(
            "NODE", "STATE", "PARTITIONS", "RUNNING", "LATE P50", "LATE P99", "CLOCK", "UP", "TCP");
        foreach (var node in nodes)
        {
            table.Row(
                node.Name, ClusterJson.WordOf(node.State), Partitions(node), Count(node.Running), Ms(node.LateMedianUs),
                Ms(node.Late99Us), Offset(node), Up(node), $"{node.Tcp.Host}:{node.Tcp.Port}");
        }

        table.Print(terminal);
    }

    public static void PrintPartitions(Terminal terminal, IReadOnlyList<OwnedPartition> partitions)
    {
        var table = new TextTable("PARTITION", "NODE", "EPOCH", "STATE");
        foreach (var partition in partitions)
        {
            table.Row(
                Count(partition.Number), partition.Node ?? "nobody", Count(partition.Status.Epoch),
                partition.Status.IsMoving ? "moving" : "owned");
        }

        table.Print(terminal);
    }

    /// <param name="terminal">Where to.</param>
    /// <param name="nodes">Now.</param>
    /// <param name="perSecond">Attempts that each began since it was looked at last.</param>
    public static void PrintTop(
        Terminal terminal, IReadOnlyList<NodeStatus> nodes, Func<NodeStatus, double> perSecond)
    {
        var table = new TextTable("NODE", "STATE", "PARTITIONS", "STARTED/S", "RUNNING", "LATE P50", "LATE P99", "UP");
        foreach (var node in nodes)
        {
            table.Row(
                node.Name, ClusterJson.WordOf(node.State), Partitions(node),
                perSecond(node).ToString("F0", CultureInfo.InvariantCulture), Count(node.Running),
                Ms(node.LateMedianUs), Ms(node.Late99Us), Up(node));
        }

        table.Print(terminal);
    }

    /// <summary>Partitions with the names of their owners.</summary>
    public static IReadOnlyList<OwnedPartition> Named(ClusterStatus cluster) =>
    [
        .. cluster.Partitions.Index().Select(one => new OwnedPartition(
            one.Index, one.Item, one.Item.Node is { } node ? cluster.Nodes[node].Name : null)),
    ];

    /// <summary>What an operator should look at; empty when all is well.</summary>
    public static IReadOnlyList<string> Problems(ClusterStatus cluster)
    {
        var problems = new List<string>();
        foreach (var node in cluster.Nodes.Where(node => node.Trouble is not null))
            problems.Add($"{node.Name}: {node.Trouble}");
        if (Missing(cluster) is { Count: > 0 } missing)
        {
            string some = string.Join(", ", missing.Take(10));
            problems.Add($"nobody that answers owns {some}{(missing.Count > 10 ? ", ..." : "")}");
        }


        return problems;
    }

    private static List<int> Missing(ClusterStatus cluster) =>
    [
        .. cluster.Partitions.Index()
            .Where(one => !one.Item.IsMoving
                && (one.Item.Node is not { } node || cluster.Nodes[node].State == NodeState.Silent))
            .Select(one => one.Index),
    ];

    private static int Moving(ClusterStatus cluster) =>
        cluster.Partitions.Count(partition => partition.IsMoving) + cluster.Nodes.Sum(node => node.Opening);

    private static string Partitions(NodeStatus node) => node.Opening == 0
        ? Count(node.Partitions)
        : string.Create(CultureInfo.InvariantCulture, $"{node.Partitions} ({node.Opening} opening)");

    private static string Up(NodeStatus node) => node.State == NodeState.Silent
        ? "-"
        : DurationText.Show(TimeSpan.FromSeconds(node.UptimeMs / 1000));

    private static string Ms(long? us) => us is { } known
        ? string.Create(CultureInfo.InvariantCulture, $"{known / 1000.0:F1} ms")
        : "-";

    private static string Offset(NodeStatus node) => node.ClockOffsetUs is { } us
        ? string.Create(CultureInfo.InvariantCulture, $"{us / 1000.0:+0.0;-0.0;0.0} ms")
        : "-";

    private static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A partition and its owner.</summary>
/// <param name="Node">Null for nobody that is known.</param>
internal sealed record OwnedPartition(int Number, PartitionStatus Status, string? Node);
