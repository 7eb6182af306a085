using System.Diagnostics.CodeAnalysis;
using System.Security;
using System.Text;
using Cronos;

namespace Karya.Engine.Scheduling;

/// <summary>
/// A cron expression in a time zone: the instants at which a plan is due. Immutable; a pure function, given the time
/// zones of this machine.
/// </summary>
/// <remarks>
/// <code>
///          minute hour day month weekday      5 fields; due in second 0
///   second minute hour day month weekday      6 fields
///
///   every field       *     1,2     1-5     FRI-MON (over the end)     */5     1-30/5
///   day               ?     L (the last)    LW (the last working day)  L-3     15W (the working day nearest to it)
///   month             JAN-DEC
///   weekday           ?     SUN-SAT         0 and 7 (Sunday)           5L (the last Friday)     MON#2 (the second)
/// </code>
/// <para>Day of month <b>and</b> day of week must match: "0 0 13 * FRI" is Friday the 13th. (Vixie cron fires when
/// either matches.)</para>
/// <para>When clocks go forward, an occurrence inside the gap is due at the first instant after it (02:30 at 03:00).
/// When they go back, an expression with plain numbers in second, minute and hour is due once, at the earlier of the
/// two instants; one that has a star, a range or a step there is due in both hours.</para>
/// <para>These rules are those of Cronos, which does the work.</para>
/// </remarks>
public sealed class CronSchedule
{
    /// <summary>The zone that an empty name stands for.</summary>
    public const string DefaultZone = "UTC";

    private const char Separator = '\n'; // Neither an expression nor the name of a zone can hold one.

    private readonly CronExpression _cron;
    private readonly TimeZoneInfo _zone;

    private CronSchedule(CronExpression cron, TimeZoneInfo zone, string expression, string zoneName)
    {
        _cron = cron;
        _zone = zone;
        Expression = expression;
        Zone = zoneName;
    }

    public string Expression { get; }

    /// <summary>The IANA name of the zone.</summary>
    public string Zone { get; }

    /// <param name="zone">An IANA name such as Europe/Berlin; empty for UTC.</param>
    /// <param name="error">What is wrong and what is allowed: a sentence for the person who wrote it.</param>
    public static bool TryParse(
        string expression, string zone, [NotNullWhen(true)] out CronSchedule? schedule,
        [NotNullWhen(false)] out string? error)
    {
        schedule = null;
        string zoneName = zone.Length == 0 ? DefaultZone : zone;
        if (!TryFindZone(zoneName, out var found))
        {
            error = $"The time zone '{Shorten(zoneName)}' is not known; use an IANA name such as Europe/Berlin or UTC.";
            return false;
        }

        error = CronFields.FindMistake(expression);
        if (error is not null)
            return false;
        if (!TryParseFields(expression, out var cron))
        {
            error = $"The cron expression '{expression}' is not valid.";
            return false;
        }

        var parsed = new CronSchedule(cron, found, expression, zoneName);
        if (parsed.NextMs(0) is null)
        {
            error = $"The cron expression '{expression}' never fires: no day matches all of its fields.";
            return false;
        }

        schedule = parsed;
        return true;
    }

    /// <summary>
    /// Reads what <see cref="ToBytes"/> wrote; false when the time zones of this machine lack that one.
    /// </summary>
    internal static bool TryRead(ReadOnlySpan<byte> stored, [NotNullWhen(true)] out CronSchedule? schedule)
    {
        string text = Encoding.UTF8.GetString(stored);
        int end = text.IndexOf(Separator, StringComparison.Ordinal);
        schedule = null;
        if (end < 0 || !TryParseFields(text[..end], out var cron) || !TryFindZone(text[(end + 1)..], out var zone))
            return false;

        schedule = new CronSchedule(cron, zone, text[..end], text[(end + 1)..]);
        return true;
    }

    /// <summary>The schedule as it is stored: expression, line feed, zone.</summary>
    public byte[] ToBytes() => Encoding.UTF8.GetBytes(Expression + Separator + Zone);

    /// <summary>
    /// The first instant strictly after <paramref name="afterMs"/>; null when there is none before the end of time
    /// (<see cref="Limits.InstantMsMax"/>).
    /// </summary>
    public long? NextMs(long afterMs)
    {
        if (afterMs >= Limits.InstantMsMax - 1)
            return null;

        var after = DateTime.UnixEpoch.AddMilliseconds(Math.Max(0, afterMs));
        try
        {
            var next = _cron.GetNextOccurrence(after, _zone);
            return next is null ? null : (next.Value - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMillisecond;
        }
        catch (ArgumentOutOfRangeException)
        {
            return null; // Within a day of the year 10000, local time and UTC do not both fit the calendar.
        }
    }

    private static bool TryParseFields(string expression, [NotNullWhen(true)] out CronExpression? cron)
    {
        cron = null;
        bool hasSeconds = CronFields.CountOf(expression) == CronFields.CountMax;
        var format = hasSeconds ? CronFormat.IncludeSeconds : CronFormat.Standard;
        return CronExpression.TryParse(expression, format, out cron!);
    }

    /// <summary>
    /// The characters are checked first: .NET opens a file of that name, which must be below the zones' folder.
    /// </summary>
    private static bool TryFindZone(string name, [NotNullWhen(true)] out TimeZoneInfo? zone)
    {
        zone = null;
        bool isName = name.Length <= Limits.ZoneCharsMax && char.IsAsciiLetter(name.FirstOrDefault())
            && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '+');
        if (!isName)
            return false;

        try
        {
            zone = TimeZoneInfo.FindSystemTimeZoneById(name);
            return true;
        }
        catch (Exception e) when (e is TimeZoneNotFoundException or InvalidTimeZoneException or SecurityException)
        {
            return false;
        }
    }

    private static string Shorten(string name) =>
        name.Length <= Limits.ZoneCharsMax ? name : string.Concat(name.AsSpan(0, Limits.ZoneCharsMax), "…");
}
