using System.Text;

namespace Karya.Protocol;

/// <summary>The names of error codes: <c>FRAME_TOO_LARGE</c> for <see cref="ErrorCode.FrameTooLarge"/>.</summary>
public static class ErrorNames
{
    private static readonly Dictionary<ErrorCode, string> Names =
        Enum.GetValues<ErrorCode>().ToDictionary(code => code, code => ToName(code.ToString()));

    /// <summary>The name of a code; <c>ERROR_n</c> for one that this version does not know.</summary>
    public static string Of(ErrorCode code) => Names.GetValueOrDefault(code) ?? $"ERROR_{(int)code}";

    private static string ToName(string member)
    {
        var name = new StringBuilder();
        foreach (char letter in member)
        {
            if (char.IsAsciiLetterUpper(letter) && name.Length > 0)
                name.Append('_');
            name.Append(char.ToUpperInvariant(letter));
        }

        return name.ToString();
    }
}
