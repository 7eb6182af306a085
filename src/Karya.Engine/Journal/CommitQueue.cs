namespace Karya.Engine.Journal;

/// <summary>Parks replies until the journal position that they depend on is durable. First in, first out.</summary>
/// <remarks>Owned by one shard. Bounded by the inbox: every parked reply was a command that the inbox took.</remarks>
internal sealed class CommitQueue
{
    private (long Position, int Partition, Reply Reply)[] _ring = new (long, int, Reply)[256];
    private int _head;

    public int Count { get; private set; }

    /// <param name="position">What the reply depends on.</param>
    /// <param name="partition">Whose records they are; -1 for all of them.</param>
    public void Park(long position, int partition, in Reply reply)
    {
        if (Count == _ring.Length)
            Grow();
        _ring[(_head + Count++) & (_ring.Length - 1)] = (position, partition, reply);
    }

    /// <summary>Hands over the replies whose position is durable.</summary>
    public void Release(long durablePosition, Rows<Reply> replies)
    {
        while (Count > 0 && _ring[_head].Position <= durablePosition)
        {
            replies.Add() = _ring[_head].Reply;
            Drop();
        }
    }

    /// <summary>
    /// Hands over everything with another code: the journal said that it does not have it, or cannot say.
    /// </summary>
    public void FailAll(ReplyCode code, Rows<Reply> replies)
    {
        while (Count > 0)
        {
            var reply = _ring[_head].Reply;
            reply.Code = code;
            replies.Add() = reply;
            Drop();
        }
    }

    /// <summary>The same for the replies of one partition, which the shard has lost.</summary>
    public void Fail(int partition, ReplyCode code, Rows<Reply> replies)
    {
        int kept = 0;
        int mask = _ring.Length - 1;
        for (int i = 0; i < Count; i++)
        {
            ref var parked = ref _ring[(_head + i) & mask];
            if (parked.Partition == partition)
            {
                parked.Reply.Code = code;
                replies.Add() = parked.Reply;
            }
            else
            {
                _ring[(_head + kept++) & mask] = parked;
            }
        }

        for (int i = kept; i < Count; i++)
            _ring[(_head + i) & mask] = default;
        Count = kept;
    }

    private void Drop()
    {
        _ring[_head] = default; // The reply target must not be kept alive.
        _head = (_head + 1) & (_ring.Length - 1);
        Count--;
    }

    private void Grow()
    {
        var larger = new (long, int, Reply)[_ring.Length * 2];
        for (int i = 0; i < Count; i++)
            larger[i] = _ring[(_head + i) & (_ring.Length - 1)];
        _ring = larger;
        _head = 0;
    }
}
