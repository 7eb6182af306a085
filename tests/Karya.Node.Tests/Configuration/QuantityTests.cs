using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("0s", 0)]
    [InlineData("1ms", 1)]
    [InlineData("90m", 5_400_000)]
    [InlineData("24h", 86_400_000)]
    [InlineData("7d", 604_800_000)]
    [InlineData("9223372036854775807d", long.MaxValue)]
    public void A_duration_is_a_number_and_a_unit(string text, long expectedMs)
    {
        Assert.True(Quantity.TryParseDuration(text, out long ms, out _));
        Assert.Equal(expectedMs, ms);
    }

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("-1s")]
    [InlineData("1 s")]
    [InlineData("1S")]
    [InlineData("1h30m")]
    [InlineData("99999999999999999999s")]
    [InlineData("1e3s")]
    public void Anything_else_is_no_duration(string text) =>
        Assert.False(Quantity.TryParseDuration(text, out _, out _));

    [Theory]
    [InlineData("0B", 0)]
    [InlineData("64KiB", 65_536)]
    [InlineData("3GiB", 3_221_225_472)]
    public void A_size_counts_in_steps_of_1024(string text, long expectedBytes)
    {
        Assert.True(Quantity.TryParseSize(text, out long bytes, out _));
        Assert.Equal(expectedBytes, bytes);
    }

    [Fact]
    public void An_amount_is_shown_in_the_largest_unit_that_divides_it()
    {
        Assert.Equal("0s", Quantity.ShowDuration(TimeSpan.Zero));
        Assert.Equal("1500ms", Quantity.ShowDuration(TimeSpan.FromSeconds(1.5)));
        Assert.Equal("1d", Quantity.ShowDuration(TimeSpan.FromHours(24)));
        Assert.Equal("1025B", Quantity.ShowSize(1025));
        Assert.Equal("64KiB", Quantity.ShowSize(65_536));
    }
}
