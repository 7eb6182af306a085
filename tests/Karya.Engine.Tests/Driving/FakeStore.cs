using System.Text;
using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Engine.Tests.Driving;

/// <summary>What a store keeps, in dictionaries: journal rows, and the tables that projections fill.</summary>
internal sealed class FakeStore(int partitionCount)
{
    public List<byte[]> JournalRows { get; } = [];

    public Dictionary<PlanId, StoredPlanRow> Plans { get; } = [];

    /// <summary>Ended tasks, skipped ranges and replayed dead letters.</summary>
    public Dictionary<TaskKey, TaskRow> Tasks { get; } = [];

    /// <summary>Results of those that have one.</summary>
    public Dictionary<TaskKey, byte[]> Results { get; } = [];

    public Dictionary<(TaskKey Key, int Attempt), string> Errors { get; } = [];

    public long[] Sequences { get; } = new long[partitionCount];

    /// <summary>Of each partition, the one under which it was claimed last.</summary>
    public long[] Epochs { get; } = new long[partitionCount];

    /// <summary>Claims a partition: what its new owner has to know.</summary>
    public PartitionImage Claim(int partition)
    {
        var image = new PartitionImage(partition, ++Epochs[partition], Sequences[partition]);
        foreach (byte[] row in JournalRows)
            PartitionImage.AddRow(row, new Dictionary<int, PartitionImage> { [partition] = image });
        foreach (var plan in image.Missing.Where(Plans.ContainsKey).Select(id => Plans[id]))
            image.Plans.Add(plan.Id, plan.Partition, plan.Memo, plan.Body);
        return image;
    }

    public bool IsStale(ProjectedMark mark) => mark.Epoch != Epochs[mark.Partition];

    /// <summary>Takes a chunk into the journal, without what was decided under epochs that are over.</summary>
    public void Write(JournalChunk chunk)
    {
        if (chunk.Partitions.ToArray().Any(IsStale))
            chunk.Remove(IsStale);
        if (chunk.IsEmpty)
            return;
        chunk.Seal();
        JournalRows.Add(chunk.SealedBytes.ToArray());
    }

    /// <summary>Brings the tables up to date, but for what was decided under epochs that are over.</summary>
    public void Write(ProjectionBatch batch)
    {
        int[] stale = [.. batch.Marks.Span.ToArray().Where(IsStale).Select(mark => mark.Partition)];
        HashSet<PlanId> lost = [];
        foreach (ref var row in batch.Plans.Span)
        {
            if (stale.Contains(row.Partition))
            {
                lost.Add(row.Id);
                continue;
            }

            bool isKnown = Plans.TryGetValue(row.Id, out var old);
            if (row.IsNew == isKnown)
                throw new InvalidOperationException($"Plan {row.Id}: new is {row.IsNew}, in the tables is {isKnown}.");
            byte[] body = row.HasBody ? batch.Slice(row.Body).ToArray() : old!.Body;
            Plans[row.Id] = new StoredPlanRow(
                row.Id, row.Parent, row.Partition, row.State, row.WakeMs, batch.Slice(row.Memo).ToArray(), body);
        }

        foreach (ref var row in batch.Tasks.Span)
        {
            if (lost.Contains(row.Key.Plan))
                continue;
            Tasks[row.Key] = row;
            Results.Remove(row.Key);
            if (row.HasResult)
                Results.Add(row.Key, batch.Slice(row.Result).ToArray());
        }

        foreach (ref var row in batch.Errors.Span)
        {
            if (!lost.Contains(row.Key.Plan))
                Errors[(row.Key, row.Attempt)] = Encoding.UTF8.GetString(batch.Slice(row.Text));
        }

        foreach (ref var mark in batch.Marks.Span)
        {
            if (!IsStale(mark))
                Sequences[mark.Partition] = mark.Sequence;
        }
    }

    public LoadedPage LoadDue(HorizonRequest window)
    {
        var page = new LoadedPage { Partition = window.Partition, Version = window.Version, IsLast = true };
        bool isAny = window.Partition == HorizonRequest.AllPartitions;
        foreach (var plan in Plans.Values.Where(p => p.WakeMs >= window.FromMs && p.WakeMs < window.ToMs))
        {
            if (isAny || plan.Partition == window.Partition)
                page.Add(plan.Id, plan.Partition, plan.Memo, plan.Body);
        }

        return page;
    }

    public LoadedPage LoadPlan(PlanRequest request)
    {
        var page = new LoadedPage { Requested = request.Plan, Version = request.Version, IsLast = true };
        if (Plans.TryGetValue(request.Plan, out var plan))
            page.Add(plan.Id, plan.Partition, plan.Memo, plan.Body);
        if (!request.WithDescendants)
            return page;

        HashSet<PlanId> family = [request.Plan];
        while (Plans.Values.Any(p => family.Contains(p.Parent) && family.Add(p.Id)))
        {
        }

        foreach (var member in family.Where(id => id != request.Plan).Select(id => Plans[id]).Where(p => p.CanGoOn))
            page.Add(member.Id, member.Partition, member.Memo, member.Body);
        return page;
    }
}

internal sealed record StoredPlanRow(
    PlanId Id, PlanId Parent, int Partition, PlanState State, long WakeMs, byte[] Memo, byte[] Body)
{
    /// <summary>It has not ended, or it has and a hook of it is open.</summary>
    public bool CanGoOn => !PlanStates.IsEnded(State) || WakeMs != PlanSpec.NoEnd;
}
