using Karya.Engine.Journal;

namespace Karya.Node;

/// <summary>
/// Which partitions are this process's, under which epochs. Epochs under which it has owned a partition without a break
/// are as good as the current one: what was decided under them is still true.
/// </summary>
/// <remarks>
/// <code>
/// Take(p, 7) ── Raise(p, 8): a commit ended unknown, claimed again ──► covers 7 and 8, writes under 8 ── Lose(p)
/// </code>
/// Thread-safe.
/// </remarks>
internal sealed class OwnedPartitions(int partitionCount)
{
    private readonly Lock _lock = new();
    private readonly long[] _since = new long[partitionCount];
    private readonly long[] _current = new long[partitionCount];

    public int PartitionCount => partitionCount;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Claimed from another owner, or from nobody.</summary>
    public void Take(int partition, long epoch)
    {
        lock (_lock)
        {
            if (_current[partition] == 0)
                Count++;
            _since[partition] = _current[partition] = epoch;
        }
    }

    /// <summary>Claimed once more, while it was ours. Nothing when it is lost or its epoch is higher already.</summary>
    public void Raise(int partition, long epoch)
    {
        lock (_lock)
        {
            if (_current[partition] != 0)
                _current[partition] = Math.Max(_current[partition], epoch);
        }
    }

    /// <summary>
    /// Hears of a partition before it is lost, under the lock: nobody finds it lost who might act on that before this
    /// has been told. Must not block. The journal does: it drops what is lost and goes on to what is behind it, and
    /// a shard that had not heard would take that for the whole being durable.
    /// </summary>
    public Action<int>? Losing { get; set; }

    /// <returns>False: it was not ours.</returns>
    public bool Lose(int partition)
    {
        lock (_lock)
        {
            if (_current[partition] == 0)
                return false;
            Losing?.Invoke(partition);
            Count--;
            _since[partition] = _current[partition] = 0;
            return true;
        }
    }

    /// <summary>The epoch to write under; 0 when it is not ours.</summary>
    public long EpochOf(int partition)
    {
        lock (_lock)
            return _current[partition];
    }

    /// <summary>What was decided under this epoch of the partition may be done and written.</summary>
    public bool Covers(int partition, long epoch)
    {
        lock (_lock)
            return _current[partition] != 0 && epoch >= _since[partition] && epoch <= _current[partition];
    }

    /// <summary>The current epochs for what was decided under these. Empty lists for no partitions.</summary>
    /// <returns>False: one of them was lost in between, and what was decided must not be written.</returns>
    public bool TryMap(ReadOnlySpan<ProjectedMark> marks, List<int> partitions, List<long> epochs)
    {
        partitions.Clear();
        epochs.Clear();
        lock (_lock)
        {
            foreach (ref readonly var mark in marks)
            {
                long current = _current[mark.Partition];
                if (current == 0 || mark.Epoch < _since[mark.Partition] || mark.Epoch > current)
                    return false;
                partitions.Add(mark.Partition);
                epochs.Add(current);
            }
        }

        return true;
    }
}
