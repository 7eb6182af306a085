using System.CommandLine;
using Karya.Cli.Rendering;

namespace Karya.Cli.Commands;

/// <summary><c>karya watch</c>: what becomes of a plan, as it happens.</summary>
internal static class WatchCommand
{
    private const string Examples = """
        Examples:
          karya watch 01a20a7b-5d5f-7000-aae0-21f5763fed03
          karya watch 01a20a7b-5d5f-7000-aae0-21f5763fed03 -o jsonl

        One line for each change of a task, until the plan has ended or Ctrl-C (130). Changes that follow one another
        within a second may be seen as one.
        """;

    public static Command Define(ServerFlags server)
    {
        var id = PlanIds.One();
        var command = new ExampleCommand("watch", "Follow a plan until it has ended.", Examples) { id };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, session => RunAsync(session, parsed.GetValue(id))));
        return command;
    }

    private static async Task<int> RunAsync(Session session, Guid id)
    {
        var following = new Following(session);
        await following.RunAsync(id);
        if (session.Printer.Form == OutputForm.Json)
            session.Printer.Items(following.Changes, TaskText.WriteJson);
        return ExitCodes.Done;
    }
}
