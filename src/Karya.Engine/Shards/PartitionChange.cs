namespace Karya.Engine.Shards;

/// <summary>What a shard is told about one of its partitions.</summary>
public enum PartitionChangeKind
{
    /// <summary>It is this shard's from now on.</summary>
    Grant,

    /// <summary>It is to go to another owner, in order: see <see cref="PartitionNoticeKind.Closed"/>.</summary>
    Close,

    /// <summary>It is another's already. What this shard knows of it is worth nothing.</summary>
    Revoke,
}

/// <summary>One such message.</summary>
/// <param name="Image">Of a grant: the partition as the store has it.</param>
/// <param name="DrainUntilMs">Of a close: until when attempts that run may end here.</param>
/// <param name="AwayUntilMs">Of a close: until when the next owner waits for the end of those that did not.</param>
public readonly record struct PartitionChange(
    PartitionChangeKind Kind, int Partition, PartitionImage? Image = null, long DrainUntilMs = 0,
    long AwayUntilMs = 0);

/// <summary>What has become of a partition.</summary>
public enum PartitionNoticeKind
{
    /// <summary>It takes requests and fires.</summary>
    Opened,

    /// <summary>
    /// All that was decided about it is durable and in the tables, and it is out of memory: it may be released.
    /// </summary>
    Closed,
}

/// <summary>A shard tells so once per grant and close.</summary>
public readonly record struct PartitionNotice(PartitionNoticeKind Kind, int Partition, long Epoch);
