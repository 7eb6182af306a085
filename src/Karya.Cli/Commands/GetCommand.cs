using System.CommandLine;
using Karya.Cli.Rendering;
using Karya.Client;
using Karya.Protocol;

namespace Karya.Cli.Commands;

/// <summary><c>karya get</c>: a plan and its latest task.</summary>
internal static class GetCommand
{
    private const string Examples = """
        Examples:
          karya get 01a20a7b-5d5f-7000-aae0-21f5763fed03
          karya get 01a20a7b-5d5f-7000-aae0-21f5763fed03 -o json

        Exit codes: 0 done, 2 wrong usage, 3 no node reachable, 4 there is no such plan.
        """;

    public static Command Define(ServerFlags server)
    {
        var id = PlanIds.One();
        var command = new ExampleCommand("get", "Show a plan and its latest task.", Examples) { id };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, session => RunAsync(session, parsed.GetValue(id))));
        return command;
    }

    private static async Task<int> RunAsync(Session session, Guid id)
    {
        var view = await session.Client.GetAsync(id, session.Stopping)
            ?? throw new KaryaNotFoundException(ErrorCode.PlanNotFound, $"there is no plan {id}");
        session.Printer.One(
            json => PlanText.WriteJson(json, view), terminal => session.Plans.Print(terminal, view));
        return ExitCodes.Done;
    }
}
