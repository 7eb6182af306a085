using Karya.Engine.Scheduling;
using Xunit;

namespace Karya.Engine.Tests.Scheduling;

public sealed class IsoDurationTests
{
    [Theory]
    [InlineData("PT7S", 7_000)]
    [InlineData("PT1H30M", 5_400_000)]
    [InlineData("P1DT2H", 93_600_000)]
    [InlineData("PT0.5S", 500)]
    [InlineData("-PT5S", -5_000)]
    [InlineData("PT36H", 129_600_000)]
    [InlineData("pt7s", 7_000)]
    [InlineData("p1dT2h3M4s", 93_784_000)]
    [InlineData("PT0,5S", 500)]
    [InlineData("PT-5S", -5_000)]
    [InlineData("P-1DT2H", -79_200_000)]
    [InlineData("PT1H-30M", 1_800_000)]
    [InlineData("+PT5S", 5_000)]
    [InlineData("PT+5S", 5_000)]
    [InlineData("-PT-5S", 5_000)]
    [InlineData("-P1DT-1H", -82_800_000)]
    [InlineData("PT1.123456789S", 1_123)]
    [InlineData("PT0S", 0)]
    [InlineData("P0D", 0)]
    [InlineData("PT-0S", 0)]
    [InlineData("-PT0S", 0)]
    [InlineData("P1D", 86_400_000)]
    [InlineData("P14D", 1_209_600_000)]
    [InlineData("PT1M", 60_000)]
    [InlineData("PT90M", 5_400_000)]
    [InlineData("PT1H1S", 3_601_000)]
    [InlineData("PT1M1S", 61_000)]
    [InlineData("P1DT1S", 86_401_000)]
    [InlineData("PT1.S", 1_000)]
    [InlineData("PT1,S", 1_000)]
    [InlineData("PT0.001S", 1)]
    [InlineData("PT0.0009S", 0)]
    [InlineData("PT0.000000001S", 0)]
    [InlineData("PT0.999999999S", 999)]
    [InlineData("PT-0.0005S", 0)]
    [InlineData("PT-0.5S", -500)]
    [InlineData("PT-1.0015S", -1_001)]
    [InlineData("-PT1.0015S", -1_001)]
    [InlineData("PT1M-0.5S", 59_500)]
    [InlineData("PT000000000000000000000007S", 7_000)]
    [InlineData("PT0.1S", 100)]
    [InlineData("PT0.12S", 120)]
    [InlineData("P36525D", 3_155_760_000_000)]
    [InlineData("PT9223372036854775.807S", long.MaxValue)]
    [InlineData("-PT9223372036854775.808S", long.MinValue)]
    public void A_duration_of_the_java_grammar_is_read_in_milliseconds(string text, long expectedMs)
    {
        bool read = IsoDuration.TryParse(text, out long ms, out string? error);

        Assert.Null(error);
        Assert.True(read);
        Assert.Equal(expectedMs, ms);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("7", "must begin with P")]
    [InlineData("banana", "must begin with P")]
    [InlineData(" PT7S", "must begin with P")]
    [InlineData("--PT5S", "must begin with P")]
    [InlineData("-", "must begin with P")]
    [InlineData("T7S", "must begin with P")]
    [InlineData("00:00:07", "must begin with P")]
    [InlineData("PT7S ", "white space")]
    [InlineData("PT 7S", "white space")]
    [InlineData("P\n1D", "white space")]
    [InlineData("P1M", "months and years have no fixed length")]
    [InlineData("P1Y", "months and years have no fixed length")]
    [InlineData("P1Y2M3D", "months and years have no fixed length")]
    [InlineData("p1m", "months and years have no fixed length")]
    [InlineData("PT1Y", "months and years have no fixed length")]
    [InlineData("P2W", "P14D for two weeks")]
    [InlineData("P", "ends without an amount")]
    [InlineData("PT", "ends without an amount")]
    [InlineData("P1DT", "ends without an amount")]
    [InlineData("-P", "ends without an amount")]
    [InlineData("PT1.5H", "only seconds")]
    [InlineData("PT1.5M", "only seconds")]
    [InlineData("P0.5D", "only seconds")]
    [InlineData("PT.5S", "lacks a number at position 3")]
    [InlineData("PTS", "lacks a number at position 3")]
    [InlineData("PT--5S", "lacks a number at position 3")]
    [InlineData("PT5S-", "lacks a number at position 5")]
    [InlineData("PTT5S", "lacks a number at position 3")]
    [InlineData("PT5ST", "lacks a number at position 5")]
    [InlineData("PPT5S", "lacks a number at position 2")]
    [InlineData("PT1.1234567890S", "more than 9 digits")]
    [InlineData("PT7", "without a unit")]
    [InlineData("P7", "without a unit")]
    [InlineData("PT7.", "without a unit")]
    [InlineData("PT7X", "unknown unit")]
    [InlineData("PT1.5.5S", "unknown unit")]
    [InlineData("PT٧S", "lacks a number")]
    [InlineData("P7S", "before the T")]
    [InlineData("P7H", "before the T")]
    [InlineData("PT1D", "days after the T")]
    [InlineData("PT5S1M", "out of order")]
    [InlineData("PT5S5S", "out of order")]
    [InlineData("PT1M1H", "out of order")]
    [InlineData("P1D1D", "out of order")]
    [InlineData("PT9223372036854775.808S", "too long")]
    [InlineData("PT9223372036854775808S", "too long")]
    [InlineData("PT9223372036854775807S", "too long")]
    [InlineData("PT9223372036854775807H", "too long")]
    [InlineData("P9223372036854775807D", "too long")]
    [InlineData("P106751991167300DT9223372036854775807S", "too long")]
    [InlineData("-P99999999999999999999999999999999999999999999D", "too long")]
    public void Anything_else_is_refused_with_its_reason(string text, string reason)
    {
        bool read = IsoDuration.TryParse(text, out long ms, out string? error);

        Assert.False(read);
        Assert.Equal(0, ms);
        Assert.Contains(reason, error, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_text_never_throws()
    {
        const int Seed = 20_260_301;
        const string Alphabet = "PTDHMSWY+-.,0123456789 pt\0é";
        var random = new Random(Seed);
        var text = new char[24];
        for (int round = 0; round < 50_000; round++)
        {
            int length = random.Next(text.Length);
            text[0] = 'P';
            for (int i = 1; i < length; i++)
                text[i] = Alphabet[random.Next(Alphabet.Length)];

            bool read = IsoDuration.TryParse(text.AsSpan(0, length), out _, out string? error);
            Assert.True(read == error is null, $"seed {Seed}, round {round}: {new string(text, 0, length)}");
        }
    }

    [Fact]
    public void Reading_a_good_duration_allocates_nothing()
    {
        bool read = IsoDuration.TryParse("P1DT2H3M4.5S", out _, out _);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 1000; round++)
            read &= IsoDuration.TryParse("P1DT2H3M4.5S", out _, out _);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(read);
    }
}
