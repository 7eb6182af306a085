using Karya.Engine.Timing;
using Xunit;

namespace Karya.Engine.Tests.Timing;

public sealed class TimingWheelTests
{
    private const long Year = 365L * 24 * 3600 * 1000;

    [Fact]
    public void An_empty_wheel_has_nothing_to_wake_for_and_jumps_over_years()
    {
        using var wheel = new TimingWheel(1_700_000_000_000);
        Assert.Equal(long.MaxValue, wheel.NextWakeTick);
        Assert.Empty(Drain(wheel, 1_700_000_000_000 + 1000 * Year));
        Assert.Equal(1_700_000_000_000 + 1000 * Year, wheel.NowTick);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(255)]
    [InlineData(65_535)]
    [InlineData((1L << 32) - 1)]
    [InlineData(-(1L << 32) - 3)]
    [InlineData(1_763_900_000_000)]
    public void A_timer_expires_at_its_tick_and_not_one_tick_before(long nowTick)
    {
        foreach (long delay in LevelBoundaries())
        {
            using var wheel = new TimingWheel(nowTick);
            wheel.Schedule(7, nowTick + delay);

            Assert.InRange(wheel.NextWakeTick, nowTick + 1, nowTick + delay);
            Assert.Empty(Drain(wheel, nowTick + delay - 1));
            Assert.Equal(nowTick + delay, wheel.DueTick(7));
            Assert.Equal([7], Drain(wheel, nowTick + delay));
            Assert.Equal(TimingWheel.NoDue, wheel.DueTick(7));
            Assert.Equal(0, wheel.Count);
        }
    }

    [Fact]
    public void Timers_around_every_level_boundary_expire_in_order_in_one_jump()
    {
        using var wheel = new TimingWheel(100);
        long[] delays = [.. LevelBoundaries().Order()];
        for (int timer = delays.Length - 1; timer >= 0; timer--)
            wheel.Schedule(timer, 100 + delays[timer]);
        Assert.Equal(Enumerable.Range(0, delays.Length), Drain(wheel, 100 + delays[^1]));
    }

    [Fact]
    public void A_due_tick_that_has_passed_counts_as_the_next_one()
    {
        using var wheel = new TimingWheel(1000);
        wheel.Schedule(1, 1000);
        wheel.Schedule(2, long.MinValue);
        Assert.Equal(1001, wheel.DueTick(2));
        Assert.Equal(1001, wheel.NextWakeTick);
        Assert.Empty(Drain(wheel, 1000));
        Assert.Equal([1, 2], Drain(wheel, 1001));
    }

    [Fact]
    public void The_largest_tick_can_be_scheduled_and_everything_before_it_can_be_reached()
    {
        using var wheel = new TimingWheel(0);
        wheel.Schedule(0, long.MaxValue);
        wheel.Schedule(1, long.MaxValue - 1);
        Assert.Equal([1], Drain(wheel, long.MaxValue - 1));
        Assert.Equal(1, wheel.Count);
    }

    [Fact]
    public void Timers_of_one_tick_expire_in_the_order_in_which_they_were_scheduled_from_any_distance()
    {
        using var wheel = new TimingWheel(0);
        const long Due = (3L << 32) + 12_345_678;
        int timer = 0;
        foreach (long distance in new[] { Due, 1L << 32, 1L << 25, 1L << 17, 1L << 9, 200, 1 })
        {
            Assert.Empty(Drain(wheel, Due - distance));
            for (int i = 0; i < 40; i++)
                wheel.Schedule(timer++, Due);
        }

        Assert.Equal(Enumerable.Range(0, timer), Drain(wheel, Due));
    }

    [Fact]
    public void A_moved_timer_expires_once_and_at_its_new_tick()
    {
        using var wheel = new TimingWheel(0);
        wheel.Schedule(1, 5000);
        wheel.Schedule(1, 300);
        wheel.Schedule(2, 300);
        wheel.Schedule(2, 5000 + (1L << 32));
        Assert.Equal(2, wheel.Count);
        Assert.Equal([1], Drain(wheel, 300));
        Assert.Empty(Drain(wheel, 5000));
        Assert.Equal([2], Drain(wheel, 5000 + (1L << 32)));
    }

