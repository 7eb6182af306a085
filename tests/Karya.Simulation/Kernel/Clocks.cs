namespace Karya.Simulation.Kernel;

/// <summary>
/// The clocks of a machine: a monotonic one that runs a little too fast or too slow, and a wall clock that is off and
/// may be set.
/// </summary>
/// <param name="rateError">In parts: 0.0002 gains 200 us a second.</param>
internal sealed class MachineClock(World world, double rateError) : TimeProvider
{
    public const long UnitsPerUs = TimeSpan.TicksPerMicrosecond;

    private readonly double _rate = 1 + rateError;

    /// <summary>How far the wall clock is ahead of the monotonic one.</summary>
    public long WallOffsetUs { get; set; }

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>In ms since the start of the run: what leases are measured by.</summary>
    public long MonotonicMs => GetTimestamp() / TimeSpan.TicksPerMillisecond;

    public override long GetTimestamp() => (long)(world.NowUs * _rate) * UnitsPerUs;

    public override DateTimeOffset GetUtcNow() =>
        DateTimeOffset.UnixEpoch.AddTicks(GetTimestamp() + (world.StartUs + WallOffsetUs) * UnitsPerUs);
}

/// <summary>The clock of the database: what due instants are judged by. It may be set, and be a little fast.</summary>
internal sealed class DatabaseClock(World world, double rateError)
{
    private readonly double _rate = 1 + rateError;

    public long OffsetUs { get; set; }

    public long NowUs => world.StartUs + OffsetUs + (long)(world.NowUs * _rate);

    public long NowMs => NowUs / 1000;
}
