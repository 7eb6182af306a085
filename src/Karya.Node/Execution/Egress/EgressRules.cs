using System.Net;

namespace Karya.Node.Execution.Egress;

/// <summary>Where tasks may connect to.</summary>
/// <param name="Allowed">Networks beside the public ones.</param>
/// <param name="AllowsLoopback">This machine may be called: the node is for itself.</param>
internal sealed record EgressRules(IReadOnlyList<IPNetwork> Allowed, bool AllowsLoopback)
{
    /// <summary>Where plans may not go is written down here, for messages.</summary>
    public const string Setting = "connectors.egress.allow";

    /// <summary>Why an address may not be called; null when it may.</summary>
    public string? Judge(IPAddress address)
    {
        var plain = AddressKinds.Plain(address);
        var kind = AddressKinds.Of(plain);
        if (kind == AddressKind.Public || (kind == AddressKind.Loopback && AllowsLoopback))
            return null;
        if (kind == AddressKind.Metadata)
            return $"{address} is where clouds hand out credentials (metadata), which is never called";
        foreach (var network in Allowed)
        {
            if (network.Contains(plain))
                return null;
        }

        return $"{address} is {Describe(kind)}; {Setting} does not name it";
    }

    private static string Describe(AddressKind kind) => kind switch
    {
        AddressKind.Loopback => "this machine (loopback)",
        AddressKind.Private => "in a private network",
        AddressKind.LinkLocal => "link-local",
        AddressKind.Multicast => "multicast",
        AddressKind.Tunnel => "an IPv6 address that hides an IPv4 one (tunnel)",
        _ => "reserved",
    };
}
