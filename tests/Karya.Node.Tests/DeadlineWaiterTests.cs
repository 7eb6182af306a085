using Xunit;

namespace Karya.Node.Tests;

/// <summary>On the real clock, since it is the real sleep that is tested; every test is over in a moment.</summary>
public sealed class DeadlineWaiterTests
{
    private const long Never = long.MaxValue;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static TheoryData<bool> Ways => [true, false];

    [Theory]
    [MemberData(nameof(Ways))]
    public void It_never_returns_before_the_deadline(bool isPortable)
    {
        var waiter = Create(isPortable);
        for (int i = 0; i < 20; i++)
        {
            long untilMs = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() + 1 + (i % 5);

            Assert.False(waiter.Wait(untilMs));
            Assert.True(TimeProvider.System.GetUtcNow() >= DateTimeOffset.FromUnixTimeMilliseconds(untilMs));
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_deadline_in_the_past_does_not_sleep(bool isPortable) =>
        Assert.False(Create(isPortable).Wait(long.MinValue));

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_wake_before_the_wait_ends_one_wait_and_only_one(bool isPortable)
    {
        var waiter = Create(isPortable);
        waiter.Wake();
        waiter.Wake();

        Assert.True(waiter.Wait(Never));
        Assert.False(waiter.Wait(0));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_wake_up_is_lost_between_two_threads(bool isPortable)
    {
        const int RoundCount = 20_000;
        var here = Create(isPortable);
        var there = Create(isPortable);
        int ball = 0;

        // Each waits for a number that only the other one writes: one lost wake-up, and both sleep for good.
        var other = new Thread(() =>
        {
            for (int round = 1; round <= RoundCount; round++)
            {
                while (Volatile.Read(ref ball) != (2 * round) - 1)
                    there.Wait(Never);
                Volatile.Write(ref ball, 2 * round);
                here.Wake();
            }
        })
        { IsBackground = true };
        var one = new Thread(() =>
        {
            for (int round = 1; round <= RoundCount; round++)
            {
                Volatile.Write(ref ball, (2 * round) - 1);
                there.Wake();
                while (Volatile.Read(ref ball) != 2 * round)
                    here.Wait(Never);
            }
        })
        { IsBackground = true };
        other.Start();
        one.Start();

        Assert.True(one.Join(Patience), $"A wake-up was lost: the ball stayed at {Volatile.Read(ref ball)}.");
        Assert.True(other.Join(Patience));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_wake_up_is_lost_when_it_meets_the_deadline(bool isPortable)
    {
        const int RoundCount = 2_000;
        var waiter = Create(isPortable);
        int handedOver = 0;
        var producer = new Thread(() =>
        {
            for (int i = 0; i < RoundCount; i++)
            {
                Interlocked.Increment(ref handedOver);
                waiter.Wake();
                Thread.SpinWait(i % 64 * 50);
            }
        });
        producer.Start();

        // Short deadlines keep ending while wake-ups come in; after the last hand-over, the last wait must be a woken
        // one.
        int seen = 0;
        while (seen < RoundCount)
        {
            bool isWoken = waiter.Wait(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() + 1);
            int now = Volatile.Read(ref handedOver);
            seen = isWoken ? now : seen;
        }

        producer.Join();
        Assert.Equal(RoundCount, seen);
    }

    [Fact]
    public void Waiting_and_waking_allocate_nothing()
    {
        var waiter = new DeadlineWaiter(TimeProvider.System);
        waiter.Wait(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() + 1);

        long bytesBefore = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
        {
            waiter.Wait(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds() + 1);
            waiter.Wake();
            waiter.Wait(Never);
        }

        Assert.Equal(bytesBefore, GC.GetAllocatedBytesForCurrentThread());
    }

    private static DeadlineWaiter Create(bool isPortable) =>
        isPortable ? new DeadlineWaiter(TimeProvider.System, futexCall: 0) : new DeadlineWaiter(TimeProvider.System);
}
