using System.Buffers;

namespace Karya.Node.Http.V1;

/// <summary>Which control characters a text may have.</summary>
internal enum TextRule
{
    Any,

    /// <summary>No U+0000, which Postgres cannot store and C programs stop at.</summary>
    NoNul,

    /// <summary>No control characters but tabs: what becomes part of a line of some protocol (SMTP, HTTP).</summary>
    OneLine,
}

internal static class TextRules
{
    private static readonly SearchValues<char> Controls = SearchValues.Create(
        [.. Enumerable.Range(0, 0x20).Select(code => (char)code).Where(letter => letter != '\t'), '\u007F']);

    private static readonly SearchValues<char> TokenLetters = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Position of the first character that the rule forbids; -1 when there is none.</summary>
    public static int FirstForbidden(ReadOnlySpan<char> text, TextRule rule) => rule switch
    {
        TextRule.NoNul => text.IndexOf('\0'),
        TextRule.OneLine => text.IndexOfAny(Controls),
        _ => -1,
    };

    /// <summary>A header name by RFC 9110: one or more visible ASCII characters without separators.</summary>
    public static bool IsToken(ReadOnlySpan<char> text) =>
        !text.IsEmpty && !text.ContainsAnyExcept(TokenLetters);
}
