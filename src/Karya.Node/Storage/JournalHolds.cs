namespace Karya.Node.Storage;

/// <summary>
/// Partitions that a stream has records of and that this process has lost: their next owner reads those records, so
/// none of the stream's rows may go before its tables have them.
/// </summary>
/// <remarks>One thread at a time.</remarks>
internal sealed class JournalHolds
{
    private readonly HashSet<int> _partitions = [];

    /// <summary>Nothing of the stream may be removed at present.</summary>
    public bool IsHeld => _partitions.Count > 0;

    public IReadOnlyCollection<int> Partitions => _partitions;

    /// <summary>A partition was lost.</summary>
    /// <param name="partition">Which one.</param>
    /// <param name="last">The number of its last record in the stream, as it is or may be; 0 for none.</param>
    public void Add(int partition, long last)
    {
        if (last > 0)
            _partitions.Add(partition);
    }

    /// <summary>The tables have a partition's records up to a number, and the stream has them up to another.</summary>
    public void Note(int partition, long projected, long last)
    {
        if (projected >= last)
            _partitions.Remove(partition);
    }

    /// <summary>
    /// A partition is this process's again: its shard knows what of it the tables lack, and says so with all else.
    /// </summary>
    public void Remove(int partition) => _partitions.Remove(partition);
}
