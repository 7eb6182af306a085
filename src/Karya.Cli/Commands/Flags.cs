using System.CommandLine;
using System.CommandLine.Parsing;

namespace Karya.Cli.Commands;

/// <summary>Options and arguments whose mistakes say what would be right.</summary>
internal static class Flags
{
    /// <param name="read">Throws a <see cref="FormatException"/> for a text that is none.</param>
    public static Option<T?> Value<T>(
        string name, string helpName, string description, Func<string, T> read) where T : struct => new(name)
    {
        HelpName = helpName,
        Description = description,
        CustomParser = result => Read<T?>(result, text => read(text), $"{name}: "),
    };

    public static Option<string?> Text(string name, string helpName, string description) => new(name)
    {
        HelpName = helpName,
        Description = description,
    };

    public static Option<bool> Switch(string name, string description) => new(name) { Description = description };

    /// <inheritdoc cref="Value"/>
    public static T? Read<T>(ArgumentResult result, Func<string, T> read, string prefix)
    {
        try
        {
            return read(result.Tokens[^1].Value);
        }
        catch (FormatException exception)
        {
            result.AddError(prefix + exception.Message);
            return default;
        }
    }
}
