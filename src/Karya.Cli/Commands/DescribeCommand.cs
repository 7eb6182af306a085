using System.CommandLine;
using Karya.Cli.Rendering;

namespace Karya.Cli.Commands;

/// <summary><c>karya describe</c>: all there is to say about a plan.</summary>
internal static class DescribeCommand
{
    private const string Examples = """
        Examples:
          karya describe 01a20a7b-5d5f-7000-aae0-21f5763fed03
          karya describe 01a20a7b-5d5f-7000-aae0-21f5763fed03 -o json

        Of tasks and errors the latest 100 are shown. Exit codes: 0 done, 2 wrong usage, 3 no node reachable, 4 there is
        no such plan.
        """;

    public static Command Define(ServerFlags server)
    {
        var id = PlanIds.One();
        var command = new ExampleCommand("describe", "Show a plan with its tasks and errors.", Examples) { id };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, session => RunAsync(session, parsed.GetValue(id))));
        return command;
    }

    private static async Task<int> RunAsync(Session session, Guid id)
    {
        var summary = await session.Client.SummarizeAsync(id, session.Stopping);
        session.Printer.One(
            json => PlanText.WriteJson(json, summary), terminal => session.Plans.Print(terminal, summary));
        return ExitCodes.Done;
    }
}
