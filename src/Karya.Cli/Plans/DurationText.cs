using System.Globalization;
using System.Text;
using System.Xml;
using Karya.Engine.Scheduling;

namespace Karya.Cli.Plans;

/// <summary>
/// Durations as people type them, <c>90s</c>, <c>10m</c>, <c>1h30m</c>, <c>250ms</c>, <c>7d</c>, or in ISO 8601 as
/// <c>PT90S</c>. Shown in the first form, and as ISO 8601 in JSON.
/// </summary>
internal static class DurationText
{
    public const string Form = "a duration such as 250ms, 90s, 1h30m, 7d or PT90S";

    /// <summary>From large to small, as they stand in a text.</summary>
    private static readonly (string Name, long Ms)[] Units =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    /// <exception cref="FormatException">It is none.</exception>
    public static TimeSpan Read(string text)
    {
        if (text.StartsWith("P", StringComparison.OrdinalIgnoreCase))
        {
            if (!IsoDuration.TryParse(text, out long isoMs, out string? error))
                throw new FormatException($"'{text}' {error}.");
            return ToDuration(text, isoMs);
        }

        long ms = 0;
        int at = 0;
        int unitsFrom = 0;
        while (at < text.Length)
        {
            long count = ReadCount(text, ref at);
            int unit = ReadUnit(text, ref at, unitsFrom);
            unitsFrom = unit + 1;
            if (count > (long.MaxValue - ms) / Units[unit].Ms)
                throw new FormatException($"'{text}' is too long.");
            ms += count * Units[unit].Ms;
        }

        return text.Length > 0 ? ToDuration(text, ms) : throw NotOne(text);
    }

    /// <summary>The largest units that are needed: <c>1h30m</c>. What is finer than a millisecond is left out.</summary>
    public static string Show(TimeSpan duration)
    {
        long left = (long)duration.Duration().TotalMilliseconds;
        if (left == 0)
            return "0s";

        var text = new StringBuilder(duration < TimeSpan.Zero ? "-" : "");
        foreach (var (name, ms) in Units)
        {
            if (left >= ms)
                text.Append(CultureInfo.InvariantCulture, $"{left / ms}{name}");
            left %= ms;
        }

        return text.ToString();
    }

    public static string ToIso(TimeSpan duration) => XmlConvert.ToString(duration);

    private static long ReadCount(string text, ref int at)
    {
        int start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
            at++;
        return long.TryParse(text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            ? count
            : throw NotOne(text);
    }

    /// <summary>The place of the unit, among those that may follow the one before.</summary>
    private static int ReadUnit(string text, ref int at, int unitsFrom)
    {
        int start = at;
        while (at < text.Length && !char.IsAsciiDigit(text[at]))
            at++;
        string name = text[start..at];
        int unit = Array.FindIndex(Units, candidate => candidate.Name == name);
        return unit >= unitsFrom ? unit : throw NotOne(text);
    }

    private static TimeSpan ToDuration(string text, long ms) =>
        ms is >= 0 and <= long.MaxValue / TimeSpan.TicksPerMillisecond
            ? TimeSpan.FromMilliseconds(ms)
            : throw new FormatException($"'{text}' is {(ms < 0 ? "negative" : "too long")}.");

    private static FormatException NotOne(string text) => new($"'{text}' is not {Form}.");
}
