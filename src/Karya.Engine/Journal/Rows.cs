namespace Karya.Engine.Journal;

/// <summary>
/// A slice of the byte buffer that comes with the rows of a <see cref="ProjectionBatch"/>.
/// </summary>
/// <param name="Offset">From the start of <see cref="ProjectionBatch.Bytes"/>.</param>
/// <param name="Length">0 for an empty slice.</param>
public readonly record struct ByteSlice(int Offset, int Length);

/// <summary>
/// The state of one plan as the tables keep it: written whole, so that writing it twice changes nothing.
/// </summary>
public struct PlanRow
{
    public PlanId Id;
    public UserId User;
    public PlanId Parent;
    public int Partition;
    public PlanState State;

    /// <summary>The tables have not seen this plan before.</summary>
    public bool IsNew;

    /// <summary>
    /// The body changed (or the plan is new); else <see cref="Body"/> is empty and the stored one stays.
    /// </summary>
    public bool HasBody;

    public long CreatedMs;
    public long UpdatedMs;

    /// <summary>When the plan has to be in memory next; <see cref="PlanSpec.NoEnd"/> when never again.</summary>
    public long WakeMs;

    /// <summary>
    /// The engine's own encoding of everything else, the open tasks included. Opaque; needed to load the plan.
    /// </summary>
    public ByteSlice Memo;

    /// <summary>The plan's body as it was submitted.</summary>
    public ByteSlice Body;
}

/// <summary>
/// One ended task, or a range of skipped occurrences. Written whole under its key. A replayed dead letter is written
/// again: as <see cref="PlanTaskState.Created"/>, and then as it ends.
/// </summary>
public struct TaskRow
{
    public TaskKey Key;
    public PlanTaskState State;
    public SkipReason Reason;

    /// <summary>A row of an earlier end may be there under the same key: the task was replayed.</summary>
    public bool IsReplayed;

    /// <summary>The last occurrence of a skipped range; else the occurrence itself.</summary>
    public long OccurrenceTo;

    public long CreatedMs;
    public long DueMs;

    /// <summary>Start of the last attempt; 0 when there was none.</summary>
    public long StartedMs;

    /// <summary>End of the last attempt, or when it was cancelled or skipped; 0 while the task is open.</summary>
    public long FinishedMs;

    public int Attempts;

    /// <summary>Of a task that failed: how its last attempt did.</summary>
    public FailureClass Failure;

    /// <summary>It succeeded and left a result, which may be empty.</summary>
    public bool HasResult;

    /// <summary>At most <see cref="Limits.ResultBytesMax"/> bytes.</summary>
    public ByteSlice Result;
}

/// <summary>One failed attempt. Written once under (task, attempt).</summary>
public struct ErrorRow
{
    public TaskKey Key;
    public int Attempt;
    public long AtMs;
    public FailureClass Failure;

    /// <summary>UTF-8, at most <see cref="Limits.ErrorBytesMax"/> bytes and the mark of a cut.</summary>
    public ByteSlice Text;
}

/// <summary>A partition whose state in this batch is complete up to a sequence number.</summary>
public struct ProjectedMark
{
    public int Partition;
    public long Epoch;

    /// <summary>
    /// Every record up to this one is contained in the tables once the batch is committed. Of a chunk of the journal:
    /// the last one in it.
    /// </summary>
    public long Sequence;
}

/// <summary>
/// What the tables have to catch up with: whole partitions, coalesced. A shard fills it, a projector writes it in one
/// transaction together with its marks, and hands it back to the shard.
/// </summary>
/// <remarks>One owner at a time; arrays grow and are kept, so that a batch in use costs no allocation.</remarks>
public sealed class ProjectionBatch
{
    public Rows<PlanRow> Plans { get; } = new();

    public Rows<TaskRow> Tasks { get; } = new();

    public Rows<ErrorRow> Errors { get; } = new();

    public Rows<ProjectedMark> Marks { get; } = new();

    /// <summary>What the slices of the rows point into.</summary>
    public ByteWriter Bytes { get; } = new();

    /// <summary>
    /// The journal position (of the shard's stream) that must be durable before this batch may be written.
    /// </summary>
    public long DurablePosition { get; set; }

    public int RowCount => Plans.Count + Tasks.Count + Errors.Count;

    public ReadOnlySpan<byte> Slice(ByteSlice slice) => Bytes.WrittenSpan.Slice(slice.Offset, slice.Length);

    public void Clear()
    {
        Plans.Clear();
        Tasks.Clear();
        Errors.Clear();
        Marks.Clear();
        Bytes.Clear();
        DurablePosition = 0;
    }
}

/// <summary>A growing array of rows that keeps its memory.</summary>
public sealed class Rows<T> where T : struct
{
    private T[] _items = new T[16];

    public int Count { get; private set; }

    public Span<T> Span => _items.AsSpan(0, Count);

    public ref T Add()
    {
        if (Count == _items.Length)
            Array.Resize(ref _items, Count * 2);
        ref T item = ref _items[Count++];
        item = default;
        return ref item;
    }

    public void Clear() => Count = 0;

    /// <summary>Takes out what a predicate names; the others keep their order.</summary>
    public void RemoveAll(Predicate<T> isUnwanted)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            if (!isUnwanted(_items[i]))
                _items[kept++] = _items[i];
        }

        Count = kept;
    }
}
