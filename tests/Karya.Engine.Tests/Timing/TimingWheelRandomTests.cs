using Karya.Engine.Timing;
using Xunit;

namespace Karya.Engine.Tests.Timing;

/// <summary>
/// Random operations on a wheel, held against <see cref="SortedTimers"/>. A failure prints the seed and the
/// operation.
/// </summary>
public sealed class TimingWheelRandomTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_wheel_does_what_a_sorted_list_does(int seed)
    {
        var random = new Random(seed);
        long nowTick = random.Next(4) switch
        {
            0 => 0,
            1 => random.NextInt64(-1L << 41, 1L << 41),
            2 => 1_763_900_000_000,
            _ => (random.NextInt64(1, 1L << 20) << 32) - random.NextInt64(1, 600), // just before the far list is sorted
        };
        int chunksSpare = seed % 2 == 0 ? 0 : 8192; // Every other seed sweeps all the time.
        using var wheel = new TimingWheel(nowTick, chunksSpare);
        var oracle = new SortedTimers(nowTick);
        var habits = new Habits(
            Timers: random.Next(3) switch { 0 => 20, 1 => 400, _ => 5_000 },
            DelayBitsMax: random.Next(1, 45),
            AdvancePercent: random.Next(2) == 0 ? 30 : 1); // Rarely: slots of many chunks. Often: slots left half done.
        int operations = 0;

        try
        {
            for (; operations < 8_000; operations++)
                Step(wheel, oracle, random, habits);
            while (oracle.Count > 0)
                Advance(wheel, oracle, random, Math.Max(wheel.NowTick, oracle.EarliestDue));
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            Assert.Fail($"Seed {seed}, operation {operations}: {exception.Message}");
        }

        Assert.Equal(0, wheel.Count);
        Assert.Equal(long.MaxValue, wheel.NextWakeTick);
    }

    private static void Step(TimingWheel wheel, SortedTimers oracle, Random random, Habits habits)
    {
        int timer = random.Next(habits.Timers);
        if (random.Next(100) < habits.AdvancePercent)
        {
            Advance(wheel, oracle, random, wheel.NowTick + Jump(wheel, random, habits.DelayBitsMax));
        }
        else if (random.Next(3) > 0)
        {
            long dueTick = wheel.NowTick + Delay(random, habits.DelayBitsMax);
            wheel.Schedule(timer, dueTick);
            oracle.Schedule(timer, dueTick);
        }
        else
        {
            Assert.Equal(oracle.Cancel(timer), wheel.Cancel(timer));
        }

        Assert.Equal(oracle.Count, wheel.Count);
        Assert.Equal(oracle.DueTick(timer), wheel.DueTick(timer));
        Assert.InRange(wheel.NextWakeTick, Math.Min(wheel.NowTick + 1, oracle.EarliestDue), oracle.EarliestDue);
    }

    /// <summary>One call with an odd amount of room and of work, so that slots are left half done.</summary>
    private static void Advance(TimingWheel wheel, SortedTimers oracle, Random random, long nowTick)
    {
        int[] expired = new int[random.Next(4) == 0 ? random.Next(1, 4) : 500];
        int work = random.Next(5) switch { 0 => 1, 1 => 3, 2 => random.Next(1, 40), _ => 5_000 };
        int workLeft = work;
        int count = wheel.Advance(nowTick, expired, ref workLeft);

        Assert.InRange(workLeft, 0, work - count);
        foreach (int timer in expired.AsSpan(0, count))
        {
            if (oracle.Expire(timer) is { } mistake)
                Assert.Fail(mistake);
        }

        Assert.True(wheel.NowTick <= nowTick);
        Assert.True(oracle.EarliestDue > wheel.NowTick, $"due at {oracle.EarliestDue}, passed at {wheel.NowTick}");
        if (workLeft > 0 && count < expired.Length)
            Assert.Equal(nowTick, wheel.NowTick);
        oracle.NowTick = wheel.NowTick;
    }

    private static long Delay(Random random, int bitsMax) => random.Next(6) switch
    {
        0 => random.Next(-2, 5),
        1 => (1L << (8 * random.Next(1, 6))) + random.Next(-1, 2),
        2 => random.Next(1, 4) * 256L,
        _ => random.NextInt64(1L << bitsMax),
    };

    private static long Jump(TimingWheel wheel, Random random, int bitsMax) => random.Next(8) switch
    {
        0 => 0,
        1 or 2 => random.Next(1, 20),
        3 => random.NextInt64(1L << bitsMax),
        4 when wheel.Count > 0 => Math.Max(0, wheel.NextWakeTick - wheel.NowTick - random.Next(2)),
        5 => (-wheel.NowTick - random.Next(3)) & 0xFFFF, // to the end of a slot, or one tick short of it
        6 when random.Next(20) == 0 => 20L * 365 * 24 * 3600 * 1000,
        _ => random.Next(1, 600),
    };

    private sealed record Habits(int Timers, int DelayBitsMax, int AdvancePercent);
}
