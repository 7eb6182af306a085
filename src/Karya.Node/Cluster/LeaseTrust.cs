namespace Karya.Node.Cluster;

/// <summary>
/// For how long a node may trust its lease: counted from before the renewal was sent, less a margin, on a clock that is
/// never set. So the right has ended here before anybody else may have it.
/// </summary>
/// <remarks>
/// <code>
/// renewal:   sent ────── answered          sent ────── ? no answer
/// trusted:    ├──────────────── length − margin ──┤ IsTrusted turns false by itself
/// others may claim:            not before length ─────────┤ after they last saw it change
/// </code>
/// One thread writes, any may read.
/// </remarks>
/// <param name="length">Of the lease, in units of the clock.</param>
internal sealed class LeaseTrust(long length)
{
    /// <summary>Of the length, given away for what lies between a look at the lease and the first byte.</summary>
    private const int MarginParts = 10;

    private long _until = long.MinValue;

    /// <summary>Whether tasks may be fired.</summary>
    public bool IsTrusted(long now) => now < Volatile.Read(ref _until);

    /// <summary>A renewal, or a claim, was answered.</summary>
    /// <param name="sent">The clock before it was sent.</param>
    public void Renew(long sent)
    {
        long until = sent + length - length / MarginParts;
        if (until > _until)
            Volatile.Write(ref _until, until);
    }

    /// <summary>What was claimed is another's.</summary>
    public void End() => Volatile.Write(ref _until, long.MinValue);
}
