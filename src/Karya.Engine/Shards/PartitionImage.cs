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
    private readonly ByteWriter _records = new();

    public int Partition => partition;

    public long Epoch => epoch;

    public long Sequence => sequence;

    /// <summary>Plans that have to be loaded from the tables before the rows are replayed.</summary>
    public IReadOnlyCollection<PlanId> Missing => _missing;

    public LoadedPage Plans { get; } = new();

    /// <summary>Its records beyond the tables, oldest first, each behind its length.</summary>
    internal ReadOnlySpan<byte> Records => _records.WrittenSpan;

    /// <summary>
    /// Divides a row of the journal: each image takes the records of its partition; those of others are passed over.
    /// </summary>
    /// <param name="row">Of the journal.</param>
    /// <param name="images">By their partitions.</param>
    /// <exception cref="RecordDamagedException">It is not what was written.</exception>
    public static void AddRow(ReadOnlySpan<byte> row, IReadOnlyDictionary<int, PartitionImage> images)
    {
        while (!row.IsEmpty)
        {
            row = JournalChunk.ReadChunk(row, (in record, bytes) =>
            {
                if (images.TryGetValue(record.Partition, out var image))
                    image.Add(record, bytes);
            });
        }
    }

    private void Add(in Record record, ReadOnlySpan<byte> bytes)
    {
        if (record.Sequence <= sequence)
            return;
        _records.WriteInt32(bytes.Length);
        _records.Write(bytes);
        if (record.Kind == RecordKind.Submitted)
            _born.Add(record.Key.Plan);
        else
            AddIfMissing(record.Key.Plan);
        AddIfMissing(record.Spec.Parent); // A new child leaves a mark on its parent.
    }

    private void AddIfMissing(PlanId plan)
    {
        if (plan != PlanId.None && !_born.Contains(plan))
            _missing.Add(plan);
    }
}
