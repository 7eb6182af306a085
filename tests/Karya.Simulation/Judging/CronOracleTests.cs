using System.Globalization;
using Karya.Engine.Scheduling;
using Xunit;

namespace Karya.Simulation.Judging;

/// <summary>The judge's own idea of cron, against what is written down and against the engine's.</summary>
public sealed class CronOracleTests
{
    [Theory]
    [InlineData("30 2 * * *", "Europe/Berlin", "2027-03-27T01:30Z", "2027-03-28T01:00Z")] // Inside the gap: at its end.
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00Z", "2026-10-25T00:30Z")] // Twice that hour: the first.
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-26T01:30Z")]
    [InlineData("*/30 2 * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T01:00Z")] // A step: in both.
    [InlineData("0 0 29 2 *", "UTC", "2026-03-01T00:00Z", "2028-02-29T00:00Z")]
    [InlineData("0 0 13 * 5", "UTC", "2026-11-14T00:00Z", "2027-08-13T00:00Z")] // Both days must match.
    public void An_instant_is_what_the_documentation_says(string expression, string zone, string after, string expected)
    {
        Assert.Equal(Ms(expected), new CronOracle(expression, zone).NextMs(Ms(after)));
        Assert.Equal(Ms(expected), Engine(expression, zone, Ms(after)));
    }

    [Theory]
    [InlineData("* * * * *")]
    [InlineData("*/7 * * * *")]
    [InlineData("1-59/3 * * * *")]
    [InlineData("30 2 * * *")]
    [InlineData("0 2 * * *")]
    [InlineData("59 1,2,3 * * 0")]
    [InlineData("*/30 1-3 * * *")]
    [InlineData("15 * * * *")]
    [InlineData("0 0 * * 1-5")]
    [InlineData("0 12 1,15 * *")]
    [InlineData("45 23 31 * *")]
    public void The_engine_comes_to_the_same_instants(string expression)
    {
        foreach (string zone in (string[])["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
        {
            var oracle = new CronOracle(expression, zone);
            foreach (string from in (string[])["2026-10-24T20:00Z", "2026-10-31T20:00Z", "2027-03-13T20:00Z",
                "2027-03-27T20:00Z", "2027-04-03T10:00Z", "2026-10-03T10:00Z", "2028-02-28T10:00Z"])
            {
                long atMs = Ms(from);
                for (int i = 0; i < 60; i++)
                {
                    long? expected = oracle.NextMs(atMs);
                    Assert.Equal((zone, from, i, expected), (zone, from, i, Engine(expression, zone, atMs)));
                    atMs = expected!.Value;
                }
            }
        }
    }

    private static long? Engine(string expression, string zone, long afterMs)
    {
        Assert.True(CronSchedule.TryParse(expression, zone, out var schedule, out _));
        return schedule.NextMs(afterMs);
    }

    private static long Ms(string instant) =>
        DateTimeOffset.Parse(instant, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();
}
