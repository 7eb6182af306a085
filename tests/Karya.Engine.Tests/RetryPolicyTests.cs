using CsCheck;
using Karya.Engine.Scheduling;
using Xunit;

namespace Karya.Engine.Tests;

public sealed class RetryPolicyTests
{
    private static readonly TaskKey Key = new(new PlanId(12345), 6, 1);

    [Fact]
    public void The_delay_lies_between_half_of_the_capped_delay_and_all_of_it() =>
        Gen.Select(Gen.Int[1, 1000], Gen.Int[0, int.MaxValue], Gen.Int[0, int.MaxValue], Gen.ULong)
            .Sample((attempt, delayMs, delayMsMax, plan) =>
            {
                double uncapped = delayMs * Math.Pow(2, Math.Min(attempt - 1, 62));
                long cap = (long)Math.Min(uncapped, Math.Max(delayMs, delayMsMax));
                long delay = RetryPolicy.DelayMs(new TaskKey(new PlanId(plan), 1, 0), attempt, delayMs, delayMsMax);
                return delay >= cap - cap / 2 && delay <= cap;
            });

    [Fact]
    public void The_same_attempt_always_waits_equally_long()
    {
        for (int attempt = 1; attempt < 50; attempt++)
        {
            Assert.Equal(
                RetryPolicy.DelayMs(Key, attempt, 1000, 60_000), RetryPolicy.DelayMs(Key, attempt, 1000, 60_000));
        }
    }

    [Fact]
    public void Tasks_that_failed_together_do_not_come_back_together()
    {
        var delays = Enumerable.Range(0, 1000)
            .Select(i => RetryPolicy.DelayMs(new TaskKey(new PlanId((ulong)i), 1, 0), 1, 10_000, 10_000)).ToArray();

        Assert.True(delays.Distinct().Count() > 800);
        Assert.InRange(delays.Average(), 7300, 7700);
    }

    [Fact]
    public void No_delay_is_no_delay() => Assert.Equal(0, RetryPolicy.DelayMs(Key, 1000, 0, int.MaxValue));

    [Fact]
    public void A_maximum_below_the_first_delay_does_not_shorten_it() =>
        Assert.InRange(RetryPolicy.DelayMs(Key, 9, 1000, 10), 500, 1000);
}
