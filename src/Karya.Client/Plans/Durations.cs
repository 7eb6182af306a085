using Karya.Protocol;

namespace Karya.Client.Plans;

/// <summary>The wire counts milliseconds.</summary>
internal static class Durations
{
    /// <summary>Rounded up: nothing may happen before its time.</summary>
    public static long ToMs(TimeSpan duration) =>
        (duration.Ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond;

    public static long ToMs(DateTimeOffset instant) => Math.Max(0, ToMs(instant - DateTimeOffset.UnixEpoch));

    public static long? ToMs(TimeSpan? duration) => duration is { } value ? ToMs(value) : null;

    public static long? ToMs(DateTimeOffset? instant) => instant is { } value ? ToMs(value) : null;

    public static TimeSpan FromMs(long ms) => TimeSpan.FromMilliseconds(Math.Min(ms, ProtocolLimits.DurationMsMax));

    public static DateTimeOffset InstantFromMs(long ms) =>
        DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(ms, 0, ProtocolLimits.InstantMsMax - 1));

    public static DateTimeOffset? InstantFromMs(long? ms) => ms is { } value ? InstantFromMs(value) : null;

    /// <exception cref="ArgumentOutOfRangeException">Negative, or longer than 100 years.</exception>
    public static TimeSpan Checked(TimeSpan duration, string name, bool mayBeZero = true)
    {
        var max = TimeSpan.FromMilliseconds(ProtocolLimits.DurationMsMax);
        if (duration < TimeSpan.Zero || duration > max || (!mayBeZero && duration == TimeSpan.Zero))
        {
            throw new ArgumentOutOfRangeException(
                name, duration, $"Must be {(mayBeZero ? "0" : "more than 0")} and at most 100 years.");
        }

        return duration;
    }
}
