using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

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

    /// <summary>Reads a whole number that is large enough.</summary>
    public static Func<string, int> NumberFrom(int min) => text =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= min
            ? number
            : throw new FormatException(
                string.Create(CultureInfo.InvariantCulture, $"'{text}' must be a whole number from {min}."));

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
