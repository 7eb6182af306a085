using System.CommandLine;
using Karya.Cli.Rendering;

namespace Karya.Cli.Commands;

/// <summary><c>karya trigger</c>: runs the task that waits, now.</summary>
internal static class TriggerCommand
{
    private const string Examples = """
        Examples:
          karya trigger 01a20a7b-5d5f-7000-aae0-21f5763fed03

        Later tasks keep their instants. Exit codes: 0 done, 2 wrong usage, 3 no node reachable, 4 there is no such plan,
        5 it has ended.
        """;

    public static Command Define(ServerFlags server)
    {
        var id = PlanIds.One();
        var command = new ExampleCommand("trigger", "Run the task that waits at once.", Examples) { id };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, session => RunAsync(session, parsed.GetValue(id))));
        return command;
    }

    private static async Task<int> RunAsync(Session session, Guid id)
    {
        var plan = await session.Client.TriggerAsync(id, session.Stopping);
        session.Printer.One(
            json => PlanText.WriteJson(json, plan), terminal => session.Plans.Print(terminal, [plan]));
        return ExitCodes.Done;
    }
}
