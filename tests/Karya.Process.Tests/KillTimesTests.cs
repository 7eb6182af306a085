using Xunit;

namespace Karya.Process.Tests;

public sealed class KillTimesTests
{
    private readonly KillTimes _kills = new();

    public KillTimesTests() => _kills.Add(new Kill(10_000, 10_200));

    [Theory]
    [InlineData(9_500, 10_600)]   // Under way at the kill.
    [InlineData(10_000, 10_600)]
    [InlineData(10_150, 10_800)]  // The process still worked: it was asked to end, and not gone.
    [InlineData(10_220, 10_800)]  // On its way when the process went.
    public void A_call_that_was_under_way_at_a_kill_may_come_again(long firstMs, long secondMs) =>
        Assert.True(_kills.Explain(At(firstMs, epoch: 1), At(secondMs, epoch: 2)));

    [Theory]
    [InlineData(8_900, 10_600, 2)]    // Long recorded.
    [InlineData(9_500, 9_900, 2)]     // Both before the kill.
    [InlineData(10_300, 10_800, 2)]   // Both after it.
    [InlineData(9_500, 10_600, 1)]    // One epoch, twice.
    public void Any_other_call_may_not(long firstMs, long secondMs, long secondEpoch) =>
        Assert.False(_kills.Explain(At(firstMs, epoch: 1), At(secondMs, secondEpoch)));

    private static Arrival At(long atMs, long epoch) => new("plan", "task", 1, epoch, atMs);
}
