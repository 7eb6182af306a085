namespace Karya.LocalServers;

/// <summary>Bytes that may still pass, and what happens when the last has. Guarded by the gate.</summary>
internal sealed class Cut(long bytes, Action reached)
{
    private long _outstanding = bytes;

    /// <summary>What nobody has taken to forward yet.</summary>
    public long Left { get; private set; } = bytes;

    public Action Reached => reached;

    public void Take(int count) => Left -= count;

    /// <summary>True when all have arrived, those included that another connection took meanwhile.</summary>
    public bool HasArrived(int count) => (_outstanding -= count) == 0;
}
