using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Diagnostics.CodeAnalysis;
using Karya.Cli.Commands;
using Karya.Cli.Rendering;

namespace Karya.Cli;

/// <summary>The executable: arguments, command, exit code, and nothing else.</summary>
internal static class Program
{
    private const string Description = """
        Karya, a task scheduler in one binary.

        Examples:
          karya run                        start a node here, with its data in ./karya-data
          karya run --data /var/lib/karya  keep the data somewhere else
          karya run --help                 all there is to say about starting a node
          karya migrate status             is the schema in Postgres up to date?

        Nothing is sent anywhere but where your plans say.
        """;

    public static async Task<int> Main(string[] arguments)
    {
        var terminal = new Terminal(Console.Out, Console.Error, Terminal.WantsColour());
        var root = new RootCommand(Description)
        {
            RunCommand.Define(RealClock(), terminal),
            MigrateCommand.Define(terminal),
        };
        root.SetAction(parsed => new HelpAction().Invoke(parsed));

        var parsed = root.Parse(arguments);
        if (parsed.Action is ParseErrorAction)
        {
            foreach (var mistake in parsed.Errors)
                terminal.Error(mistake.Message);
            terminal.Hint("karya --help");
            return ExitCodes.Usage;
        }

        if (parsed.Action is HelpAction help && ExamplesOf(parsed.CommandResult.Command) is { } examples)
        {
            help.Invoke(parsed);
            terminal.Line(examples);
            return ExitCodes.Done;
        }

        // Signals are the command's own: what a first and a second one mean depends on what is running.
        return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }

    private static string? ExamplesOf(Command command) =>
        command.Name == RunCommand.Name ? RunCommand.Examples
        : MigrateCommand.IsNamed(command) ? MigrateCommand.Examples
        : null;

    [SuppressMessage("ApiDesign", "RS0030:Do not use banned APIs", Justification =
        "The entry point chooses the clock; everything else is handed one.")]
    private static TimeProvider RealClock() => TimeProvider.System;
}
