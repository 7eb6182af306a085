using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Unicode;
using Karya.Engine;

namespace Karya.Node.Execution;

/// <summary>Makes error texts fit to be kept and shown: they come from targets, which may send anything.</summary>
internal static class ErrorText
{
    private const char Replacement = '\uFFFD';

    // Escape sequences begin with a control character, in C0 or C1; without them a terminal shows plain text.
    private static readonly SearchValues<char> Controls = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Concat(Enumerable.Range(0x7F, 0x21)).Select(code => (char)code)]);

    /// <summary>
    /// The text with every control character replaced, except for tabs and line ends, and cut to
    /// <see cref="Limits.ErrorBytesMax"/> bytes of UTF-8, with a mark that says so.
    /// </summary>
    public static string Fit(string text) => Cut(Clean(text));

    /// <summary>The text in UTF-8, in an array rented from <see cref="ArrayPool{T}.Shared"/>.</summary>
    public static byte[] Encode(string text, out int byteCount)
    {
        byte[] bytes = ArrayPool<byte>.Shared.Rent(Encoding.UTF8.GetByteCount(text));
        byteCount = Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }

    private static string Clean(string text)
    {
        int first = text.AsSpan().IndexOfAny(Controls);
        return first < 0 ? text : string.Create(text.Length, text, static (cleaned, text) =>
        {
            for (int i = 0; i < cleaned.Length; i++)
                cleaned[i] = IsHarmless(text, i) ? text[i] : Replacement;
        });
    }

    private static bool IsHarmless(string text, int index) => text[index] switch
    {
        '\t' or '\n' => true,
        '\r' => index + 1 < text.Length && text[index + 1] == '\n',
        var other => !Controls.Contains(other),
    };

    private static string Cut(string text)
    {
        // A char is three bytes at most, so that short texts need no counting.
        if (text.Length <= Limits.ErrorBytesMax / 3)
            return text;
        int byteCount = Encoding.UTF8.GetByteCount(text);
        if (byteCount <= Limits.ErrorBytesMax)
            return text;

        string mark = string.Create(CultureInfo.InvariantCulture, $"… [cut, {byteCount} bytes in all]");
        Span<byte> kept = stackalloc byte[Limits.ErrorBytesMax - Encoding.UTF8.GetByteCount(mark)];
        Utf8.FromUtf16(text, kept, out int charsKept, out _);
        return string.Concat(text.AsSpan(0, charsKept), mark);
    }
}
