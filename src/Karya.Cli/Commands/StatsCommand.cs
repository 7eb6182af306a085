using System.CommandLine;
using Karya.Cli.Rendering;

namespace Karya.Cli.Commands;

/// <summary><c>karya stats</c>: a node's figures at this moment.</summary>
internal static class StatsCommand
{
    private const string Examples = """
        Examples:
          karya stats
          karya stats --server karya://10.0.0.7:7070 -o json

        Exit codes: 0 done, 2 wrong usage, 3 no node reachable.
        """;

    public static Command Define(ServerFlags server)
    {
        var command = new ExampleCommand("stats", "Show a node's figures.", Examples);
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, RunAsync));
        return command;
    }

    private static async Task<int> RunAsync(Session session)
    {
        var stats = await session.Client.GetStatsAsync(session.Stopping);
        session.Printer.One(
            json => StatsText.WriteJson(json, stats), terminal => StatsText.Print(terminal, session.Client.Node, stats));
        return ExitCodes.Done;
    }
}
