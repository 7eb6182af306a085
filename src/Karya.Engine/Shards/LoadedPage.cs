using Karya.Engine.Journal;

namespace Karya.Engine.Shards;

/// <summary>One plan that came from the tables.</summary>
public struct LoadedPlan
{
    public PlanId Id;
    public int Partition;
    public ByteSlice Memo;
    public ByteSlice Body;
}

/// <summary>
/// Plans that came from the tables, for one shard. Filled by a loader, handed over whole, not touched again.
/// </summary>
public sealed class LoadedPage
{
    public Rows<LoadedPlan> Plans { get; } = new();

    public ByteWriter Bytes { get; } = new();

    /// <summary>The plan that was asked for; <see cref="PlanId.None"/> for a window of the horizon.</summary>
    public PlanId Requested { get; init; }

    /// <summary>
    /// Of a window of one partition: that partition; else <see cref="HorizonRequest.AllPartitions"/>.
    /// </summary>
    public int Partition { get; init; } = HorizonRequest.AllPartitions;

    /// <summary>
    /// That of the request. What a shard was granted after it asked is not taken from the answer: it may be older than
    /// the grant.
    /// </summary>
    public long Version { get; init; }

    /// <summary>No further page answers this request.</summary>
    public bool IsLast { get; set; }

    /// <summary>The store failed and the request has to be made again later. Only with <see cref="IsLast"/>.</summary>
    public bool HasFailed { get; init; }

    public void Add(PlanId id, int partition, ReadOnlySpan<byte> memo, ReadOnlySpan<byte> body)
    {
        ref var plan = ref Plans.Add();
        plan.Id = id;
        plan.Partition = partition;
        plan.Memo = Bytes.Write(memo);
        plan.Body = Bytes.Write(body);
    }

    internal ReadOnlySpan<byte> Slice(ByteSlice slice) => Bytes.WrittenSpan.Slice(slice.Offset, slice.Length);
}
