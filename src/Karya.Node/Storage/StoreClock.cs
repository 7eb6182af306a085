namespace Karya.Node.Storage;

/// <summary>
/// Store time for a node whose store has a clock of its own: an estimate of that clock, never ahead of it. Timestamps
/// and timers are the machine's. Thread-safe; allocates nothing.
/// </summary>
/// <remarks>
/// <code>
/// machine      sent ─────────────── answered ───────────────────── now
/// store               └─ read: t                                     ? at least t + (now − answered), at equal rates
/// </code>
/// Whatever the store's clock was when it was read, it was at least that when the answer came. So each answer gives a
/// lower bound of the difference between the clocks, and the largest of them is the best. It ages, because the two
/// clocks may run at different rates. An answer that proves the estimate ahead (the store's clock was set back)
/// replaces it. What callers make of it must itself not run backwards, see <see cref="TickClock"/>.
/// </remarks>
internal sealed class StoreClock(TimeProvider machine) : TimeProvider
{
    /// <summary>
    /// What two clocks may drift apart, in parts: clocks are slewed by at most 500 parts per million each
    /// (<c>adjtimex</c>), and crystals err by less.
    /// </summary>
    private const double DriftMax = 0.001;

    private readonly Lock _lock = new();
    private readonly long _origin = machine.GetTimestamp();
    private bool _isKnown;

    // Store time in us since 1970 is machine time in us since the origin plus this, as it was known at that time.
    private double _offsetUs;
    private double _learnedUs;

    public override long TimestampFrequency => machine.TimestampFrequency;

    public override TimeZoneInfo LocalTimeZone => machine.LocalTimeZone;

    /// <summary>The machine's own clock until the store has answered once.</summary>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            if (!_isKnown)
                return machine.GetUtcNow();
            double nowUs = MicrosecondsAt(machine.GetTimestamp());
            return DateTimeOffset.UnixEpoch.AddTicks((long)((nowUs + OffsetAt(nowUs)) * TimeSpan.TicksPerMicrosecond));
        }
    }

    public override long GetTimestamp() => machine.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        machine.CreateTimer(callback, state, dueTime, period);

    /// <summary>Takes an answer of the store's clock.</summary>
    /// <param name="sent">A timestamp from before it was asked.</param>
    /// <param name="answered">A timestamp from after the answer had come.</param>
    /// <param name="storeUs">What it showed: microseconds since 1970 UTC.</param>
    public void Learn(long sent, long answered, long storeUs)
    {
        double sentUs = MicrosecondsAt(sent);
        double answeredUs = MicrosecondsAt(answered);
        double least = storeUs - answeredUs;
        double most = storeUs - sentUs;
        lock (_lock)
        {
            bool isAhead = _isKnown && OffsetAt(answeredUs) > most;
            if (_isKnown && !isAhead && OffsetAt(answeredUs) >= least)
                return;
            _isKnown = true;
            _offsetUs = least;
            _learnedUs = answeredUs;
        }
    }

    private double OffsetAt(double nowUs) => _offsetUs - Math.Max(0, nowUs - _learnedUs) * DriftMax;

    private double MicrosecondsAt(long timestamp) => (timestamp - _origin) * 1e6 / machine.TimestampFrequency;
}
