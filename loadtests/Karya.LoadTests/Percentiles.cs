using System.Globalization;
using HdrHistogram;

namespace Karya.LoadTests;

/// <summary>A distribution of durations in a few numbers, all in microseconds and exact to 0.1 %.</summary>
internal sealed record Percentiles(long Count, long P50, long P90, long P99, long P999, long Max)
{
    /// <summary>An hour; what takes longer counts as an hour.</summary>
    private const long MicrosMax = 3_600_000_000;

    /// <summary>Thread-safe for recording.</summary>
    public static LongConcurrentHistogram NewHistogram() =>
        new(lowestTrackableValue: 1, highestTrackableValue: MicrosMax, numberOfSignificantValueDigits: 3);

    public static void Record(LongConcurrentHistogram histogram, long micros) =>
        histogram.RecordValue(Math.Clamp(micros, 1, MicrosMax));

    public static Percentiles Of(LongConcurrentHistogram histogram)
    {
        if (histogram.TotalCount == 0)
            return new Percentiles(0, 0, 0, 0, 0, 0);

        return new Percentiles(
            histogram.TotalCount,
            histogram.GetValueAtPercentile(50),
            histogram.GetValueAtPercentile(90),
            histogram.GetValueAtPercentile(99),
            histogram.GetValueAtPercentile(99.9),
            histogram.GetMaxValue());
    }

    /// <summary>One line, in milliseconds.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"p50 {P50 / 1e3:0.0}  p90 {P90 / 1e3:0.0}  p99 {P99 / 1e3:0.0}  " +
        $"p99.9 {P999 / 1e3:0.0}  max {Max / 1e3:0.0} ms");
}
