using System.Globalization;
using Karya.Engine.Scheduling;
using Xunit;

namespace Karya.Engine.Tests.Scheduling;

public sealed class CronScheduleTests
{
    [Theory]
    [InlineData("* * * * *", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01:00Z")]
    [InlineData("* * * * *", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z")]
    [InlineData("* * * * *", "2026-01-01T00:01:00.001Z", "2026-01-01T00:02:00Z")]
    [InlineData("*/15 * * * * *", "2026-01-01T00:00:15Z", "2026-01-01T00:00:30Z")]
    [InlineData("* * * * * *", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z")]
    [InlineData("0 12 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T12:00:00Z")]
    [InlineData("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z")]
    [InlineData("0 9 * * MON-FRI", "2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z")]
    [InlineData("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z")]
    public void The_next_instant_is_strictly_after_the_given_one(string cron, string after, string next) =>
        Assert.Equal(At(next), Parse(cron).NextMs(At(after)));

    [Fact]
    public void Day_of_month_and_day_of_week_must_both_match() =>
        Assert.Equal(At("2026-02-13T00:00:00Z"), Parse("0 0 13 * FRI").NextMs(At("2026-01-14T00:00:00Z")));

    [Fact]
    public void An_hour_is_one_of_the_zone() =>
        Assert.Equal(At("2026-07-01T09:00:00+02:00"), Berlin("0 9 * * *").NextMs(At("2026-07-01T00:00:00Z")));

    [Fact]
    public void What_is_due_inside_the_gap_of_spring_is_due_at_its_end_and_the_next_day_as_always()
    {
        var schedule = Berlin("30 2 * * *");
        Assert.Equal(
            [At("2026-03-28T02:30:00+01:00"), At("2026-03-29T03:00:00+02:00"), At("2026-03-30T02:30:00+02:00")],
            Next(schedule, At("2026-03-28T00:00:00Z"), 3));
    }

    [Fact]
    public void What_recurs_within_the_hour_goes_on_after_the_gap_of_spring() =>
        Assert.Equal(
            [At("2026-03-29T01:30:00+01:00"), At("2026-03-29T03:00:00+02:00"), At("2026-03-29T03:30:00+02:00")],
            Next(Berlin("*/30 * * * *"), At("2026-03-29T01:00:00+01:00"), 3));

    [Fact]
    public void A_fixed_hour_that_comes_twice_in_autumn_is_due_once_the_first_time() =>
        Assert.Equal(
            [At("2026-10-25T02:30:00+02:00"), At("2026-10-26T02:30:00+01:00")],
            Next(Berlin("30 2 * * *"), At("2026-10-25T00:00:00+02:00"), 2));

    [Fact]
    public void What_recurs_within_the_hour_is_due_in_both_hours_of_autumn() =>
        Assert.Equal(
            [
                At("2026-10-25T02:00:00+02:00"), At("2026-10-25T02:30:00+02:00"),
                At("2026-10-25T02:00:00+01:00"), At("2026-10-25T02:30:00+01:00"), At("2026-10-25T03:00:00+01:00"),
            ],
            Next(Berlin("*/30 * * * *"), At("2026-10-25T01:30:00+02:00"), 5));

    [Theory]
    [InlineData("UTC")]
    [InlineData("Pacific/Kiritimati")]
    [InlineData("Pacific/Pago_Pago")]
    public void At_the_end_of_time_nothing_comes_any_more(string zone)
    {
        var schedule = Parse("* * * * * *", zone);
        foreach (long afterMs in (long[])[Limits.InstantMsMax - 1000, Limits.InstantMsMax, long.MaxValue])
            Assert.Null(schedule.NextMs(afterMs));
        Assert.Null(Parse("0 0 1 1 *", zone).NextMs(Limits.InstantMsMax - 86_400_000));
    }

    [Fact]
    public void An_instant_before_1970_counts_as_1970() =>
        Assert.Equal(60_000, Parse("* * * * *").NextMs(long.MinValue));

    [Theory]
    [InlineData("61 * * * *", "minute '61'", "0-59")]
    [InlineData("0 60 * * * *", "minute '60'", "0-59")]
    [InlineData("60 * * * * *", "second '60'", "0-59")]
    [InlineData("* 24 * * *", "hour '24'", "0-23")]
    [InlineData("* * 0 * *", "day of month '0'", "1-31")]
    [InlineData("* * * FOO *", "month 'FOO'", "JAN-DEC")]
    [InlineData("* * * * MON-FOO", "day of week 'MON-FOO'", "SUN-SAT")]
    [InlineData("*/0 * * * *", "minute '*/0'", "0-59")]
    [InlineData("H * * * *", "minute 'H'", "0-59")]
    [InlineData("1, * * * *", "minute '1,'", "0-59")]
    [InlineData("", "has 0 fields", "5")]
    [InlineData("* * * *", "has 4 fields", "5")]
    [InlineData("* * * * * * *", "has 7 fields", "6")]
    [InlineData("@daily", "'@daily' has 1 fields", "5")]
    [InlineData("0 0 31 2 *", "'0 0 31 2 *' never fires", "no day")]
    [InlineData("* * * * *\n", "day of week '*\n'", "0-7")]
    public void A_mistake_is_named_with_its_value_and_what_is_allowed(string cron, string what, string allowed)
    {
        Assert.False(CronSchedule.TryParse(cron, "UTC", out _, out string? error));
        Assert.Contains(what, error, StringComparison.Ordinal);
        Assert.Contains(allowed, error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_expression_of_128_characters_is_read_and_one_of_129_is_not()
    {
        string longest = "* * * * " + string.Join(',', Enumerable.Repeat("1", 60)) + ",";
        longest = longest[..^1] + new string(' ', Limits.CronCharsMax - longest.Length + 1);
        Assert.Equal(Limits.CronCharsMax, longest.Length);
        Assert.True(CronSchedule.TryParse(longest, "UTC", out _, out _));

        Assert.False(CronSchedule.TryParse(longest + " ", "UTC", out _, out string? error));
        Assert.Contains("129 characters; at most 128", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Europe/Nowhere")]
    [InlineData("Europe")]
    [InlineData("leapseconds")]
    [InlineData("../../../etc/passwd")]
    [InlineData("/dev/zero")]
    [InlineData("Europe/../Europe/Berlin")]
    [InlineData(" UTC")]
    public void An_unknown_zone_is_named(string zone)
    {
        Assert.False(CronSchedule.TryParse("* * * * *", zone, out _, out string? error));
        Assert.Contains($"'{zone}' is not known", error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_name_of_a_zone_is_not_repeated_at_any_length()
    {
        Assert.False(CronSchedule.TryParse("* * * * *", new string('a', 100_000), out _, out string? error));
        Assert.True(error.Length < 200);
    }

    [Fact]
    public void A_schedule_without_a_zone_is_one_of_UTC_and_is_read_from_its_stored_form()
    {
        var schedule = Parse("0 9 * * *", "");
        Assert.Equal("0 9 * * *\nUTC"u8, schedule.ToBytes());
        Assert.True(CronSchedule.TryRead(schedule.ToBytes(), out var read));
        Assert.Equal((schedule.Expression, schedule.Zone), (read.Expression, read.Zone));
    }

    [Theory]
    [InlineData("")]
    [InlineData("* * * * *")]
    [InlineData("* * * * *\nEurope/Nowhere")]
    [InlineData("nonsense\nUTC")]
    public void A_stored_form_that_means_nothing_here_is_not_read(string text) =>
        Assert.False(CronSchedule.TryRead(System.Text.Encoding.UTF8.GetBytes(text), out _));

    [Fact]
    public void Finding_the_next_instant_allocates_nothing()
    {
        foreach (var schedule in (CronSchedule[])[Parse("*/5 * * * * *"), Berlin("*/10 8-18 * * MON-FRI")])
        {
            Next(schedule, At("2026-01-01T00:00:00Z"), 100);
            long before = GC.GetAllocatedBytesForCurrentThread();
            long at = At("2026-01-02T00:00:00Z");
            for (int i = 0; i < 1000; i++)
                at = schedule.NextMs(at)!.Value;
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }

    [Fact]
    public void The_cache_keeps_a_limited_number_of_schedules_and_remembers_what_cannot_be_read()
    {
        var cache = new CronCache();
        var first = cache.Get("0 0 * * *\nUTC"u8);
        Assert.Same(first, cache.Get("0 0 * * *\nUTC"u8));
        Assert.Null(cache.Get("0 0 * * *\nMars/Base"u8));
        Assert.Null(cache.Get("0 0 * * *\nMars/Base"u8));
        Assert.Equal(2, cache.Count);

        for (int i = 0; i < Limits.CronSchedulesMax; i++)
            cache.Get(System.Text.Encoding.UTF8.GetBytes($"{i % 60} {i / 60 % 24} {i / 1440 + 1} * *\nUTC"));
        Assert.InRange(cache.Count, 1, Limits.CronSchedulesMax);
        Assert.NotNull(cache.Get("0 0 * * *\nUTC"u8));
    }

    private static CronSchedule Parse(string cron, string zone = "UTC")
    {
        Assert.True(CronSchedule.TryParse(cron, zone, out var schedule, out string? error), error);
        return schedule;
    }

    private static CronSchedule Berlin(string cron) => Parse(cron, "Europe/Berlin");

    private static long At(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();

    private static List<long> Next(CronSchedule schedule, long afterMs, int count)
    {
        List<long> instants = [];
        for (int i = 0; i < count; i++)
            instants.Add(afterMs = schedule.NextMs(afterMs)!.Value);
        return instants;
    }
}
