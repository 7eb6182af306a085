using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;

namespace Karya.Node.Http;

/// <summary>
/// Escapes what JSON demands and nothing else, as kotlinx.serialization does: quote, backslash and control characters.
/// The relaxed encoder of the framework still escapes emoji, U+2028 and others.
/// </summary>
internal sealed unsafe class PlainJsonEncoder : JavaScriptEncoder
{
    public static readonly PlainJsonEncoder Instance = new();

    private const int EscapeCharsMax = 6; // \u001f

    private static readonly SearchValues<char> Suspects = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Select(code => (char)code), '"', '\\',
            .. Enumerable.Range(0xD800, 0x800).Select(code => (char)code)]);

    public override int MaxOutputCharactersPerInputCharacter => EscapeCharsMax;

    public override bool WillEncode(int unicodeScalar) => unicodeScalar is < 0x20 or '"' or '\\';

    /// <summary>Finds unpaired surrogates too: they are no text, and the base class replaces them.</summary>
    public override int FindFirstCharacterToEncode(char* text, int textLength)
    {
        var span = new ReadOnlySpan<char>(text, textLength);
        int at = 0;
        while (true)
        {
            int found = span[at..].IndexOfAny(Suspects);
            if (found < 0)
                return -1;

            at += found;
            bool isPair = at + 1 < span.Length && char.IsSurrogatePair(span[at], span[at + 1]);
            if (!isPair)
                return at;

            at += 2;
        }
    }

    public override bool TryEncodeUnicodeScalar(
        int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten)
    {
        var target = new Span<char>(buffer, bufferLength);
        char letter = unicodeScalar switch
        {
            '"' => '"',
            '\\' => '\\',
            '\b' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\f' => 'f',
            '\r' => 'r',
            _ => 'u',
        };

        if (unicodeScalar is >= 0x20 and not '"' and not '\\')
            return new Rune(unicodeScalar).TryEncodeToUtf16(target, out numberOfCharactersWritten);

        numberOfCharactersWritten = letter == 'u' ? EscapeCharsMax : 2;
        if (target.Length < numberOfCharactersWritten)
        {
            numberOfCharactersWritten = 0;
            return false;
        }

        target[0] = '\\';
        target[1] = letter;
        if (letter == 'u')
            unicodeScalar.TryFormat(target[2..], out _, "x4");

        return true;
    }
}
