using System.CommandLine;
using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Node.Http.Api;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary><c>karya top</c>: what the nodes do, again and again.</summary>
internal static class TopCommand
{
    private const string Examples = """
        Examples:
          karya top
          karya top --every 5s
          karya top --count 1 -o jsonl

        Rates are those since the last look, which the first look lacks. Ends with Ctrl-C (130).
        """;

    private const string ClearScreen = "\e[H\e[2J";

    public static Command Define(ServerFlags server)
    {
        var every = Flags.Value<TimeSpan>(
            "--every", "DURATION", "Time between two looks (default: 1s).", DurationText.Read);
        var count = Flags.Value<int>("--count", "N", "End after so many looks.", Flags.NumberFrom(1));
        var command = new ExampleCommand("top", "Watch what the nodes do.", Examples) { every, count };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, session => RunAsync(
            session, parsed.GetValue(every) ?? TimeSpan.FromSeconds(1), parsed.GetValue(count) ?? int.MaxValue)));
        return command;
    }

    private static async Task<int> RunAsync(Session session, TimeSpan every, int count)
    {
        var last = new Dictionary<string, (long Started, long UptimeMs)>(StringComparer.Ordinal);
        for (int look = 0; look < count; look++)
        {
            if (look > 0)
                await Task.Delay(every, session.Clock, session.Stopping);
            var nodes = (await session.Client.GetClusterAsync(session.Stopping)).Nodes;
            session.Printer.One(
                json => WriteJson(json, nodes, node => PerSecond(node, last)),
                terminal =>
                {
                    if (terminal.HasColour)
                        terminal.Output.Write(ClearScreen);
                    ClusterText.PrintTop(terminal, nodes, node => PerSecond(node, last));
                    terminal.Line("");
                });
            foreach (var node in nodes)
                last[node.Name] = (node.Started, node.UptimeMs);
        }

        return ExitCodes.Done;
    }

    private static void WriteJson(
        System.Text.Json.Utf8JsonWriter json, IReadOnlyList<NodeStatus> nodes, Func<NodeStatus, double> perSecond)
    {
        json.WriteStartObject();
        json.WriteStartArray("nodes");
        foreach (var node in nodes)
            ClusterJson.WriteNode(json, node);
        json.WriteEndArray();
        json.WriteStartObject("started_per_second");
        foreach (var node in nodes)
            json.WriteNumber(node.Name, Math.Round(perSecond(node), 1));
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>By the node's own clock; 0 for one that was not seen before, or has started anew.</summary>
    private static double PerSecond(NodeStatus node, Dictionary<string, (long Started, long UptimeMs)> last) =>
        last.TryGetValue(node.Name, out var before) && node.UptimeMs > before.UptimeMs
            ? (node.Started - before.Started) * 1000.0 / (node.UptimeMs - before.UptimeMs)
            : 0;
}
