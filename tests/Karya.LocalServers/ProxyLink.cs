namespace Karya.LocalServers;

/// <summary>What is in force for one direction of every connection of a proxy. Guarded by the gate.</summary>
internal sealed class ProxyLink
{
    public bool Held { get; set; }

    public Cut? Cut { get; set; }
}
