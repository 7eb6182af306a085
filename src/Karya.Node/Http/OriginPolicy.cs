using System.Net;
using Karya.Node.Plans;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Karya.Node.Http;

/// <summary>What a request is allowed, judged by the web page that it came from. Immutable.</summary>
/// <param name="Served">False: refuse it with <paramref name="Status"/> and <paramref name="Reason"/>.</param>
/// <param name="Readable">The page may read the answer.</param>
internal readonly record struct OriginVerdict(bool Served, bool Readable, int Status = 0, string Reason = "");

/// <summary>
/// Decides about <c>Host</c> and <c>Origin</c>. A node that listens on loopback is reachable from every web page that
/// its owner opens; these two headers are what tells such a page from the owner's own programs.
/// </summary>
internal sealed class OriginPolicy
{
    private static readonly OriginVerdict Readable = new(Served: true, Readable: true);
    private static readonly OriginVerdict Opaque = new(Served: true, Readable: false);

    private readonly bool _any;
    private readonly bool _checkHost;
    private readonly HashSet<string> _hosts;

    /// <param name="loopbackOnly">Every endpoint is on loopback; then a foreign <c>Host</c> means DNS
    /// rebinding.</param>
    public OriginPolicy(HttpOptions options, bool loopbackOnly)
    {
        _any = options.Cors == CorsMode.Any;
        _checkHost = loopbackOnly && !_any;
        _hosts = options.Endpoints.Select(endpoint => endpoint.Host).ToHashSet(StringComparer.OrdinalIgnoreCase);
    }

    /// <param name="ours">The request is for <c>/api</c>, which no foreign page may use in any mode.</param>
    public OriginVerdict Judge(HttpRequest request, bool ours)
    {
        if (_checkHost && !IsOwnHost(request.Host))
        {
            string host = Quoted.Shorten(request.Host.Value ?? "");
            return new(false, false, StatusCodes.Status421MisdirectedRequest,
                $"Host {host} is not this node. It listens on loopback and answers to localhost, 127.0.0.1, [::1] and "
                + "the hosts it was told to listen on.");
        }

        string origin = request.Headers[HeaderNames.Origin].ToString();
        if (_any && !ours)
            return Readable;

        if (origin.Length == 0)
            return Opaque;

        if (IsLoopbackPage(origin) || IsOwnPage(origin, request.Host))
            return Readable;

        if (HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method))
            return Opaque;

        return new(false, false, StatusCodes.Status403Forbidden,
            $"Origin {Quoted.Shorten(origin)} may not do this: only pages from this machine may.");
    }

    private bool IsOwnHost(HostString host) =>
        !host.HasValue // HTTP/1.0 probes send none; browsers always do.
        || IsLoopbackName(host.Host)
        || _hosts.Contains(host.Host);

    private static bool IsLoopbackName(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private static bool IsLoopbackPage(string origin) =>
        Uri.TryCreate(origin, UriKind.Absolute, out var page)
        && (page.Scheme == Uri.UriSchemeHttp || page.Scheme == Uri.UriSchemeHttps)
        && IsLoopbackName(page.DnsSafeHost);

    /// <summary>
    /// A page that this very node served, such as its dashboard. Only addresses and configured names count: any other
    /// name may be a foreign one that was pointed at us.
    /// </summary>
    private bool IsOwnPage(string origin, HostString host) =>
        host.HasValue
        && (_hosts.Contains(host.Host) || IPAddress.TryParse(host.Host, out _))
        && (origin.Equals($"http://{host.Value}", StringComparison.OrdinalIgnoreCase)
            || origin.Equals($"https://{host.Value}", StringComparison.OrdinalIgnoreCase));
}
