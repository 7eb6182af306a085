using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Karya.Node.Configuration;

/// <summary>
/// Where to listen: <c>127.0.0.1:8080</c>, <c>[::1]:8080</c>, <c>localhost:8080</c>, or <c>*:8080</c> for every address
/// of the machine. Names other than localhost are not accepted: what is listened on must not depend on DNS.
/// </summary>
/// <param name="Host">An IPv4 address, an IPv6 address without brackets, <c>localhost</c>, or <c>*</c>.</param>
/// <param name="Port">0 takes a free port.</param>
internal sealed record ListenAddress(string Host, int Port)
{
    public const string Form = "an address such as 127.0.0.1:8080, [::1]:8080, localhost:8080 or *:8080";

    private const string AnyHost = "*";
    private const string LocalHost = "localhost";

    /// <summary>Every address of the machine, IPv4 and IPv6.</summary>
    public bool IsAny => Host == AnyHost;

    /// <summary>Both loopback addresses, IPv4 and IPv6.</summary>
    public bool IsLocalHost => Host == LocalHost;

    /// <summary>Only processes of this machine can connect.</summary>
    public bool IsLoopback => IsLocalHost || (!IsAny && IPAddress.IsLoopback(IPAddress.Parse(Host)));

    /// <summary>
    /// The address to bind; null when <see cref="IsAny"/> or <see cref="IsLocalHost"/>, which stand for two.
    /// </summary>
    public IPAddress? Address => IsAny || IsLocalHost ? null : IPAddress.Parse(Host);

    public static bool TryParse(string text, [NotNullWhen(true)] out ListenAddress? address)
    {
        address = null;
        int colonIndex = text.LastIndexOf(':');
        if (colonIndex < 0 || !TryParsePort(text.AsSpan(colonIndex + 1), out int port))
            return false;

        string? host = HostOf(text[..colonIndex]);
        if (host is null)
            return false;

        address = new ListenAddress(host, port);
        return true;
    }

    /// <summary>The form that <see cref="TryParse"/> reads.</summary>
    public override string ToString() =>
        Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";

    private static bool TryParsePort(ReadOnlySpan<char> text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port <= IPEndPoint.MaxPort;

    private static string? HostOf(string text)
    {
        if (text == AnyHost)
            return AnyHost;
        if (text.Equals(LocalHost, StringComparison.OrdinalIgnoreCase))
            return LocalHost;

        bool inBrackets = text.StartsWith('[') && text.EndsWith(']');
        string host = inBrackets ? text[1..^1] : text;
        bool isV6 = host.Contains(':', StringComparison.Ordinal);

        // IPAddress also reads "1", "0x7f.1" and "[::1]" as addresses: asking for the canonical dots refuses those.
        if (isV6 != inBrackets || host.StartsWith('[') || !IPAddress.TryParse(host, out var ip))
            return null;
        if (!isV6 && ip.ToString() != host)
            return null;

        return ip.Equals(IPAddress.Any) || ip.Equals(IPAddress.IPv6Any) ? AnyHost : ip.ToString();
    }
}
