using Xunit;

namespace Karya.LoadTests.Tests;

public sealed class ScenarioTests
{
    private const string Small =
        """
        name: small
        ratePerSecond: 3
        durationSeconds: 2
        connections: 1
        settleSeconds: 1
        plans:
          - weight: 2
            dueAfterSeconds: 0.5
          - weight: 1
            dueAfterSeconds: 10
        """;

    [Fact]
    public void Sends_are_spread_evenly_and_rounding_never_adds_up()
    {
        var schedule = new SubmitSchedule(Scenario.Parse(Small));

        Assert.Equal(TimeSpan.Zero, schedule.SendAt(0));
        Assert.Equal(TimeSpan.FromTicks(3_333_333), schedule.SendAt(1));
        Assert.Equal(TimeSpan.FromSeconds(1), schedule.SendAt(3));
        Assert.Equal(TimeSpan.FromSeconds(1_000_000), schedule.SendAt(3_000_000));
    }

    [Fact]
    public void The_mix_repeats_by_weight()
    {
        var schedule = new SubmitSchedule(Scenario.Parse(Small));

        var dueAfter = Enumerable.Range(0, 4).Select(schedule.DueAfter);
        Assert.Equal([0.5, 0.5, 10, 0.5], dueAfter.Select(delay => delay.TotalSeconds));
    }

    [Fact]
    public void After_a_pause_all_plans_that_were_missed_are_released_and_no_more_than_there_are()
    {
        var schedule = new SubmitSchedule(Scenario.Parse(Small));

        Assert.Equal(1, schedule.CountReached(0, planCount: 6, TimeSpan.Zero));
        Assert.Equal(0, schedule.CountReached(1, planCount: 6, TimeSpan.FromTicks(3_333_332)));
        Assert.Equal(3, schedule.CountReached(1, planCount: 6, TimeSpan.FromSeconds(1)));
        Assert.Equal(5, schedule.CountReached(1, planCount: 6, TimeSpan.FromHours(1)));
    }

    [Fact]
    public void All_mistakes_are_reported_at_once()
    {
        var error = Assert.Throws<FormatException>(() => Scenario.Parse("name: empty"));

        Assert.Equal(5, error.Message.Split('\n').Length);
        Assert.Contains("ratePerSecond is 0, must be at least 1.", error.Message, StringComparison.Ordinal);
        Assert.Contains("plans is empty", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_key_is_reported_with_its_line()
    {
        var error = Assert.Throws<FormatException>(() => Scenario.Parse(Small + "\nrate: 5"));

        Assert.StartsWith("Line 11: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_of_more_plans_than_the_ledger_holds_is_refused()
    {
        string huge = Small.Replace("ratePerSecond: 3", "ratePerSecond: 2000000000", StringComparison.Ordinal);

        var error = Assert.Throws<FormatException>(() => Scenario.Parse(huge));
        Assert.Contains("over 10000000 plans", error.Message, StringComparison.Ordinal);
    }
}
