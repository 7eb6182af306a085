using System.Collections;
using System.CommandLine;
using Karya.Cli.Rendering;
using Karya.Node.Configuration;

namespace Karya.Cli.Commands;

/// <summary>The node's configuration, for commands that need it: one flag, and all mistakes at once.</summary>
internal static class CommandOptions
{
    public static Option<string?> ConfigFlag() => new("--config")
    {
        Description = "The configuration file (default: ./karya-node.yml, if it is there).",
        HelpName = "FILE",
    };

    /// <summary>Null when there are mistakes; they are printed then, and the command is over.</summary>
    public static NodeOptions? Read(Terminal terminal, string? configPath, string? dataDirectory)
    {
        var reading = OptionsReader.Read(configPath, dataDirectory, Directory.GetCurrentDirectory(), Environment());
        foreach (string note in reading.Notes)
            terminal.Note(note);
        foreach (string problem in reading.Problems)
            terminal.Error(problem);
        return reading.Problems.Count > 0 ? null : reading.Options;
    }

    /// <summary>Without what is for commands that talk to a node: one shell may do both.</summary>
    private static Dictionary<string, string> Environment() =>
        System.Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(variable => variable.Key is not (ServerFlags.ServerVariable or ServerFlags.UserVariable))
            .ToDictionary(variable => (string)variable.Key, variable => (string?)variable.Value ?? "");
}
