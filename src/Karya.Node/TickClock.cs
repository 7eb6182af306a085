namespace Karya.Node;

/// <summary>
/// Store time of a node with its own store: the machine's clock, in whole milliseconds since 1970 UTC, never ahead of
/// it
/// and never backwards. Thread-safe; allocates nothing.
/// </summary>
/// <remarks>
/// <code>
/// machine  ──1──2──3──4──5 ╳ 2──3──4──5──6──7──
/// NowMs      1  2  3  4  5   5  5  5  5  6  7       stands still until the machine's clock has caught up
/// </code>
/// Rounded down, so that nothing starts before it is due. Not a clock for time-outs: those are monotonic.
/// </remarks>
internal sealed class TickClock(TimeProvider clock)
{
    private long _lastMs = long.MinValue;

    /// <summary>How far the machine's clock is behind what was already told, in ms; 0 unless it was set back.</summary>
    public long StalledMs
    {
        get
        {
            long lastMs = Volatile.Read(ref _lastMs);
            long machineMs = clock.GetUtcNow().ToUnixTimeMilliseconds();
            return lastMs > machineMs ? lastMs - machineMs : 0;
        }
    }

    public long NowMs()
    {
        long machineMs = clock.GetUtcNow().ToUnixTimeMilliseconds();
        long lastMs = Volatile.Read(ref _lastMs);
        while (machineMs > lastMs)
        {
            long seenMs = Interlocked.CompareExchange(ref _lastMs, machineMs, lastMs);
            if (seenMs == lastMs)
                return machineMs;

            lastMs = seenMs;
        }

        return lastMs;
    }
}
