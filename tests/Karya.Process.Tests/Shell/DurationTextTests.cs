using Karya.Cli.Plans;
using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>Durations and instants as people type them.</summary>
public sealed class DurationTextTests
{
    [Theory]
    [InlineData("250ms", 250, "250ms")]
    [InlineData("90s", 90_000, "1m30s")]
    [InlineData("10m", 600_000, "10m")]
    [InlineData("1h30m", 5_400_000, "1h30m")]
    [InlineData("7d", 604_800_000, "7d")]
    [InlineData("PT90S", 90_000, "1m30s")]
    [InlineData("pt1h", 3_600_000, "1h")]
    [InlineData("P1DT2H", 93_600_000, "1d2h")]
    [InlineData("0s", 0, "0s")]
    public void A_duration_is_read_and_shown_in_its_shortest_form(string text, long ms, string shown)
    {
        var duration = DurationText.Read(text);
        Assert.Equal(ms, duration.TotalMilliseconds);
        Assert.Equal(shown, DurationText.Show(duration));
        Assert.Equal(duration, DurationText.Read(DurationText.ToIso(duration)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("1.5h")]
    [InlineData("-5s")]
    [InlineData("30m1h")]
    [InlineData("1h1h")]
    [InlineData("5 s")]
    [InlineData("5M")]
    [InlineData("PT")]
    [InlineData("PT-5S")]
    [InlineData("99999999999999999999s")]
    [InlineData("9223372036854775807d")]
    [InlineData("9223372036854775807ms")]
    public void Anything_else_is_refused(string text) =>
        Assert.Throws<FormatException>(() => DurationText.Read(text));

    [Theory]
    [InlineData("2026-12-01T08:00:00Z", "2026-12-01T08:00:00.000Z")]
    [InlineData("2026-12-01T09:00:00.25+01:00", "2026-12-01T08:00:00.250Z")]
    [InlineData("2026-12-01 08:00Z", "2026-12-01T08:00:00.000Z")]
    public void An_instant_is_read_with_its_offset_and_shown_in_UTC(string text, string shown) =>
        Assert.Equal(shown, InstantText.Show(InstantText.Read(text)));

    [Theory]
    [InlineData("2026-12-01T08:00:00")]
    [InlineData("2026-12-01")]
    [InlineData("2026-13-01T08:00:00Z")]
    [InlineData("tomorrow")]
    public void An_instant_without_an_offset_is_refused(string text) =>
        Assert.Throws<FormatException>(() => InstantText.Read(text));
}