    [Fact]
    public void A_timer_that_is_cancelled_and_scheduled_again_for_the_same_tick_expires_once()
    {
        using var wheel = new TimingWheel(0);
        for (int i = 0; i < 100; i++)
        {
            wheel.Schedule(1, 70_000);
            Assert.True(wheel.Cancel(1));
        }

        wheel.Schedule(1, 70_000);
        Assert.Equal([1], Drain(wheel, 70_000));
        wheel.Schedule(1, 70_001);
        Assert.Equal([1], Drain(wheel, 80_000));
    }

    [Fact]
    public void Cancelling_says_whether_the_timer_was_scheduled()
    {
        using var wheel = new TimingWheel(0);
        Assert.False(wheel.Cancel(3));
        Assert.False(wheel.Cancel(-1));
        Assert.False(wheel.Cancel(int.MaxValue));
        wheel.Schedule(3, 10);
        Assert.True(wheel.Cancel(3));
        Assert.False(wheel.Cancel(3));
        Assert.Equal(long.MaxValue, wheel.NextWakeTick);
        Assert.Empty(Drain(wheel, 10));
    }

    [Fact]
    public void Timers_that_share_a_word_a_page_or_a_block_do_not_touch_each_other()
    {
        using var wheel = new TimingWheel(0);
        int[] timers = [0, 1, 63, 64, (1 << 18) - 1, 1 << 18, (1 << 24) - 1, 1 << 24, (1 << 24) + 64];
        foreach (int timer in timers)
            wheel.Schedule(timer, 300);
        foreach (int timer in timers)
            Assert.True(wheel.Cancel(timer));

        Assert.Equal(0, wheel.Count);
        foreach (int timer in timers)
        {
            wheel.Schedule(timer, 400);
            Assert.All(timers, other => Assert.Equal(other == timer ? 400 : TimingWheel.NoDue, wheel.DueTick(other)));
            Assert.True(wheel.Cancel(timer));
        }

        wheel.Schedule(1 << 24, 500);
        Assert.Equal([1 << 24], Drain(wheel, 500));
    }

    [Fact]
    public void A_call_stops_when_the_room_or_the_work_runs_out_and_keeps_its_place()
    {
        using var wheel = new TimingWheel(0);
        for (int timer = 0; timer < 50; timer++)
            wheel.Schedule(timer, 300);

        int[] expired = new int[20];
        int workLeft = 1000;
        Assert.Equal(20, wheel.Advance(1000, expired, ref workLeft));
        Assert.Equal(1000 - 50 - 20, workLeft); // 50 cascaded, 20 expired
        Assert.Equal(299, wheel.NowTick);
        Assert.Equal(300, wheel.NextWakeTick);

        workLeft = 3;
        Assert.Equal(3, wheel.Advance(1000, expired, ref workLeft));
        Assert.Equal(0, workLeft);
        Assert.Equal(0, wheel.Advance(1000, expired, ref workLeft));
        Assert.Equal(Enumerable.Range(23, 27), Drain(wheel, 1000));
        Assert.Equal(1000, wheel.NowTick);
    }

    [Theory]
    [InlineData(SortedSlot.EntriesMax - 1)]
    [InlineData(SortedSlot.EntriesMax)]
    [InlineData(SortedSlot.EntriesMax + 1)]
    [InlineData(3 * SortedSlot.EntriesMax)]
    public void A_slot_keeps_its_order_whether_all_of_it_fits_what_is_sorted_or_not(int timers)
    {
        using var wheel = new TimingWheel(0);
        for (int timer = 0; timer < timers; timer++)
            wheel.Schedule(timer, 512 + timer * 7 % 256);

        int[] expected = [.. Enumerable.Range(0, timers).OrderBy(timer => timer * 7 % 256)];
        Assert.Equal(expected, Drain(wheel, 1000));
    }

