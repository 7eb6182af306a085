using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Karya.Cli.Commands;
using Karya.Cli.Rendering;

namespace Karya.Cli;

/// <summary>All commands, and how one of them comes to run.</summary>
internal static class CommandLine
{
    private const string Description = """
        Karya, a task scheduler in one binary.

        Examples:
          karya run                        start a node here, with its data in ./karya-data
          karya submit http GET https://example.org/ping --every 1m
          karya list                       what is there
          karya run --help                 all there is to say about starting a node
          karya migrate status             is the schema in Postgres up to date?

        Nothing is sent anywhere but where your plans say.
        """;

    /// <summary>An argument that begins with @ is a file only where a command says so.</summary>
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static RootCommand Define(TimeProvider clock, Terminal terminal)
    {
        var server = new ServerFlags(clock, terminal);
        var root = new RootCommand(Description)
        {
            RunCommand.Define(clock, terminal),
            SubmitCommand.Define(server),
            GetCommand.Define(server),
            DescribeCommand.Define(server),
            ListCommand.Define(server),
            CancelCommand.Define(server),
            WatchCommand.Define(server),
            TriggerCommand.Define(server),
            StatsCommand.Define(server),
            ClusterCommand.Define(server),
            ConnectorCommand.Define(server),
            DeadCommand.Define(server),
            TopCommand.Define(server),
            UserCommand.Define(server),
            MigrateCommand.Define(terminal),
        };
        root.SetAction(parsed => new HelpAction().Invoke(parsed));
        return root;
    }

    public static async Task<int> RunAsync(string[] arguments, TimeProvider clock, Terminal terminal)
    {
        var parsed = Define(clock, terminal).Parse(arguments, Parsing);
        if (parsed.Action is ParseErrorAction)
        {
            foreach (var mistake in parsed.Errors)
                terminal.Error(mistake.Message);
            terminal.Hint($"{PathOf(parsed.CommandResult.Command)} --help");
            return ExitCodes.Usage;
        }

        try
        {
            // Signals are the command's own: what a first and a second one mean depends on what is running.
            int exitCode = await parsed.InvokeAsync(new InvocationConfiguration
            {
                ProcessTerminationTimeout = null,
                EnableDefaultExceptionHandler = false,
                Output = terminal.Output,
            });
            if (parsed.Action is HelpAction && ExampleCommand.Of(parsed.CommandResult.Command) is { } examples)
                terminal.Line(examples);
            return exitCode;
        }
        catch (UsageException mistake)
        {
            terminal.Error(mistake.Message);
            if (mistake.Why is { } why)
                terminal.Why(why);
            terminal.Hint(mistake.Hint ?? $"{PathOf(parsed.CommandResult.Command)} --help");
            return ExitCodes.Usage;
        }
        catch (Exception exception)
        {
            terminal.Error("karya itself is at fault, and stops");
            terminal.Why(exception.ToString());
            return ExitCodes.Failed;
        }
    }

    /// <summary>As one types it: <c>karya submit http</c>.</summary>
    private static string PathOf(Command command) => command is RootCommand
        ? "karya"
        : $"{PathOf(command.Parents.OfType<Command>().First())} {command.Name}";
}
