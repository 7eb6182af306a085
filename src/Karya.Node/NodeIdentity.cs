using System.Globalization;
using System.Security.Cryptography;

namespace Karya.Node;

/// <summary>Who a node is: a name that it keeps, and one that no other process has had or will have.</summary>
/// <param name="Name">What the partitions are assigned by: a restarted node gets its own ones again.</param>
/// <param name="Incarnation">New with each start, so that nobody takes a lease of its last life for its own.</param>
internal readonly record struct NodeIdentity(string Name, string Incarnation)
{
    /// <summary>Of a node that has no name, with a new incarnation.</summary>
    public static NodeIdentity OfProcess() => Of(string.Create(
        CultureInfo.InvariantCulture, $"{Environment.MachineName}/{Environment.ProcessId}"));

    /// <summary>Of a node, with a new incarnation.</summary>
    public static NodeIdentity Of(string name) => new(name, RandomNumberGenerator.GetHexString(8, lowercase: true));

    /// <summary>As leases name their owner.</summary>
    public string Owner => $"{Name}/{Incarnation}";

    public static string IncarnationOf(string owner) => owner[(owner.LastIndexOf('/') + 1)..];

    /// <summary>The name of an owner; null of nobody.</summary>
    public static string? NameOf(string owner) => owner.Length == 0 ? null : owner[..owner.LastIndexOf('/')];
}