    [Fact]
    public void What_is_scheduled_into_a_sorted_slot_takes_its_place_in_it()
    {
        using var wheel = new TimingWheel(0);
        for (int timer = 0; timer < 100; timer++)
            wheel.Schedule(timer, 512 + 2 * timer);
        Assert.Equal([0, 1, 2], Drain(wheel, 516));

        wheel.Schedule(200, 519);
        wheel.Schedule(201, 518);
        wheel.Schedule(202, 768);
        Assert.True(wheel.Cancel(5));
        wheel.Schedule(6, 526);
        Assert.Equal(518, wheel.NextWakeTick);
        Assert.Equal([3, 201], Drain(wheel, 518));
        Assert.Equal(519, wheel.NextWakeTick);
        Assert.Equal([200, 4, 7, 6, .. Enumerable.Range(8, 92), 202], Drain(wheel, 768));
    }

    [Fact]
    public void What_is_scheduled_while_a_slot_is_partly_cascaded_does_not_overtake_the_rest_of_it()
    {
        using var wheel = new TimingWheel(0);
        for (int timer = 0; timer < 10; timer++)
            wheel.Schedule(timer, 70_000);

        int[] expired = new int[64];
        int workLeft = 4;
        Assert.Equal(0, wheel.Advance(70_000, expired, ref workLeft));
        Assert.Equal(65_535, wheel.NowTick);
        wheel.Schedule(10, 70_000);
        Assert.True(wheel.Cancel(5));
        Assert.Equal([0, 1, 2, 3, 4, 6, 7, 8, 9, 10], Drain(wheel, 70_000));
    }

    [Fact]
    public void What_is_scheduled_while_the_far_list_is_partly_sorted_does_not_overtake_the_rest_of_it()
    {
        using var wheel = new TimingWheel(0);
        const long Near = (1L << 32) + 5;
        const long Later = (1L << 40) + 5;
        for (int timer = 0; timer < 20; timer++)
            wheel.Schedule(timer, timer % 2 == 0 ? Near : Later);

        int[] expired = new int[64];
        int workLeft = 7;
        Assert.Equal(0, wheel.Advance(Near, expired, ref workLeft));
        wheel.Schedule(20, Near);
        wheel.Schedule(21, Later);
        Assert.Equal([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20], Drain(wheel, Later - 1));
        Assert.Equal([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21], Drain(wheel, Later));
    }

    [Fact]
    public void Time_does_not_go_backwards()
    {
        using var wheel = new TimingWheel(10);
        Assert.Throws<InvariantException>(() => Drain(wheel, 9));
        Assert.Throws<InvariantException>(() => wheel.Schedule(-1, 20));
    }

    [Fact]
    public void Tombstones_do_not_outnumber_timers_by_more_than_the_spare_memory()
    {
        using var wheel = new TimingWheel(0);
        const int Kept = 200_000;
        for (int timer = 0; timer < Kept; timer++)
            wheel.Schedule(timer, 3_600_000 + timer);

        // Deadlines that are cancelled long before they are due, of rows that are used again and again.
        for (int i = 0; i < 3_000_000; i++)
        {
            wheel.Schedule(Kept + i % 1000, 1_000_000 + i % 700_000);
            wheel.Cancel(Kept + i % 1000);
        }

        Assert.Equal(Kept, wheel.Count);
        Assert.InRange(wheel.ChunksInUse * 15, Kept, 5 * Kept / 2 + 16384 * 15);
        Assert.Equal(Enumerable.Range(0, Kept), Drain(wheel, 4_000_000));
    }

    [Fact]
    public void A_far_list_that_a_sweep_has_emptied_starts_anew()
    {
        using var wheel = new TimingWheel(0, chunksSpare: 0);
        for (int timer = 0; timer < 100; timer++)
        {
            wheel.Schedule(timer, (1L << 32) + 5);
            wheel.Cancel(timer);
        }

        for (int timer = 0; timer < 100; timer++)
            wheel.Schedule(timer, (1L << 32) - 1000);
        wheel.Schedule(200, 5L << 32);
        Assert.Equal(100, Drain(wheel, (2L << 32) + 10).Count);
        wheel.Schedule(201, (4L << 32) + 7);
        Assert.Equal(4L << 32, wheel.NextWakeTick);
        Assert.Equal([201, 200], Drain(wheel, 6L << 32));
    }

