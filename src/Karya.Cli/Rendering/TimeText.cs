using System.Globalization;
using Karya.Cli.Plans;

namespace Karya.Cli.Rendering;

/// <summary>Instants for people: how far away, and when by the clock on their wall.</summary>
internal sealed class TimeText(TimeProvider clock)
{
    /// <summary>Units that are shown: "in 2d3h" says enough.</summary>
    private static readonly TimeSpan[] Units =
        [TimeSpan.FromDays(1), TimeSpan.FromHours(1), TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1)];

    /// <summary>As in <c>12:05:00 (in 3m)</c>; with the date when it is another day.</summary>
    public string Show(DateTimeOffset instant) => $"{Local(instant)} ({Relative(instant)})";

    /// <summary>By the local clock.</summary>
    public string Local(DateTimeOffset instant)
    {
        var local = TimeZoneInfo.ConvertTime(instant, clock.LocalTimeZone);
        bool isToday = local.Date == clock.GetLocalNow().Date;
        return local.ToString(isToday ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
    }

    /// <summary>The time of day alone, to the millisecond: for lines that appear as things happen.</summary>
    public string Precise(DateTimeOffset instant) =>
        TimeZoneInfo.ConvertTime(instant, clock.LocalTimeZone).ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture);

    private string Relative(DateTimeOffset instant)
    {
        var distance = instant - clock.GetUtcNow();
        var length = distance.Duration();
        if (length < TimeSpan.FromSeconds(1))
            return "now";

        // The largest unit and the one below it; what is finer is cut off.
        int largest = Array.FindIndex(Units, unit => length >= unit);
        var finest = Units[Math.Min(largest + 1, Units.Length - 1)];
        string text = DurationText.Show(TimeSpan.FromTicks(length.Ticks / finest.Ticks * finest.Ticks));
        return distance > TimeSpan.Zero ? $"in {text}" : $"{text} ago";
    }
}
