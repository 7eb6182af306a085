namespace Karya.LoadTests;

/// <summary>
/// When each plan is to be sent, and which one. Fixed before the run: a slow node does not slow the schedule down,
/// so a wait cannot hide from the latency (no coordinated omission).
/// </summary>
internal sealed class SubmitSchedule
{
    private readonly int _ratePerSecond;
    private readonly TimeSpan[] _mix;

    public SubmitSchedule(Scenario scenario)
    {
        _ratePerSecond = scenario.RatePerSecond;
        _mix = [.. scenario.Plans.SelectMany(share =>
            Enumerable.Repeat(TimeSpan.FromSeconds(share.DueAfterSeconds), share.Weight))];
    }

    /// <summary>From the start of the run. Computed from the index, so that rounding never adds up.</summary>
    public TimeSpan SendAt(int planIndex) => new((long)planIndex * TimeSpan.TicksPerSecond / _ratePerSecond);

    /// <summary>How long after its submit the plan is due.</summary>
    public TimeSpan DueAfter(int planIndex) => _mix[planIndex % _mix.Length];

    /// <summary>How many plans are to be sent by now, of those from <paramref name="firstIndex"/> on.</summary>
    public int CountReached(int firstIndex, int planCount, TimeSpan elapsed)
    {
        int index = firstIndex;
        while (index < planCount && SendAt(index) <= elapsed)
            index++;

        return index - firstIndex;
    }
}
