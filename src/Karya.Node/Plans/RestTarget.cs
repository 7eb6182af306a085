namespace Karya.Node.Plans;

/// <summary>
/// Reads where a REST action goes. Clients should write the base URL without a scheme, but the original's own samples
/// write one, so that <c>http</c> and <c>https</c> in front are dropped: the action's protocol decides.
/// </summary>
internal static class RestTarget
{
    /// <summary>The URL that is called. It need not be a valid one.</summary>
    public static string UrlOf(RestAction action) =>
        string.Concat(action.Https ? "https://" : "http://", WithoutScheme(action.BaseUrl));

    /// <summary>Host, port, path and query, as they were written.</summary>
    public static ReadOnlySpan<char> WithoutScheme(ReadOnlySpan<char> baseUrl)
    {
        var rest = baseUrl.Trim();
        if (rest.StartsWith("http://", StringComparison.OrdinalIgnoreCase))
            return rest["http://".Length..];
        if (rest.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            return rest["https://".Length..];
        return rest;
    }

    /// <summary>
    /// The part before path, query and fragment: <c>user@host:port</c>. A backslash counts as a slash, as in URLs.
    /// </summary>
    public static ReadOnlySpan<char> AuthorityOf(ReadOnlySpan<char> withoutScheme)
    {
        int end = withoutScheme.IndexOfAny(@"/\?#");
        return end < 0 ? withoutScheme : withoutScheme[..end];
    }
}
