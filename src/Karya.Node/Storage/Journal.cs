using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>The node's way into the journal: one writer per stream of the store, each shard with one of them.</summary>
/// <remarks>Thread-safe.</remarks>
internal sealed class Journal : IDisposable
{
    private readonly IStore _store;
    private readonly IClusterStore? _shared; // Null: what this process has is its until it ends.
    private readonly GroupCommit[] _writers;
    private readonly long[] _pruned;

    /// <param name="store">The store.</param>
    /// <param name="inboxes">Of all shards.</param>
    /// <param name="shared">The same store when partitions come and go; null when they do not.</param>
    public Journal(IStore store, IReadOnlyList<ShardInbox> inboxes, IClusterStore? shared = null)
    {
        _store = store;
        _shared = shared;
        Predicate<ProjectedMark>? isOurs = null;
        if (shared is not null)
            isOurs = mark => shared.Owned.Covers(mark.Partition, mark.Epoch);
        _writers = new GroupCommit[Math.Min(store.StreamCount, inboxes.Count)];
        _pruned = new long[_writers.Length];
        Array.Fill(_pruned, -1);
        for (int stream = 0; stream < _writers.Length; stream++)
        {
            int number = stream;
            _writers[stream] = new GroupCommit(
                store, stream, [.. inboxes.Select((inbox, shard) => shard % _writers.Length == number ? inbox : null)],
                isOurs);
        }

        Failed = WhenFailedAsync();
    }

    /// <summary>Why one of the streams cannot be written at present; null while all can.</summary>
    public string? Trouble => _writers.Select(writer => writer.Trouble).FirstOrDefault(trouble => trouble is not null);

    /// <summary>Bytes of records that are not durable yet.</summary>
    public long BacklogBytes => _writers.Sum(writer => writer.BacklogBytes);

    /// <summary>Completes with the reason when one of the writers cannot go on.</summary>
    public Task<string> Failed { get; }

    public void Start()
    {
        foreach (var writer in _writers)
            writer.Start();
    }

    /// <summary>Takes a chunk over from a shard's thread.</summary>
    public void Post(JournalChunk chunk) => WriterOf(chunk.Shard).Post(chunk);

    /// <summary>Waits until the shard's records up to the position are durable.</summary>
    /// <returns>False: the writer has stopped and they are not.</returns>
    public bool WaitDurable(int shard, long position) => WriterOf(shard).WaitDurable(shard, position);

    /// <summary>Removes the rows that the tables have made superfluous. One thread at a time.</summary>
    /// <param name="projected">As <see cref="JournalRows.TakeSuperfluous"/> takes it, of all shards.</param>
    /// <exception cref="StoreException">The store failed; the next call tries again.</exception>
    public void Prune(ReadOnlySpan<long> projected)
    {
        for (int stream = 0; stream < _writers.Length; stream++)
        {
            if (IsHeld(_writers[stream]))
                continue;
            long superfluous = _writers[stream].Rows.TakeSuperfluous(projected);
            if (superfluous <= _pruned[stream])
                continue;
            _store.PruneJournal(stream, superfluous);
            _pruned[stream] = superfluous;
        }
    }

    /// <summary>
    /// A partition was lost: no row of its stream is removed before the tables have what was written of it. Before its
    /// shard forgets it. Any thread.
    /// </summary>
    public void Hold(int shard, int partition) => WriterOf(shard).Hold(partition);

    /// <summary>It has come back to its shard. Any thread.</summary>
    public void LetGo(int shard, int partition) => WriterOf(shard).LetGo(partition);

    /// <summary>Writes what is there, then stops.</summary>
    public void Dispose()
    {
        foreach (var writer in _writers)
            writer.Dispose();
    }

    private bool IsHeld(GroupCommit writer)
    {
        int[] held = writer.Held();
        if (held.Length == 0)
            return false;
        var marks = _shared!.ReadMarks(held);
        for (int i = 0; i < held.Length; i++)
            writer.NoteProjected(held[i], marks[i]);
        return writer.Held().Length > 0;
    }

    private GroupCommit WriterOf(int shard) => _writers[shard % _writers.Length];

    private async Task<string> WhenFailedAsync() => await await Task.WhenAny(_writers.Select(writer => writer.Failed));
}
