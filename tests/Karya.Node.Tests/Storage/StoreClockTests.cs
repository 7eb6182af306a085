using Karya.Node.Storage;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class StoreClockTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Machine _machine = new();
    private readonly StoreClock _clock;

    // What the store's own clock shows; it may be far from the machine's.
    private DateTimeOffset _store = Start.AddHours(-3);

    public StoreClockTests() => _clock = new StoreClock(_machine);

    [Fact]
    public void Before_the_first_answer_it_is_the_machines_clock() => Assert.Equal(Start, _clock.GetUtcNow());

    [Fact]
    public void An_answer_counts_as_of_when_it_came()
    {
        Ask(thereMs: 4, backMs: 6);
        Assert.Equal(6, BehindMs());
    }

    [Fact]
    public void A_quicker_answer_makes_it_better_and_a_slower_one_not_worse()
    {
        Ask(thereMs: 0, backMs: 6);
        Ask(thereMs: 0, backMs: 1);
        Assert.Equal(1, BehindMs());
        Ask(thereMs: 0, backMs: 60);
        Assert.InRange(BehindMs(), 1, 1.1);
    }

    [Fact]
    public void It_goes_on_by_itself_and_falls_behind_by_what_clocks_may_drift_apart()
    {
        Ask(thereMs: 0, backMs: 0);
        Pass(machineMs: 10_000, storeMs: 10_000);
        Assert.Equal(10, BehindMs());
    }

    [Fact]
    public void It_is_never_ahead_of_a_store_whose_clock_is_slow()
    {
        Ask(thereMs: 0, backMs: 0);
        for (int second = 0; second < 100; second++)
        {
            Pass(machineMs: 1000, storeMs: 999.5);
            Assert.True(BehindMs() >= 0);
            Ask(thereMs: 0, backMs: 1);
            Assert.InRange(BehindMs(), 0, 1);
        }
    }

    [Fact]
    public void It_follows_a_store_whose_clock_is_set_forward()
    {
        Ask(thereMs: 1, backMs: 1);
        _store = _store.AddHours(1);
        Ask(thereMs: 1, backMs: 1);
        Assert.Equal(1, BehindMs());
    }

    [Fact]
    public void It_follows_a_store_whose_clock_is_set_back()
    {
        Ask(thereMs: 1, backMs: 1);
        _store = _store.AddHours(-1);
        Ask(thereMs: 1, backMs: 1);
        Assert.Equal(1, BehindMs());
    }

    [Fact]
    public void A_step_of_the_machines_clock_changes_nothing()
    {
        Ask(thereMs: 1, backMs: 1);
        _machine.Now += TimeSpan.FromHours(5);
        Assert.InRange(BehindMs(), 1, 1.1);
    }

    [Fact]
    public void Timestamps_and_timers_are_the_machines()
    {
        var machine = new FakeTimeProvider(Start);
        var clock = new StoreClock(machine);
        Assert.Equal(machine.GetTimestamp(), clock.GetTimestamp());
        Assert.Equal(machine.TimestampFrequency, clock.TimestampFrequency);
        int fired = 0;
        using var timer = clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        machine.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, fired);
    }

    /// <summary>How far it is behind the store's clock.</summary>
    private double BehindMs() => Math.Round((_store - _clock.GetUtcNow()).TotalMilliseconds, 2);

    private void Ask(double thereMs, double backMs)
    {
        long sent = _clock.GetTimestamp();
        Pass(thereMs, thereMs);
        long storeUs = (_store - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        Pass(backMs, backMs);
        _clock.Learn(sent, _clock.GetTimestamp(), storeUs);
    }

    private void Pass(double machineMs, double storeMs)
    {
        _machine.Advance(TimeSpan.FromMilliseconds(machineMs));
        _store += TimeSpan.FromMilliseconds(storeMs);
    }

    /// <summary>A machine whose wall clock is set without its monotonic one noticing.</summary>
    private sealed class Machine : TimeProvider
    {
        private long _timestamp = 12345;

        public DateTimeOffset Now { get; set; } = Start;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Now;

        public override long GetTimestamp() => _timestamp;

        public void Advance(TimeSpan time)
        {
            Now += time;
            _timestamp += time.Ticks;
        }
    }
}
