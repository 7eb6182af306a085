using Karya.Engine.Journal;

namespace Karya.Engine.Shards;

/// <summary>
/// A partition as the store has it when its new owner has claimed it: what the journal has beyond the tables, and the
/// plans that this changed. All else comes in while the partition is open.
/// </summary>
/// <remarks>
/// Filled by a loader in this order: every row of the journal that names the partition, oldest first; then the plans
/// that are <see cref="Missing"/>. Handed over whole, not touched again.
/// </remarks>
/// <param name="partition">Which one.</param>
/// <param name="epoch">Under which it was claimed.</param>
/// <param name="sequence">Records up to this one are contained in the tables.</param>
public sealed class PartitionImage(int partition, long epoch, long sequence)
{
    private readonly HashSet<PlanId> _missing = [];
    private readonly HashSet<PlanId> _born = [];
    private readonly List<byte[]> _rows = [];

    public int Partition => partition;

    public long Epoch => epoch;

    public long Sequence => sequence;

    /// <summary>Plans that have to be loaded from the tables before the rows are replayed.</summary>
    public IReadOnlyCollection<PlanId> Missing => _missing;

    public LoadedPage Plans { get; } = new();

    internal IReadOnlyList<byte[]> Rows => _rows;

    /// <summary>Takes a row of the journal; what it says of other partitions is passed over.</summary>
    /// <exception cref="RecordDamagedException">It is not what was written.</exception>
    public void AddRow(ReadOnlySpan<byte> row)
    {
        bool isNeeded = false;
        for (var rest = row; !rest.IsEmpty;)
        {
            rest = JournalChunk.ReadChunk(rest, (in record) =>
            {
                if (record.Partition != partition || record.Sequence <= sequence)
                    return;
                isNeeded = true;
                if (record.Kind == RecordKind.Submitted)
                    _born.Add(record.Key.Plan);
                else
                    AddIfMissing(record.Key.Plan);
                AddIfMissing(record.Spec.Parent); // A new child leaves a mark on its parent.
            });
        }

        if (isNeeded)
            _rows.Add(row.ToArray());
    }

    private void AddIfMissing(PlanId plan)
    {
        if (plan != PlanId.None && !_born.Contains(plan))
            _missing.Add(plan);
    }
}
