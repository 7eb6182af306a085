using System.CommandLine;

namespace Karya.Cli.Commands;

/// <summary>A command with examples, which stand below its help and below that of its verbs.</summary>
internal sealed class ExampleCommand(string name, string description, string examples) : Command(name, description)
{
    /// <summary>Null when neither the command nor one above it has any.</summary>
    public static string? Of(Command command) =>
        command is ExampleCommand own ? own.Examples : command.Parents.OfType<ExampleCommand>().FirstOrDefault()?.Examples;

    public string Examples => examples;
}
