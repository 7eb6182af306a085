namespace Karya.Node.Http;

/// <summary>UUIDs as clients write them: 36 characters, letters in either case, and no other form.</summary>
internal static class Uuids
{
    private const int Chars = 36;

    public const string Form = "a UUID of the form 0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11";

    public static bool TryParse(ReadOnlySpan<char> text, out Guid guid)
    {
        guid = default;
        if (text.Length != Chars)
            return false;

        for (int i = 0; i < Chars; i++)
        {
            // The framework's parser lets signs, prefixes and white space pass.
            bool isHyphen = i is 8 or 13 or 18 or 23;
            if (isHyphen ? text[i] != '-' : !char.IsAsciiHexDigit(text[i]))
                return false;
        }

        return Guid.TryParseExact(text, "D", out guid);
    }
}
