using Karya.Engine.Journal;

namespace Karya.Engine.Shards;

/// <summary>
/// The only way into a shard: a bounded mailbox that many threads fill and the shard's thread empties. A full mailbox
/// refuses; refusal is an answer.
/// </summary>
/// <remarks>
/// <para>Commands change hands as a whole array: writers append to one under a lock held for a copy, the shard swaps it
/// against its empty one once per turn (about 30 ns an item, measured; an item-wise bounded channel costs 100).</para>
/// <para>Outcomes of attempts and answers of the store are never refused: their number is bounded by what the shard
/// itself handed out. They do not queue behind requests, of which there may be many more: the place of an attempt is
/// taken until its outcome is.</para>
/// </remarks>
/// <param name="capacity">Commands that may wait.</param>
/// <param name="wake">
/// Called after each message; wakes the shard's thread if it sleeps. Must be cheap and not block.
/// </param>
public sealed class ShardInbox(int capacity, Action wake)
{
    private readonly Lock _lock = new();
    private readonly Stack<JournalChunk> _chunks = new();
    private Rows<Command> _incoming = new();
    private Rows<Command> _outcomes = new();
    private List<LoadedPage> _pages = [];
    private Dictionary<uint, int> _credits = [];
    private Dictionary<uint, int> _limits = [];
    private List<PartitionChange> _changes = [];
    private long _durablePosition;
    private long _projectedCount;
    private long _incomingBytes;
    private bool _isClosed;
    private bool _isIntakeHeld;
    private bool _isDispatchStopped;
    private bool _isProjectionWanted;
    private bool _isJournalLost;

    /// <summary>Takes a request. False: full, or closed.</summary>
    public bool TryPost(in Command command)
    {
        lock (_lock)
        {
            if (_isClosed || _isIntakeHeld || _incoming.Count >= capacity
                || _incomingBytes + command.PayloadBytes > Limits.InboxBytesMax)
            {
                return false;
            }

            _incoming.Add() = command;
            _incomingBytes += command.PayloadBytes;
        }

        wake();
        return true;
    }

    /// <summary>Takes requests in their order, until it is full. Returns how many it took.</summary>
    public int PostRequests(ReadOnlySpan<Command> commands)
    {
        int taken = 0;
        lock (_lock)
        {
            foreach (ref readonly var command in commands)
            {
                if (_isClosed || _isIntakeHeld || _incoming.Count >= capacity
                    || _incomingBytes + command.PayloadBytes > Limits.InboxBytesMax)
                {
                    break;
                }

                _incoming.Add() = command;
                _incomingBytes += command.PayloadBytes;
                taken++;
            }
        }

        if (taken > 0)
            wake();
        return taken;
    }

    /// <summary>
    /// Takes the outcome of an attempt, always; and a flush, which comes after the requests before it.
    /// </summary>
    public void PostOutcome(in Command command)
    {
        lock (_lock)
        {
            if (command.Kind == CommandKind.Flush)
                _incoming.Add() = command;
            else
                _outcomes.Add() = command;
        }

        wake();
    }

    /// <summary>
    /// How many attempts of a lane that workers pull from may run at once. Only the last word counts, so that however
    /// often it is said takes no more room.
    /// </summary>
    public void PostCredits(uint lane, int credits)
    {
        lock (_lock)
            _credits[lane] = credits;
        wake();
    }

    /// <summary>
    /// How many attempts of a lane that connectors carry out may run at once, up to the shard's own limit: 0 parks its
    /// tasks. Only the last word counts.
    /// </summary>
    public void PostLimit(uint lane, int limit)
    {
        lock (_lock)
            _limits[lane] = limit;
        wake();
    }

    /// <summary>Records up to this position are durable; the chunk's memory comes back.</summary>
    public void PostDurable(long position, JournalChunk chunk)
    {
        chunk.Clear();
        lock (_lock)
        {
            _durablePosition = Math.Max(_durablePosition, position);
            if (_chunks.Count < Limits.SpareChunksMax)
                _chunks.Push(chunk);
        }

        wake();
    }

    /// <summary>
    /// Whether the last journal batch is stored cannot be told, and no further one will be: what waits for it is told
    /// so.
    /// </summary>
    public void PostJournalLost()
    {
        lock (_lock)
            _isJournalLost = true;
        wake();
    }

    /// <summary>The projection that was handed out last is in the tables.</summary>
    public void PostProjected()
    {
        lock (_lock)
            _projectedCount++;
        wake();
    }

    /// <summary>Pages that the shard has not taken yet. A loader that waits while there are many bounds them.</summary>
    public int WaitingPages
    {
        get
        {
            lock (_lock)
                return _pages.Count;
        }
    }

    public void PostPage(LoadedPage page)
    {
        lock (_lock)
            _pages.Add(page);
        wake();
    }

    /// <summary>Takes what has become of a partition's ownership, always and in order.</summary>
    public void PostChange(in PartitionChange change)
    {
        lock (_lock)
            _changes.Add(change);
        wake();
    }

    /// <summary>Somebody waits for the tables: project now instead of when the interval has passed.</summary>
    public void RequestProjection()
    {
        lock (_lock)
            _isProjectionWanted = true;
        wake();
    }

    /// <summary>The journal lags too far behind (or moves again): refuse requests, start no attempts.</summary>
    public void HoldIntake(bool isHeld)
    {
        lock (_lock)
            _isIntakeHeld = isHeld;
        wake();
    }

    /// <summary>Takes no more requests and starts no more attempts; what runs may still report.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _isClosed = true;
            _isDispatchStopped = true;
        }

        wake();
    }

    /// <summary>
    /// Hands what came in to the shard's thread: the answers of the store always, requests and outcomes when the shard
    /// has none left of them (its empty array is exchanged for the full one).
    /// </summary>
    internal InboxState Drain(
        ref Rows<Command> requests, ref Rows<Command> outcomes, ref List<LoadedPage> pages,
        ref Dictionary<uint, int> credits, ref Dictionary<uint, int> limits, ref List<PartitionChange> changes)
    {
        lock (_lock)
        {
            if (requests.Count == 0)
            {
                (requests, _incoming) = (_incoming, requests);
                _incomingBytes = 0;
            }

            if (outcomes.Count == 0)
                (outcomes, _outcomes) = (_outcomes, outcomes);
            (pages, _pages) = (_pages, pages);
            (credits, _credits) = (_credits, credits);
            (limits, _limits) = (_limits, limits);
            (changes, _changes) = (_changes, changes);
            bool isProjectionWanted = _isProjectionWanted;
            _isProjectionWanted = false;
            return new InboxState(
                _durablePosition, _projectedCount, _isDispatchStopped || _isIntakeHeld, isProjectionWanted,
                _isJournalLost);
        }
    }

    internal JournalChunk TakeChunk()
    {
        lock (_lock)
        {
            if (_chunks.TryPop(out var chunk))
                return chunk;
        }

        return new JournalChunk();
    }
}

/// <summary>What else the mailbox knows when it is emptied.</summary>
internal readonly record struct InboxState(
    long DurablePosition, long ProjectedCount, bool IsDispatchStopped, bool IsProjectionWanted,
    bool IsJournalLost);
