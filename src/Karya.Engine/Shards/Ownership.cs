using Karya.Engine.Journal;
using Karya.Engine.Tables;

namespace Karya.Engine.Shards;

/// <summary>
/// Which partitions a shard has: takes them over while it runs, closes them in order for the next owner, drops at once
/// what it has lost.
/// </summary>
/// <remarks>
/// <code>
/// Grant ─► own ─► load ─► replay ─► Opened ══ and ask for what is due within the horizon
/// Close ─► no requests, no attempts ─► attempts ended, or handed over as running ─► in the tables ─► Closed
/// Revoke ─► whoever waits is told that the outcome is unknown ─► gone
/// </code>
/// Owned by one shard, called during its turns.
/// </remarks>
internal sealed class Ownership(
    Partition?[] partitions, ShardTables tables, Projection projection, Residency residency, CommitQueue commits,
    Turn turn)
{
    /// <summary>
    /// Under which this process has had what. Never forgotten, some 30 bytes per grant: what was handed out may end at
    /// any time.
    /// </summary>
    private readonly HashSet<(int Partition, long Epoch)> _epochs = [];
    private readonly List<Closing> _closing = [];

    /// <summary>When <see cref="GoOnClosing"/> has something to do that no message tells of.</summary>
    public long NextMs
    {
        get
        {
            long nextMs = long.MaxValue;
            foreach (var closing in _closing)
                nextMs = closing.IsHandedOver ? nextMs : Math.Min(nextMs, closing.DrainUntilMs);
            return nextMs;
        }
    }

    public void Own(int partition, long epoch, long sequence, long version = 0)
    {
        Invariant.Check(partitions[partition] is null);
        partitions[partition] = new Partition(partition, epoch, sequence, tables, version);
        _epochs.Add((partition, epoch));
    }

    /// <summary>An attempt of this outcome was handed out here, and has a place.</summary>
    public bool HasDispatched(in Command outcome) => _epochs.Contains((outcome.Partition, outcome.Epoch));

    public void Take(in PartitionChange change)
    {
        switch (change.Kind)
        {
            case PartitionChangeKind.Grant:
                Open(change.Image!);
                break;
            case PartitionChangeKind.Close when partitions[change.Partition] is { IsClosing: false } partition:
                partition.IsClosing = true;
                _closing.Add(new Closing(partition, change.DrainUntilMs, change.AwayUntilMs));
                break;
            case PartitionChangeKind.Revoke when partitions[change.Partition] is { } partition:
                _closing.RemoveAll(closing => closing.Partition == partition);
                commits.Fail(partition.Number, ReplyCode.Unknown, turn.Effects.Replies);
                Discard(partition);
                break;
        }
    }

    /// <summary>Takes the next step with partitions that are to go.</summary>
    /// <returns>True: the tables have to catch up before the step after it.</returns>
    public bool GoOnClosing()
    {
        bool waits = false;
        for (int i = _closing.Count - 1; i >= 0; i--)
        {
            var closing = _closing[i];
            var partition = closing.Partition;
            if (!closing.IsHandedOver && partition.Running > 0 && turn.NowMs < closing.DrainUntilMs)
                continue;
            if (!closing.IsHandedOver)
            {
                partition.HandOver(closing.AwayUntilMs, turn);
                _closing[i] = closing with { IsHandedOver = true };
            }

            if (partition.State.OldestUnprojected != long.MaxValue || projection.Covers(partition.Number))
            {
                waits = true;
                continue;
            }

            _closing.RemoveAt(i);
            Discard(partition);
            turn.Effects.Notices.Add() =
                new PartitionNotice(PartitionNoticeKind.Closed, partition.Number, partition.Epoch);
        }

        return waits && !projection.IsUnderWay;
    }

    private void Open(PartitionImage image)
    {
        Own(image.Partition, image.Epoch, image.Sequence, residency.Grant(image.Partition, turn.NowMs));
        var partition = partitions[image.Partition]!;
        foreach (ref var plan in image.Plans.Plans.Span)
            partition.State.Load(plan.Id, image.Plans.Slice(plan.Memo), image.Plans.Slice(plan.Body));
        Replay(partition, image.Records);
        partition.Open(turn);
        turn.Effects.Notices.Add() = new PartitionNotice(PartitionNoticeKind.Opened, image.Partition, image.Epoch);
    }

    private static void Replay(Partition partition, ReadOnlySpan<byte> records)
    {
        var reader = new ByteReader(records);
        while (reader.Remaining > 0)
        {
            var record = default(Record);
            RecordCodec.Read(reader.ReadBytes(reader.ReadInt32()), ref record);
            partition.ReplayRecord(record);
        }
    }

    private void Discard(Partition partition)
    {
        partitions[partition.Number] = null;
        turn.TakeBack(partition.Number);
        residency.Revoke(partition.Number, turn);
        projection.Forget(partition.Number);
        partition.State.DropAll();
    }

    private readonly record struct Closing(
        Partition Partition, long DrainUntilMs, long AwayUntilMs, bool IsHandedOver = false);
}
