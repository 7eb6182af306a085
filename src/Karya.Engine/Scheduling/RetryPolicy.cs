namespace Karya.Engine.Scheduling;

/// <summary>How long to wait before the next attempt: a pure function.</summary>
public static class RetryPolicy
{
    /// <summary>
    /// Exponential backoff with equal jitter: delay × 2^(attempt - 1), capped, of which the upper half is drawn by a
    /// hash of the task and the attempt. So failures of one instant do not come back as one wave, and a replay or a
    /// simulation draws the same.
    /// </summary>
    /// <param name="attempt">The attempt that failed, from 1.</param>
    /// <param name="delayMs">The delay after the first attempt; 0 for none.</param>
    /// <returns>Milliseconds in [d / 2, d], d being the capped delay.</returns>
    public static long DelayMs(TaskKey key, int attempt, int delayMs, int delayMsMax)
    {
        int doublings = Math.Min(attempt - 1, 30);
        long delay = Math.Min((long)delayMs << doublings, Math.Max(delayMs, delayMsMax));
        ulong draw = TaskKey.Mix((ulong)key.Plan.Value ^ TaskKey.Mix((ulong)key.Occurrence ^ ((ulong)key.Hook << 32))
            ^ ((ulong)attempt << 48));
        long half = delay / 2;
        return delay - (half == 0 ? 0 : (long)(draw % (ulong)(half + 1)));
    }
}
