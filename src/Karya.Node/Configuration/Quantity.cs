using System.Globalization;
using Karya.Engine;

namespace Karya.Node.Configuration;

/// <summary>
/// Amounts with a unit, as the configuration writes them: durations (<c>500ms</c>, <c>30s</c>, <c>10m</c>, <c>24h</c>,
/// <c>7d</c>) and sizes (<c>64KiB</c>, <c>1MiB</c>). One whole number, one unit, nothing between them: one way to write
/// each amount, readable without a manual.
/// </summary>
internal static class Quantity
{
    public const string DurationForm = "a duration such as 500ms, 30s, 10m, 24h or 7d";
    public const string SizeForm = "a size such as 512B, 64KiB or 1MiB";

    // From large to small: an amount is shown in the largest unit that divides it.
    private static readonly (string Name, long Factor)[] DurationUnits =
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

    private static readonly (string Name, long Factor)[] SizeUnits =
        [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

    /// <summary>
    /// Reads a duration into milliseconds. Otherwise <paramref name="hint"/> says how to write it; it may be empty.
    /// </summary>
    public static bool TryParseDuration(string text, out long ms, out string hint)
    {
        if (TryParse(text, DurationUnits, out ms))
        {
            hint = "";
            return true;
        }

        if (text.StartsWith('P'))
            hint = "ISO 8601 durations are for plans; here the unit is written out: 30s instead of PT30S";
        else
            hint = HintFor(text, "ms, s, m, h or d", "90m instead of 1.5h");
        return false;
    }

    /// <summary>
    /// Reads a size into bytes. Otherwise <paramref name="hint"/> says how to write it; it may be empty.
    /// </summary>
    public static bool TryParseSize(string text, out long bytes, out string hint)
    {
        if (TryParse(text, SizeUnits, out bytes))
        {
            hint = "";
            return true;
        }

        bool isDecimal = text.EndsWith("KB", StringComparison.OrdinalIgnoreCase)
            || text.EndsWith("MB", StringComparison.OrdinalIgnoreCase);
        hint = isDecimal
            ? "KB and MB mean different things to different people; write KiB (1024 bytes) or MiB"
            : HintFor(text, "B, KiB, MiB or GiB", "512KiB instead of 0.5MiB");
        return false;
    }

    public static string ShowDuration(TimeSpan duration) =>
        duration == TimeSpan.Zero ? "0s" : Show((long)duration.TotalMilliseconds, DurationUnits);

    public static string ShowSize(long bytes) => Show(bytes, SizeUnits);

    private static bool TryParse(string text, (string Name, long Factor)[] units, out long amount)
    {
        amount = 0;
        int digitCount = CountDigits(text);
        var digits = text.AsSpan(0, digitCount);
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long count))
            return false;

        foreach (var (name, factor) in units)
        {
            if (!text.AsSpan(digitCount).SequenceEqual(name))
                continue;

            // Far beyond every limit, and short of an overflow: whoever checks the range refuses it.
            amount = count > long.MaxValue / factor ? long.MaxValue : count * factor;
            return true;
        }

        return false;
    }

    private static string HintFor(string text, string units, string wholeNumber)
    {
        int digitCount = CountDigits(text);
        if (digitCount == 0)
            return "";
        if (digitCount == text.Length)
            return $"the unit is missing: {units}";
        return text[digitCount] is '.' or ','
            ? $"whole numbers only: {wholeNumber}"
            : $"one whole number and one unit: {units}";
    }

    private static int CountDigits(string text)
    {
        int digitCount = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        return digitCount < 0 ? text.Length : digitCount;
    }

    private static string Show(long amount, (string Name, long Factor)[] units)
    {
        Invariant.Check(amount >= 0);
        var (name, factor) = Array.Find(units, unit => unit.Factor == 1 || (amount != 0 && amount % unit.Factor == 0));
        return string.Create(CultureInfo.InvariantCulture, $"{amount / factor}{name}");
    }
}
