using System.CommandLine;
using System.Globalization;
using Karya.Cli.Rendering;
using Karya.Client;

namespace Karya.Cli.Commands;

/// <summary><c>karya cancel</c>: stops plans and their descendants.</summary>
internal static class CancelCommand
{
    private const string Examples = """
        Examples:
          karya cancel 01a20a7b-5d5f-7000-aae0-21f5763fed03
          karya cancel --yes 01a20a7b-5d5f-7000-aae0-21f5763fed03 01a20a7b-5d5f-7000-aae0-21f5763fed04

        Asks first when more than one plan is meant; where nobody can answer, --yes is needed. When one cannot be
        cancelled the others are, and the exit code is that of the first: 4 there is no such plan, 5 it has ended.
        """;

    public static Command Define(ServerFlags server)
    {
        var ids = PlanIds.Many();
        var yes = Flags.Switch("--yes", "Do not ask.");
        var command = new ExampleCommand("cancel", "Stop plans, descendants included.", Examples) { ids, yes };
        server.AddTo(command);
        command.SetAction(async parsed =>
        {
            var plans = parsed.GetRequiredValue(ids);
            if (plans.Length > 1 && !parsed.GetValue(yes) && !Confirms(server.Terminal, plans.Length))
                return ExitCodes.Failed;
            return await server.RunAsync(parsed, session => RunAsync(session, plans));
        });
        return command;
    }

    private static bool Confirms(Terminal terminal, int count)
    {
        string what = string.Create(CultureInfo.InvariantCulture, $"cancel {count} plans");
        return terminal.Confirms($"{what}?")
            ?? throw new UsageException($"{what}: nobody is there to ask", hint: "add --yes");
    }

    private static async Task<int> RunAsync(Session session, Guid[] ids)
    {
        int exitCode = ExitCodes.Done;
        var cancelled = new List<PlanState>();
        foreach (var id in ids)
        {
            try
            {
                cancelled.Add(await session.Client.CancelAsync(id, session.Stopping));
            }
            catch (KaryaException exception) when (exception is KaryaNotFoundException or KaryaConflictException)
            {
                session.Terminal.Message($"{id}:");
                int code = Failures.Print(session.Terminal, exception);
                exitCode = exitCode == ExitCodes.Done ? code : exitCode;
            }
        }

        if (cancelled.Count > 0)
        {
            await session.Printer.ManyAsync(
                cancelled.ToAsyncEnumerable(), PlanText.WriteJson, session.Plans.Print, session.Stopping);
        }

        return exitCode;
    }
}
