namespace Karya.Simulation.Judging;

/// <summary>
/// When a cron expression of five fields is due, found in the plainest way: minute by minute, on the wall clock of its
/// zone. Nothing of it is shared with the engine.
/// </summary>
/// <remarks>
/// What <c>docs/states.md</c> promises: day of month and day of week must both match; what is due inside the gap of
/// summer time is due at its end; in the hour that comes twice, plain numbers are due once, at the earlier instant, and
/// stars, ranges and steps in both.
/// </remarks>
internal sealed class CronOracle
{
    private const long MinuteMs = 60_000;
    private const int YearsMax = 9;

    private readonly bool[] _minutes;
    private readonly bool[] _hours;
    private readonly bool[] _days;
    private readonly bool[] _months;
    private readonly bool[] _weekdays;
    private readonly bool _isInterval;
    private readonly TimeZoneInfo _zone;

    public CronOracle(string expression, string zone)
    {
        string[] fields = expression.Split(' ');
        _minutes = Read(fields[0], 0, 59);
        _hours = Read(fields[1], 0, 23);
        _days = Read(fields[2], 1, 31);
        _months = Read(fields[3], 1, 12);
        _weekdays = Read(fields[4], 0, 6);
        _isInterval = (fields[0] + fields[1]).AsSpan().IndexOfAny("*-/") >= 0;
        _zone = TimeZoneInfo.FindSystemTimeZoneById(zone);
    }

    /// <summary>The first instant after another; null when there is none for years.</summary>
    public long? NextMs(long afterMs)
    {
        long firstMs = (Math.DivRem(afterMs, MinuteMs).Quotient + 1) * MinuteMs;
        var before = LocalOf(firstMs - MinuteMs);
        for (long ms = firstMs; ms < firstMs + YearsMax * 366L * 1440 * MinuteMs; ms += MinuteMs)
        {
            var local = LocalOf(ms);
            if (IsDue(ms, local, before))
                return ms;
            before = local;
        }

        return null;
    }

    private bool IsDue(long ms, DateTime local, DateTime before)
    {
        // Minutes that the wall clock has left out, this one among those that follow them.
        for (var skipped = before.AddMinutes(1); skipped < local; skipped = skipped.AddMinutes(1))
        {
            if (Matches(skipped))
                return true;
        }

        return Matches(local) && (_isInterval || !IsSecondTime(ms, local));
    }

    private bool IsSecondTime(long ms, DateTime local)
    {
        if (!_zone.IsAmbiguousTime(local))
            return false;
        var offset = local - DateTime.UnixEpoch.AddMilliseconds(ms);
        return offset < _zone.GetAmbiguousTimeOffsets(local).Max();
    }

    private bool Matches(DateTime local) =>
        _minutes[local.Minute] && _hours[local.Hour] && _days[local.Day] && _months[local.Month]
        && _weekdays[(int)local.DayOfWeek];

    private DateTime LocalOf(long ms) => DateTime.SpecifyKind(
        TimeZoneInfo.ConvertTimeFromUtc(DateTime.UnixEpoch.AddMilliseconds(ms), _zone), DateTimeKind.Unspecified);

    private static bool[] Read(string field, int first, int last)
    {
        bool[] wanted = new bool[last + 1];
        foreach (string part in field.Split(','))
        {
            string[] halves = part.Split('/');
            int step = halves.Length > 1 ? int.Parse(halves[1], System.Globalization.CultureInfo.InvariantCulture) : 1;
            string[] ends = halves[0] == "*" ? [$"{first}", $"{last}"] : halves[0].Split('-');
            int from = int.Parse(ends[0], System.Globalization.CultureInfo.InvariantCulture);
            int to = ends.Length > 1 ? int.Parse(ends[1], System.Globalization.CultureInfo.InvariantCulture)
                : halves.Length > 1 ? last : from;
            for (int value = from; value <= to; value += step)
                wanted[value] = true;
        }

        return wanted;
    }
}
