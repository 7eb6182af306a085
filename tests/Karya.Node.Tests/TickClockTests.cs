using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests;

public sealed class TickClockTests
{
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeMilliseconds(1_000_000);

    [Fact]
    public void It_rounds_down_so_that_nothing_is_early()
    {
        var machine = new FakeTimeProvider(Start.AddTicks(TimeSpan.TicksPerMillisecond - 1));
        var clock = new TickClock(machine);

        Assert.Equal(1_000_000, clock.NowMs());
        machine.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(1_000_001, clock.NowMs());
    }

    [Fact]
    public void It_stands_still_while_the_machine_is_behind()
    {
        var machine = new FakeTimeProvider(Start);
        var steps = new SteppedClock(machine);
        var clock = new TickClock(steps);
        Assert.Equal(1_000_000, clock.NowMs());

        steps.Offset = TimeSpan.FromMilliseconds(-500);
        Assert.Equal(1_000_000, clock.NowMs());
        Assert.Equal(500, clock.StalledMs);

        machine.Advance(TimeSpan.FromMilliseconds(499));
        Assert.Equal(1_000_000, clock.NowMs());
        Assert.Equal(1, clock.StalledMs);

        machine.Advance(TimeSpan.FromMilliseconds(2));
        Assert.Equal(1_000_001, clock.NowMs());
        Assert.Equal(0, clock.StalledMs);
    }

    [Fact]
    public void Before_the_first_reading_nothing_is_stalled() =>
        Assert.Equal(0, new TickClock(new FakeTimeProvider(Start)).StalledMs);

    [Fact]
    public void Reading_it_allocates_nothing()
    {
        var clock = new TickClock(TimeProvider.System);
        clock.NowMs();

        long bytesBefore = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            clock.NowMs();
        Assert.Equal(bytesBefore, GC.GetAllocatedBytesForCurrentThread());
    }

    private sealed class SteppedClock(TimeProvider inner) : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + Offset;
    }
}
