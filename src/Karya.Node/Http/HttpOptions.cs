namespace Karya.Node.Http;

/// <summary>Which web pages may talk to <c>/v1</c>.</summary>
internal enum CorsMode
{
    /// <summary>Pages that came from this machine. The default.</summary>
    Loopback,

    /// <summary>Every page, as the original does it.</summary>
    Any,
}

/// <summary>
/// Where to listen: an IP address, a host name, or <c>*</c> for every address; port 0 takes a free one.
/// </summary>
internal sealed record HttpEndpoint(string Host, int Port);

/// <summary>What an operator may change about HTTP.</summary>
internal sealed record HttpOptions
{
    public required IReadOnlyList<HttpEndpoint> Endpoints { get; init; }

    /// <summary>Bytes of a request's body; one more is answered with 413.</summary>
    public int BodyBytesMax { get; init; } = 1024 * 1024;

    public CorsMode Cors { get; init; } = CorsMode.Loopback;

    /// <summary>How many plans deep actions and hooks may start each other.</summary>
    public int MaxChainedDepth { get; init; } = 2;

    /// <summary>Refuse recurring plans whose action starts another plan.</summary>
    public bool Strict { get; init; } = true;
}
