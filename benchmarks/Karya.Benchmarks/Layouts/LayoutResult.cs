namespace Karya.Benchmarks.Layouts;

/// <summary>What one run cost, per life.</summary>
internal readonly record struct LayoutResult(
    double WalBytes,
    double IndexInsertions,
    double HeapRecords,
    double OtherRecords,
    double ImageBytes,
    double ServerMicroseconds,
    double ClientMicroseconds,
    double LivesPerSecond,
    double DiskBytes,
    double VacuumWalBytes,
    double VacuumMicroseconds,
    double LateWalBytes,
    double LateMicroseconds)
{
    public static LayoutResult MedianOf(IReadOnlyList<LayoutResult> runs)
    {
        return new LayoutResult(
            Median(run => run.WalBytes), Median(run => run.IndexInsertions), Median(run => run.HeapRecords),
            Median(run => run.OtherRecords), Median(run => run.ImageBytes), Median(run => run.ServerMicroseconds),
            Median(run => run.ClientMicroseconds), Median(run => run.LivesPerSecond), Median(run => run.DiskBytes),
            Median(run => run.VacuumWalBytes), Median(run => run.VacuumMicroseconds),
            Median(run => run.LateWalBytes), Median(run => run.LateMicroseconds));

        double Median(Func<LayoutResult, double> value) => runs.Select(value).Order().ElementAt(runs.Count / 2);
    }
}
