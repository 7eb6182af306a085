using System.CommandLine;
using Karya.Cli.Rendering;
using Karya.Node.Http.Api;

namespace Karya.Cli.Commands;

/// <summary><c>karya cluster</c>: who is there, who owns what, and how to take a node out.</summary>
internal static class ClusterCommand
{
    private const string Examples = """
        Examples:
          karya cluster status
          karya cluster partitions --node node-2 -o jsonl
          karya cluster drain node-2
          karya cluster drain node-2 --undo

        Any node may be asked. Exit codes: 0 done, 1 not all is well (status), 2 wrong usage, 3 no node reachable.
        """;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    public static Command Define(ServerFlags server)
    {
        var command = new ExampleCommand("cluster", "Show the nodes and who owns what; drain a node.", Examples)
        {
            Status(server),
            Nodes(server),
            Partitions(server),
            Drain(server),
        };
        return command;
    }

    private static Command Status(ServerFlags server)
    {
        var command = new Command("status", "Show whether all is well.");
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var cluster = await session.Client.GetClusterAsync(session.Stopping);
            session.Printer.One(
                json => ClusterText.WriteStatus(json, cluster),
                terminal => ClusterText.PrintStatus(terminal, cluster));
            return ClusterText.Problems(cluster).Count == 0 ? ExitCodes.Done : ExitCodes.Failed;
        }));
        return command;
    }

    private static Command Nodes(ServerFlags server)
    {
        var command = new Command("nodes", "List the nodes.");
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var cluster = await session.Client.GetClusterAsync(session.Stopping);
            await session.Printer.ManyAsync(
                cluster.Nodes.ToAsyncEnumerable(), ClusterJson.WriteNode, ClusterText.PrintNodes, session.Stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Partitions(ServerFlags server)
    {
        var node = Flags.Text("--node", "NAME", "Only those of this node.");
        var command = new Command("partitions", "List the partitions with their owners and epochs.") { node };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            string? wanted = parsed.GetValue(node);
            var partitions = ClusterText.Named(await session.Client.GetClusterAsync(session.Stopping))
                .Where(partition => wanted is null || partition.Node == wanted);
            await session.Printer.ManyAsync(
                partitions.ToAsyncEnumerable(), ClusterText.WritePartition, ClusterText.PrintPartitions,
                session.Stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Drain(ServerFlags server)
    {
        var name = new Argument<string>("NODE") { Description = "The name of the node, as in 'karya cluster nodes'." };
        var undo = Flags.Switch("--undo", "Let it take its part again.");
        var command = new Command("drain", "Have a node give its partitions to the others, and wait until it has.")
        {
            name, undo,
        };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(
            parsed, session => DrainAsync(session, parsed.GetValue(name)!, parsed.GetValue(undo))));
        return command;
    }

    private static async Task<int> DrainAsync(Session session, string node, bool isUndone)
    {
        await session.Client.DrainAsync(node, !isUndone, session.Stopping);
        int left = int.MaxValue;
        while (!isUndone && left > 0)
        {
            var cluster = await session.Client.GetClusterAsync(session.Stopping);
            left = cluster.Nodes.Where(one => one.Name == node).Sum(one => one.Partitions);
            if (left > 0)
                await Task.Delay(LookAgain, session.Clock, session.Stopping);
        }

        session.Printer.One(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("node", node);
                json.WriteString("state", isUndone ? "up" : "draining");
                json.WriteEndObject();
            },
            terminal => terminal.Line(isUndone
                ? $"{node} takes its part again"
                : $"{node} has no partitions any more; it serves requests until it is stopped"));
        return ExitCodes.Done;
    }
}
