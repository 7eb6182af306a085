using System.Globalization;

namespace Karya.Simulation;

/// <summary>Options with their values, as <c>--name value</c> or <c>--name=value</c>; there are no others.</summary>
internal sealed class Arguments
{
    private readonly Dictionary<string, string> _values = [];

    /// <summary>Throws <see cref="ArgumentException"/>, which says what is wrong.</summary>
    public Arguments(IReadOnlyList<string> args, params IReadOnlyList<string> known)
    {
        for (int i = 0; i < args.Count; i++)
        {
            string[] parts = args[i].Split('=', 2);
            if (!parts[0].StartsWith("--", StringComparison.Ordinal) || !known.Contains(parts[0][2..]))
                throw new ArgumentException($"{args[i]} is not known; known are --{string.Join(", --", known)}.");
            if (parts.Length == 1 && i + 1 == args.Count)
                throw new ArgumentException($"{args[i]} needs a value.");
            _values[parts[0][2..]] = parts.Length == 2 ? parts[1] : args[++i];
        }
    }

    public string? Text(string name) => _values.GetValueOrDefault(name);

    public long? Number(string name)
    {
        if (Text(name) is not { } text)
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            ? number
            : throw new ArgumentException($"--{name} is a number, and not {text}.");
    }

    public TEnum? Name<TEnum>(string name) where TEnum : struct, Enum
    {
        if (Text(name) is not { } text)
            return null;
        return Enum.TryParse(text, out TEnum value) && Enum.IsDefined(value)
            ? value
            : throw new ArgumentException(
                $"--{name} is one of {string.Join(", ", Enum.GetNames<TEnum>())}, and not {text}.");
    }

    /// <summary>Throws <see cref="ArgumentException"/> when none of these is there.</summary>
    public void Needs(params IReadOnlyList<string> names)
    {
        if (!names.Any(_values.ContainsKey))
            throw new ArgumentException($"--{string.Join(" or --", names)} is needed.");
    }
}
