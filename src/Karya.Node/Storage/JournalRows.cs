namespace Karya.Node.Storage;

/// <summary>
/// Remembers up to which positions of the shards each journal row reaches, to tell which rows the tables have made
/// superfluous. Thread-safe; a few numbers per row, and rows go as the projection goes on.
/// </summary>
internal sealed class JournalRows
{
    private readonly Lock _lock = new();
    private readonly Queue<(long Row, long[] Positions)> _rows = new();
    private long _count;

    /// <summary>A row was committed; with it, each shard's records are durable up to these positions.</summary>
    public void Add(long[] positions)
    {
        lock (_lock)
            _rows.Enqueue((++_count, (long[])positions.Clone()));
    }

    /// <summary>
    /// How many rows, from the first one since the store was opened, hold nothing that the tables lack.
    /// </summary>
    /// <param name="projected">
    /// The position up to which the tables are complete, per shard; -1 before the replayed rows are.
    /// </param>
    /// <returns>-1 when not even the rows from before the store was opened may go.</returns>
    public long TakeSuperfluous(ReadOnlySpan<long> projected)
    {
        foreach (long position in projected)
        {
            if (position < 0)
                return -1;
        }

        lock (_lock)
        {
            long superfluous = _rows.Count == 0 ? _count : _rows.Peek().Row - 1;
            while (_rows.TryPeek(out var row) && Covers(projected, row.Positions))
                superfluous = _rows.Dequeue().Row;
            return superfluous;
        }
    }

    private static bool Covers(ReadOnlySpan<long> projected, long[] positions)
    {
        for (int i = 0; i < positions.Length; i++)
        {
            if (projected[i] < positions[i])
                return false;
        }

        return true;
    }
}
