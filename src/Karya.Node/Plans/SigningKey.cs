using System.Buffers.Text;

namespace Karya.Node.Plans;

/// <summary>Keys of Standard Webhooks as they are written. Pure.</summary>
internal static class SigningKey
{
    public const string Form = "whsec_ and 24 to 64 bytes in base64";

    private const string Start = "whsec_";
    private const int BytesMin = 24;
    private const int BytesMax = 64;

    public static bool TryRead(string text, out byte[] key)
    {
        key = [];
        if (!text.StartsWith(Start, StringComparison.Ordinal) || !Base64.IsValid(text.AsSpan(Start.Length)))
            return false;
        key = Convert.FromBase64String(text[Start.Length..]);
        return key.Length is >= BytesMin and <= BytesMax;
    }
}
