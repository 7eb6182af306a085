using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>
/// Bounds what lies before a journal stream, by water marks: above the high one its shards hold their intake and start
/// no attempts, below the low one they go on. Thread-safe.
/// </summary>
/// <param name="inboxes">Of all shards of the node, by their numbers; null for those of other streams.</param>
internal sealed class IntakeGate(ShardInbox?[] inboxes)
{
    private const long BytesHigh = 16L * 1024 * 1024;
    private const long BytesLow = BytesHigh / 2;

    private readonly Lock _lock = new();
    private long _bytes;
    private bool _isHeld;

    /// <summary>Bytes of records that are not durable yet.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Add(long bytes)
    {
        if (Interlocked.Add(ref _bytes, bytes) > BytesHigh)
            Hold(true);
    }

    public void Remove(long bytes)
    {
        if (Interlocked.Add(ref _bytes, -bytes) <= BytesLow)
            Hold(false);
    }

    public void Hold(bool isHeld)
    {
        lock (_lock)
        {
            if (isHeld == _isHeld)
                return;
            _isHeld = isHeld;
            foreach (var inbox in inboxes)
                inbox?.HoldIntake(isHeld);
        }
    }
}
