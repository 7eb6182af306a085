using System.Net;
using System.Net.Sockets;

namespace Karya.Node.Execution.Egress;

/// <summary>Which kind of network an address belongs to.</summary>
internal enum AddressKind
{
    /// <summary>On the Internet, for all to reach.</summary>
    Public,

    /// <summary>This machine.</summary>
    Loopback,

    /// <summary>A network of its own: companies, homes, carriers.</summary>
    Private,

    /// <summary>The cable, and nothing beyond it.</summary>
    LinkLocal,

    /// <summary>Where clouds hand out credentials to whoever asks from inside.</summary>
    Metadata,

    /// <summary>Many receivers at once.</summary>
    Multicast,

    /// <summary>Not for use between machines: documentation, measurements, the future.</summary>
    Reserved,

    /// <summary>An IPv6 address that stands for an IPv4 address which somebody else decides about.</summary>
    Tunnel,
}

/// <summary>
/// Tells what kind of network an address belongs to, by the registries of special-purpose addresses of the IANA. Pure.
/// </summary>
internal static class AddressKinds
{
    /// <summary>The first that contains an address decides. What is in none is public.</summary>
    private static readonly (IPNetwork Network, AddressKind Kind)[] Special =
    [
        .. Networks(
            AddressKind.Metadata, "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32",
            "192.0.0.192/32", "fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128", "fd00:42::42/128"),
        .. Networks(AddressKind.Loopback, "127.0.0.0/8", "::1/128"),
        .. Networks(AddressKind.LinkLocal, "169.254.0.0/16", "fe80::/10"),
        .. Networks(
            AddressKind.Private, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
            "fec0::/10"),
        .. Networks(AddressKind.Multicast, "224.0.0.0/4", "ff00::/8"),
        .. Networks(
            AddressKind.Reserved, "0.0.0.0/8", "::/128", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "100::/64", "2001:2::/48",
            "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        .. Networks(AddressKind.Tunnel, "::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"),
    ];

    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    public static AddressKind Of(IPAddress address)
    {
        var plain = Plain(address);
        foreach (var (network, kind) in Special)
        {
            if (network.Contains(plain))
                return kind;
        }

        return AddressKind.Public;
    }

    /// <summary>
    /// The IPv4 address that an IPv6 address is another way to write, as one mapped (<c>::ffff:a.b.c.d</c>) or
    /// translated (<c>64:ff9b::a.b.c.d</c>, RFC 6052) is; else the address itself, without its zone.
    /// </summary>
    public static IPAddress Plain(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        if (address.IsIPv4MappedToIPv6)
            return address.MapToIPv4();
        byte[] bytes = address.GetAddressBytes();
        var withoutZone = new IPAddress(bytes);
        return Nat64.Contains(withoutZone) ? new IPAddress(bytes.AsSpan(12)) : withoutZone;
    }

    private static IEnumerable<(IPNetwork Network, AddressKind Kind)> Networks(
        AddressKind kind, params string[] networks) => networks.Select(text => (IPNetwork.Parse(text), kind));
}
