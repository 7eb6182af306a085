using System.Diagnostics.CodeAnalysis;

namespace Karya.Engine.Scheduling;

/// <summary>
/// ISO-8601 durations exactly as <c>java.time.Duration.parse</c> reads them: days (of 24 hours), hours, minutes and
/// seconds, letters in either case, signs anywhere, at most nine digits of a second after a point or comma.
/// </summary>
/// <remarks>
/// <code>
/// [+-] P [n D] [T [n H] [n M] [n [.f] S]]      n = [+-] digits, f = 0 to 9 digits; one part at least, one after a T
/// </code>
/// </remarks>
public static class IsoDuration
{
    private const long NanosPerSecond = 1_000_000_000;
    private const int NanosPerMs = 1_000_000;
    private const int FractionDigitsMax = 9;

    private const string HowTo = "write for example PT30S, PT1H30M or P1DT12H";

    /// <summary>Reads a duration. What is finer than a millisecond is cut off, towards zero.</summary>
    /// <param name="ms">0 or negative for durations that are.</param>
    /// <param name="error">What is wrong and what to write instead; continues a sentence that began with the
    /// value.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out long ms, [NotNullWhen(false)] out string? error)
    {
        ms = 0;
        int at = 0;
        bool negative = SkipSign(text, ref at);
        if (at == text.Length || Lower(text[at]) != 'p')
        {
            error = text.IsEmpty ? $"is empty; {HowTo}" : $"is not an ISO-8601 duration: it must begin with P; {HowTo}";
            return false;
        }

        at++;
        if (!TryReadParts(text, at, out Int128 nanos, out error))
            return false;

        Int128 value = (negative ? -nanos : nanos) / NanosPerMs;
        if (value > long.MaxValue || value < long.MinValue)
        {
            error = TooLong();
            return false;
        }

        ms = (long)value;
        return true;
    }

    private static bool TryReadParts(
        ReadOnlySpan<char> text, int at, out Int128 nanos, [NotNullWhen(false)] out string? error)
    {
        nanos = 0;
        long seconds = 0;
        int rank = 0;
        bool inTime = false;
        bool complete = false;
        while (at < text.Length)
        {
            if (!inTime && Lower(text[at]) == 't')
            {
                inTime = true;
                complete = false;
                at++;
                continue;
            }

            int start = at;
            if (!TryReadNumber(text, ref at, out long number, out long fractionNanos, out bool hasFraction, out error))
                return false;

            if (!TryReadUnit(text, at, inTime, ref rank, out long unitSeconds, out error))
                return false;

            if (hasFraction && unitSeconds != 1)
            {
                error = "has a fraction, and only seconds may have one";
                return false;
            }

            if (!TryAdd(ref seconds, number, unitSeconds))
            {
                error = TooLong();
                return false;
            }

            nanos = text[start] == '-' ? -fractionNanos : fractionNanos;
            complete = true;
            at++;
        }

        // The fraction belongs to the last part, if to any: nothing may follow seconds.
        nanos += (Int128)seconds * NanosPerSecond;
        error = complete ? null : $"ends without an amount; {HowTo}";
        return complete;
    }

    private static bool TryReadNumber(
        ReadOnlySpan<char> text, ref int at, out long number, out long fractionNanos, out bool hasFraction,
        [NotNullWhen(false)] out string? error)
    {
        fractionNanos = 0;
        hasFraction = false;
        error = null;
        int start = at;
        bool negative = SkipSign(text, ref at);
        Int128 digits = 0;
        int first = at;
        for (; at < text.Length && char.IsAsciiDigit(text[at]); at++)
            digits = digits > long.MaxValue ? digits : digits * 10 + (text[at] - '0');

        number = 0;
        if (at == first)
        {
            error = NoNumber(text, start);
            return false;
        }

        Int128 signed = negative ? -digits : digits;
        if (signed > long.MaxValue || signed < long.MinValue)
        {
            error = TooLong();
            return false;
        }

        number = (long)signed;
        if (at < text.Length && text[at] is '.' or ',')
        {
            hasFraction = true;
            at++;
            return TryReadFraction(text, ref at, out fractionNanos, out error);
        }

        return true;
    }

    private static bool TryReadFraction(
        ReadOnlySpan<char> text, ref int at, out long nanos, [NotNullWhen(false)] out string? error)
    {
        nanos = 0;
        error = null;
        long unit = NanosPerSecond / 10;
        for (int first = at; at < text.Length && char.IsAsciiDigit(text[at]); at++, unit /= 10)
        {
            if (at - first == FractionDigitsMax)
            {
                error = $"has more than {FractionDigitsMax} digits after the point";
                return false;
            }

            nanos += unit * (text[at] - '0');
        }

        return true;
    }

    /// <summary>
    /// Units follow each other from large to small, none twice: <paramref name="rank"/> counts them down.
    /// </summary>
    private static bool TryReadUnit(
        ReadOnlySpan<char> text, int at, bool inTime, ref int rank, out long unitSeconds,
        [NotNullWhen(false)] out string? error)
    {
        char letter = at < text.Length ? Lower(text[at]) : '\0';
        (int next, unitSeconds) = (letter, inTime) switch
        {
            ('d', false) => (1, 86_400),
            ('h', true) => (2, 3600),
            ('m', true) => (3, 60),
            ('s', true) => (4, 1),
            _ => (0, 0),
        };

        if (next > rank)
        {
            rank = next;
            error = null;
            return true;
        }

        error = next == 0 ? NoUnit(letter, inTime) : "has its parts twice or out of order; the order is D, T, H, M, S";
        return false;
    }

    private static string NoUnit(char letter, bool inTime) => (letter, inTime) switch
    {
        ('y', _) or ('m', false) =>
            "is refused: months and years have no fixed length; use days (D), or hours, minutes and seconds after a T",
        ('w', _) => "is refused: weeks are not accepted; use days, P14D for two weeks",
        ('d', true) => "has days after the T; write them before it: P1DT2H",
        ('h', false) or ('s', false) => "has hours or seconds before the T; write a T before them: PT1H30M",
        ('\0', _) => "ends with a number without a unit; the units are D, and after a T: H, M, S",
        _ => $"has an unknown unit; the units are D, and after a T: H, M, S; {HowTo}",
    };

    private static string NoNumber(ReadOnlySpan<char> text, int at) =>
        at < text.Length && char.IsWhiteSpace(text[at])
            ? "has white space in it; a duration has none"
            : $"lacks a number at position {at + 1}; {HowTo}";

    private static string TooLong() => "is too long: it does not fit 64 bits of milliseconds";

    private static bool TryAdd(ref long seconds, long number, long unitSeconds)
    {
        Int128 sum = (Int128)number * unitSeconds;
        if (sum > long.MaxValue || sum < long.MinValue)
            return false;

        sum += seconds;
        if (sum > long.MaxValue || sum < long.MinValue)
            return false;

        seconds = (long)sum;
        return true;
    }

    private static bool SkipSign(ReadOnlySpan<char> text, ref int at)
    {
        if (at == text.Length || text[at] is not ('+' or '-'))
            return false;

        return text[at++] == '-';
    }

    private static char Lower(char letter) => (char)(letter | 0x20);
}
