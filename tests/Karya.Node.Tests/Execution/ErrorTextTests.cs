using System.Buffers;
using System.Text;
using Karya.Engine;
using Karya.Node.Execution;
using Xunit;

namespace Karya.Node.Tests.Execution;

public sealed class ErrorTextTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("plain ü € 𝄞", "plain ü € 𝄞")]
    [InlineData("a\nb\r\nc\td", "a\nb\r\nc\td")]
    [InlineData("\0\a\u001b[31m", "\uFFFD\uFFFD\uFFFD[31m")]
    [InlineData("over\rwritten\r", "over\uFFFDwritten\uFFFD")]
    [InlineData("\u007F\u009B31m", "\uFFFD\uFFFD31m")]
    public void Control_characters_are_replaced_except_for_tabs_and_line_ends(string text, string expected) =>
        Assert.Equal(expected, ErrorText.Fit(text));

    [Fact]
    public void A_text_of_exactly_the_limit_is_kept_whole()
    {
        string text = new('x', Limits.ErrorBytesMax);
        Assert.Same(text, ErrorText.Fit(text));
    }

    [Fact]
    public void A_longer_text_is_cut_between_characters_and_says_how_long_it_was()
    {
        foreach (string character in new[] { "x", "ü", "€", "𝄞", "\uD834" })
        {
            for (int lead = 1; lead <= 4; lead++)
            {
                string repeated = string.Concat(Enumerable.Repeat(character, Limits.ErrorBytesMax));
                AssertCut(new string('.', lead) + repeated, lead, character);
            }
        }
    }

    [Fact]
    public void A_text_is_encoded_into_a_rented_array()
    {
        byte[] bytes = ErrorText.Encode("ü€", out int byteCount);
        Assert.Equal("ü€"u8, bytes.AsSpan(0, byteCount));
        ArrayPool<byte>.Shared.Return(bytes);
    }

    private static void AssertCut(string text, int lead, string character)
    {
        int byteCount = Encoding.UTF8.GetByteCount(text);

        string kept = ErrorText.Fit(text);

        string mark = $"… [cut, {byteCount} bytes in all]";
        Assert.EndsWith(mark, kept, StringComparison.Ordinal);
        Assert.StartsWith(kept[..^mark.Length], text, StringComparison.Ordinal);
        Assert.Equal(0, (kept.Length - mark.Length - lead) % character.Length);
        Assert.InRange(Encoding.UTF8.GetByteCount(kept), Limits.ErrorBytesMax - 3, Limits.ErrorBytesMax);
    }
}
