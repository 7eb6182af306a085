using System.IO.Hashing;

namespace Karya.Engine;

/// <summary>Tells whether a plan's body is still the one that somebody has read.</summary>
public static class BodyMark
{
    /// <summary>Never 0, which stands for no body.</summary>
    public static ulong Of(ReadOnlySpan<byte> body) => Math.Max(1, XxHash3.HashToUInt64(body));
}
