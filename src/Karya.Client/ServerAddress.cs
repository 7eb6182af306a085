using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Karya.Client;

/// <summary>
/// Where a cluster is to be found: <c>karya://host:port,host:port</c>. The nodes named are those that a client asks
/// first; the rest of the cluster it learns from them. Immutable.
/// </summary>
/// <remarks>
/// The port may be left out. IPv6 addresses stand in brackets, as in <c>karya://[::1]:7070</c>. Host names are compared
/// without regard to case; the order of nodes counts.
/// </remarks>
public sealed class ServerAddress : IEquatable<ServerAddress>
{
    /// <summary>The port of a node that is named without one.</summary>
    public const int DefaultPort = 7070;

    /// <summary>Nodes in one address. A few are enough to find the rest: more is a mistake in a generator.</summary>
    public const int NodesMax = 64;

    private const string Scheme = "karya://";

    private readonly DnsEndPoint[] _nodes;

    private ServerAddress(DnsEndPoint[] nodes) => _nodes = nodes;

    /// <summary>At least one, in the order of the text. IPv6 addresses are without brackets.</summary>
    public IReadOnlyList<DnsEndPoint> Nodes => _nodes;

    /// <exception cref="FormatException">The text is no address; the message says what is wrong with it.</exception>
    public static ServerAddress Parse(string text) =>
        TryParse(text, out var address, out string? error) ? address : throw new FormatException(error);

    /// <param name="error">What is wrong and what would be right: a sentence for whoever wrote the text.</param>
    public static bool TryParse(
        string? text, [NotNullWhen(true)] out ServerAddress? address, [NotNullWhen(false)] out string? error)
    {
        address = null;
        error = null;

        if (text is null || !text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            error = $"'{text}' is no server address: it must start with {Scheme}, as in {Scheme}host:{DefaultPort}.";
            return false;
        }

        string[] parts = text[Scheme.Length..].Split(',');
        if (parts.Length > NodesMax)
        {
            error = $"The server address names {parts.Length} nodes, allowed are {NodesMax}.";
            return false;
        }

        var nodes = new DnsEndPoint[parts.Length];
        for (int nodeIndex = 0; nodeIndex < parts.Length; nodeIndex++)
        {
            if (!TryParseNode(parts[nodeIndex], out nodes[nodeIndex]!, out string? reason))
            {
                error = $"Node {nodeIndex + 1} of the server address '{text}' is wrong: {reason}";
                return false;
            }
        }

        address = new ServerAddress(nodes);
        return true;
    }

    public bool Equals(ServerAddress? other) => other is not null && _nodes.AsSpan().SequenceEqual(other._nodes);

    public override bool Equals(object? obj) => Equals(obj as ServerAddress);

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);

    /// <summary>The address in full, every port written out; parses to an equal one.</summary>
    public override string ToString() => Scheme + string.Join(',', _nodes.Select(Print));

    private static string Print(DnsEndPoint node) =>
        node.Host.Contains(':', StringComparison.Ordinal) ? $"[{node.Host}]:{node.Port}" : $"{node.Host}:{node.Port}";

    private static bool TryParseNode(
        string text, [NotNullWhen(true)] out DnsEndPoint? node, [NotNullWhen(false)] out string? reason)
    {
        node = null;
        reason = null;

        if (text.Length == 0)
            reason = "it is empty; expected host or host:port.";
        else if (text.AsSpan().ContainsAny('/', '?', '#'))
            reason = $"'{text}' has a path or a query; expected host or host:port.";
        else if (text.Contains('@', StringComparison.Ordinal))
            reason = "it has a user; credentials do not belong into an address.";
        else if (!TrySplit(text, out string host, out string portText))
            reason = $"'{text}' has an address in brackets that does not end as in [::1] or [::1]:{DefaultPort}.";
        else if (host.Contains(':', StringComparison.Ordinal) && !IsIPv6(host, text))
            reason = $"'{text}' has several colons; an IPv6 address stands in brackets, as in [::1]:{DefaultPort}.";
        else if (Uri.CheckHostName(host) == UriHostNameType.Unknown)
            reason = $"'{host}' is no host name.";
        else if (!TryParsePort(portText, out int port))
            reason = $"'{portText}' is no port; allowed are 1 to {IPEndPoint.MaxPort}.";
        else
            node = new DnsEndPoint(host.ToLowerInvariant(), port);

        return node is not null;
    }

    /// <summary>Host (without brackets) and the text of the port, which is the default when there is none.</summary>
    private static bool TrySplit(string text, out string host, out string portText)
    {
        bool inBrackets = text[0] == '[';
        int hostEnd = inBrackets ? text.IndexOf(']', StringComparison.Ordinal) + 1 : text.LastIndexOf(':');
        if (!inBrackets && hostEnd < 0)
            hostEnd = text.Length;

        host = inBrackets && hostEnd > 1 ? text[1..(hostEnd - 1)] : text[..hostEnd];
        string rest = text[hostEnd..];
        portText = rest.Length == 0 ? DefaultPort.ToString(CultureInfo.InvariantCulture) : rest[1..];
        return !inBrackets || (hostEnd > 0 && (rest.Length == 0 || rest[0] == ':'));
    }

    private static bool IsIPv6(string host, string text) =>
        text[0] == '[' && Uri.CheckHostName(host) == UriHostNameType.IPv6;

    private static bool TryParsePort(string text, out int port) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) &&
        port is >= 1 and <= IPEndPoint.MaxPort;
}
