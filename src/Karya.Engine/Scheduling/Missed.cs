namespace Karya.Engine.Scheduling;

/// <summary>What fell due after an occurrence while that waited.</summary>
/// <param name="Count">Later occurrences that are due as well.</param>
/// <param name="LastDueMs">When the latest of them was due; of the occurrence itself when there is none.</param>
/// <param name="NextDueMs">When the one after that is due; 0 for never.</param>
internal readonly record struct Missed(long Count, long LastDueMs, long NextDueMs)
{
    /// <summary>Counted at once, however many.</summary>
    public static Missed OfPeriod(long dueMs, long untilMs, long periodMs)
    {
        long count = Math.Max(0, untilMs - dueMs) / periodMs;
        long lastDueMs = dueMs + count * periodMs;
        return new Missed(count, lastDueMs, lastDueMs + periodMs);
    }

    /// <summary>
    /// Counted one by one, while there are steps left. When they run out, the next one is due as well: the count goes
    /// on from there in another turn.
    /// </summary>
    /// <param name="schedule">Null when it cannot be read any more: then nothing follows.</param>
    public static Missed OfCron(CronSchedule? schedule, long dueMs, long untilMs, ref int stepsLeft)
    {
        if (schedule is null)
            return new Missed(0, dueMs, 0);

        long count = 0;
        long lastDueMs = dueMs;
        while (true)
        {
            long nextDueMs = schedule.NextMs(lastDueMs) ?? 0;
            stepsLeft--;
            if (nextDueMs == 0 || nextDueMs > untilMs || stepsLeft <= 0)
                return new Missed(count, lastDueMs, nextDueMs);
            count++;
            lastDueMs = nextDueMs;
        }
    }
}
