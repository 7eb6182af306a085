using System.Text;

namespace Karya.Node.Plans;

/// <summary>Shows values that came from outside in messages: in quotes, short, on one line.</summary>
internal static class Quoted
{
    private const int CharsMax = 64;

    public static string Shorten(ReadOnlySpan<char> value)
    {
        var text = new StringBuilder(CharsMax + 8).Append('"');
        bool isCut = value.Length > CharsMax;
        foreach (var rune in (isCut ? value[..CharsMax] : value).EnumerateRunes())
        {
            if (Rune.IsControl(rune) || rune.Value is 0x2028 or 0x2029 or (>= 0x202A and <= 0x202E))
                text.Append("\\u").Append(rune.Value.ToString("x4"));
            else
                text.Append(rune);
        }

        return text.Append(isCut ? "...\"" : "\"").ToString();
    }
}
