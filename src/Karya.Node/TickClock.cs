namespace Karya.Node;

/// <summary>
/// Store time as the engine counts it: the store's clock (<see cref="Storage.IStore.Clock"/>; for SQLite the
/// machine's), in whole milliseconds since 1970 UTC, never ahead of it and never backwards. Thread-safe; allocates
/// nothing.
/// </summary>
/// <remarks>
/// <code>
/// store  ──1──2──3──4──5 ╳ 2──3──4──5──6──7──
/// NowMs    1  2  3  4  5   5  5  5  5  6  7       stands still until the store's clock has caught up
/// </code>
/// Rounded down, so that nothing starts before it is due. Not a clock for time-outs: those are monotonic.
/// </remarks>
internal sealed class TickClock(TimeProvider clock)
{
    private long _lastMs = long.MinValue;

    /// <summary>How far the store's clock is behind what was already told, in ms; 0 unless it was set back.</summary>
    public long StalledMs
    {
        get
        {
            long lastMs = Volatile.Read(ref _lastMs);
            long storeMs = clock.GetUtcNow().ToUnixTimeMilliseconds();
            return lastMs > storeMs ? lastMs - storeMs : 0;
        }
    }

    public long NowMs()
    {
        long storeMs = clock.GetUtcNow().ToUnixTimeMilliseconds();
        long lastMs = Volatile.Read(ref _lastMs);
        while (storeMs > lastMs)
        {
            long seenMs = Interlocked.CompareExchange(ref _lastMs, storeMs, lastMs);
            if (seenMs == lastMs)
                return storeMs;

            lastMs = seenMs;
        }

        return lastMs;
    }
}
