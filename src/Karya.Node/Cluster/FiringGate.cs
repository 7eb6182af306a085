namespace Karya.Node.Cluster;

/// <summary>
/// The last look before the first byte of an attempt leaves: is the partition still this node's, under the epoch that
/// the attempt was handed out under, and may the lease be trusted? A node that slept past its lease begins nothing.
/// Thread-safe.
/// </summary>
internal sealed class FiringGate(OwnedPartitions owned, LeaseTrust trust)
{
    /// <param name="partition">Of the attempt.</param>
    /// <param name="epoch">Under which it was handed out.</param>
    /// <param name="now">On the clock of the lease.</param>
    public GateAnswer Ask(int partition, long epoch, long now)
    {
        // The lease first: what a renewal leaves out is lost before the lease is extended.
        bool isTrusted = trust.IsTrusted(now);
        if (!owned.Covers(partition, epoch))
            return GateAnswer.Drop;
        return isTrusted ? GateAnswer.Begin : GateAnswer.Wait;
    }
}
