using System.Globalization;

namespace Karya.Cli.Plans;

/// <summary>Instants: read with their offset from UTC, so that nobody has to guess whose clock is meant; written in UTC.</summary>
internal static class InstantText
{
    private static readonly string[] Forms =
        ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd HH:mm:ss.FFFFFFFK", "yyyy-MM-dd HH:mmK"];

    /// <exception cref="FormatException">It is none, or has no offset.</exception>
    public static DateTimeOffset Read(string text)
    {
        bool hasOffset = text.EndsWith('Z') || (text.Length > 6 && text[^6] is '+' or '-');
        return hasOffset && DateTimeOffset.TryParseExact(
            text, Forms, CultureInfo.InvariantCulture, DateTimeStyles.None, out var instant)
            ? instant
            : throw new FormatException(
                $"'{text}' is not an instant such as 2026-12-01T08:00:00Z or 2026-12-01T09:00:00+01:00.");
    }

    /// <summary>RFC 3339, in UTC, to the millisecond.</summary>
    public static string Show(DateTimeOffset instant) =>
        instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