    [Fact]
    public void A_wheel_that_is_disposed_of_holds_no_memory_and_refuses()
    {
        var wheel = new TimingWheel(0);
        wheel.Schedule(1, 5);
        wheel.Dispose();
        wheel.Dispose();
        Assert.Equal(0, wheel.Count);
        Assert.False(wheel.Cancel(1));
        Assert.Throws<InvariantException>(() => wheel.Schedule(1, 5));
    }

    [Fact]
    public void Steady_work_allocates_nothing()
    {
        using var wheel = new TimingWheel(0);
        var random = new Random(1);
        int[] expired = new int[256];
        long nowTick = Churn(wheel, random, expired, 0, 200_000);

        long bytesBefore = GC.GetAllocatedBytesForCurrentThread();
        nowTick = Churn(wheel, random, expired, nowTick, 100_000);
        Assert.Equal(bytesBefore, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(nowTick > 0);
    }

    [Fact]
    public void Ten_million_timers_expire_in_order_and_take_at_most_24_bytes_each()
    {
        const int Timers = 10_000_000;
        const long Step = 7_919; // A prime, so that neighbours lie in different slots and every tick has some timers.
        const int Ticks = 3_600_000;
        using var wheel = new TimingWheel(0);
        for (int timer = 0; timer < Timers; timer++)
            wheel.Schedule(timer, 1 + timer * Step % Ticks);

        Assert.Equal(Timers, wheel.Count);
        Assert.InRange(wheel.MemoryBytes, 1, 24L * Timers);

        int[] expired = new int[65_536];
        int count = 0;
        long dueBefore = 0;
        int timerBefore = -1;
        while (wheel.Count > 0)
        {
            int workLeft = int.MaxValue;
            int taken = wheel.Advance(Ticks, expired, ref workLeft);
            count += taken;
            foreach (int timer in expired.AsSpan(0, taken))
            {
                long due = 1 + timer * Step % Ticks;
                if (due < dueBefore || (due == dueBefore && timer < timerBefore))
                    Assert.Fail($"Timer {timer}, due at {due}, came after timer {timerBefore}, due at {dueBefore}.");
                (dueBefore, timerBefore) = (due, timer);
            }
        }

        Assert.Equal(Timers, count);
        Assert.InRange(wheel.MemoryBytes, 1, 24L * Timers);
        Assert.Equal(0, wheel.ChunksInUse);
    }

    private static long Churn(TimingWheel wheel, Random random, int[] expired, long nowTick, int operations)
    {
        for (int i = 0; i < operations; i++)
        {
            int timer = random.Next(20_000);
            if (random.Next(4) == 0)
                wheel.Cancel(timer);
            else
                wheel.Schedule(timer, nowTick + random.NextInt64(1, 300_000));
            int workLeft = 100;
            wheel.Advance(nowTick += 5, expired, ref workLeft);
            nowTick = wheel.NowTick;
        }

        return nowTick;
    }

    private static List<int> Drain(TimingWheel wheel, long nowTick)
    {
        var all = new List<int>();
        int[] expired = new int[1000];
        long callsMax = 1_000_000;
        do
        {
            int workLeft = 1000;
            int count = wheel.Advance(nowTick, expired, ref workLeft);
            all.AddRange(expired.AsSpan(0, count));
        }
        while (wheel.NowTick < nowTick && --callsMax > 0);

        Assert.Equal(nowTick, wheel.NowTick);
        return all;
    }

    private static IEnumerable<long> LevelBoundaries()
    {
        foreach (int bits in new[] { 1, 8, 16, 24, 32, 40, 48, 60 })
        {
            for (long delta = -1; delta <= 1; delta++)
                yield return (1L << bits) + delta;
        }
    }
}
