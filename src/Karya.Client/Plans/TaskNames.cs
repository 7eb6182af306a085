using Karya.Protocol;

namespace Karya.Client.Plans;

/// <summary>Names of tasks: 1 to 128 of a-z, 0-9, '.', '_' and '-'.</summary>
internal static class TaskNames
{
    public static bool IsValid(string name) =>
        name.Length is > 0 and <= ProtocolLimits.TaskNameBytesMax &&
        name.All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter is '.' or '_' or '-');

    /// <exception cref="ArgumentException">It is none.</exception>
    public static string Checked(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return IsValid(name) ? name : throw new ArgumentException(
            $"'{name}' is no task name: it must have 1 to {ProtocolLimits.TaskNameBytesMax} of a-z, 0-9, '.', '_' " +
            "and '-'.");
    }
}
