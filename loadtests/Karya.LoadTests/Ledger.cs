namespace Karya.LoadTests;

/// <summary>
/// What was promised and what happened: a line per plan with its due instant, once the node acknowledged it, and with
/// its arrivals at the target. All members may be called from any thread.
/// </summary>
internal sealed class Ledger(int planCount)
{
    private readonly long[] _dueMicros = new long[planCount];
    private readonly long[] _firstArrivalMicros = new long[planCount];
    private readonly int[] _arrivalCounts = new int[planCount];

    /// <summary>The node said that it has the plan. It may arrive before we hear that.</summary>
    /// <param name="planIndex">The position of the plan in the schedule.</param>
    /// <param name="dueMs">Milliseconds since 1970 UTC, as the node sees it: created plus period.</param>
    public void Acknowledge(int planIndex, long dueMs) => Volatile.Write(ref _dueMicros[planIndex], dueMs * 1000);

    /// <summary>The target was called for a plan. Calls for plans that nobody sent are refused with false.</summary>
    /// <param name="planIndex">As the URL had it.</param>
    /// <param name="atMicros">Microseconds since 1970 UTC.</param>
    public bool Arrive(int planIndex, long atMicros)
    {
        if (planIndex < 0 || planIndex >= _arrivalCounts.Length)
            return false;

        Interlocked.CompareExchange(ref _firstArrivalMicros[planIndex], atMicros, comparand: 0);
        Interlocked.Increment(ref _arrivalCounts[planIndex]);
        return true;
    }

    public LedgerSummary Summarize()
    {
        var lateness = Percentiles.NewHistogram();
        int acknowledged = 0, lost = 0, duplicates = 0, early = 0, unacknowledged = 0;

        for (int planIndex = 0; planIndex < _dueMicros.Length; planIndex++)
        {
            long dueMicros = Volatile.Read(ref _dueMicros[planIndex]);
            long arrivalMicros = Volatile.Read(ref _firstArrivalMicros[planIndex]);
            int arrivals = Volatile.Read(ref _arrivalCounts[planIndex]);
            duplicates += Math.Max(0, arrivals - 1);

            if (dueMicros == 0)
            {
                unacknowledged += Math.Min(1, arrivals);
                continue;
            }

            acknowledged++;
            if (arrivals == 0)
                lost++;
            else if (arrivalMicros < dueMicros)
                early++;
            else
                Percentiles.Record(lateness, arrivalMicros - dueMicros);
        }

        return new LedgerSummary(acknowledged, lost, duplicates, early, unacknowledged, Percentiles.Of(lateness));
    }
}

/// <summary>The ledger added up.</summary>
/// <param name="Acknowledged">Plans that the node said it has.</param>
/// <param name="Lost">Of those, the ones that never arrived.</param>
/// <param name="Duplicates">Arrivals after the first, of any plan.</param>
/// <param name="Early">Acknowledged plans that arrived before they were due.</param>
/// <param name="Unacknowledged">Plans that arrived though the node never said that it has them.</param>
/// <param name="Lateness">Arrival minus due, without the lost and the early ones.</param>
internal sealed record LedgerSummary(
    int Acknowledged, int Lost, int Duplicates, int Early, int Unacknowledged, Percentiles Lateness);
