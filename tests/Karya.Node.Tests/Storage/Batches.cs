using Karya.Engine;
using Karya.Engine.Journal;

namespace Karya.Node.Tests.Storage;

/// <summary>Fills projection batches with rows that differ from a plain one in what a test names.</summary>
internal static class Batches
{
    public static readonly UserId Ann = new(0xA);

    public static PlanId Plan(ulong number) => new(new UInt128(0x0190_0000_0000_7000, number));

    public static TaskKey Key(ulong plan, long occurrence = 1, int hook = 0) => new(Plan(plan), occurrence, hook);

    public static ProjectionBatch Mark(this ProjectionBatch batch, int partition, long epoch, long sequence)
    {
        ref var mark = ref batch.Marks.Add();
        mark = new ProjectedMark { Partition = partition, Epoch = epoch, Sequence = sequence };
        return batch;
    }

    /// <summary>A plan that the tables have not seen.</summary>
    public static ProjectionBatch NewPlan(
        this ProjectionBatch batch, ulong number, UserId? user = null, ulong parent = 0, long wakeMs = PlanSpec.NoEnd,
        PlanState state = PlanState.Created, string memo = "memo", string body = "body", long updatedMs = 1000)
    {
        ref var row = ref batch.Plans.Add();
        row.Id = Plan(number);
        row.User = user ?? Ann;
        row.Parent = parent == 0 ? PlanId.None : Plan(parent);
        row.Partition = 1;
        row.State = state;
        row.IsNew = true;
        row.HasBody = true;
        row.CreatedMs = 1000;
        row.UpdatedMs = updatedMs;
        row.WakeMs = wakeMs;
        row.Memo = batch.Bytes.Write(System.Text.Encoding.UTF8.GetBytes(memo));
        row.Body = batch.Bytes.Write(System.Text.Encoding.UTF8.GetBytes(body));
        return batch;
    }

    /// <summary>A later state of a plan that the tables have; the body as it was unless one is given.</summary>
    public static ProjectionBatch LaterPlan(
        this ProjectionBatch batch, ulong number, PlanState state, long updatedMs, long wakeMs = PlanSpec.NoEnd,
        string memo = "later", string? body = null)
    {
        ref var row = ref batch.Plans.Add();
        row.Id = Plan(number);
        row.User = Ann;
        row.Partition = 1;
        row.State = state;
        row.HasBody = body is not null;
        row.CreatedMs = 1000;
        row.UpdatedMs = updatedMs;
        row.WakeMs = wakeMs;
        row.Memo = batch.Bytes.Write(System.Text.Encoding.UTF8.GetBytes(memo));
        if (body is not null)
            row.Body = batch.Bytes.Write(System.Text.Encoding.UTF8.GetBytes(body));
        return batch;
    }

    public static ProjectionBatch EndedTask(
        this ProjectionBatch batch, TaskKey key, PlanTaskState state = PlanTaskState.Success, long finishedMs = 5000)
    {
        ref var row = ref batch.Tasks.Add();
        row.Key = key;
        row.State = state;
        row.OccurrenceTo = key.Occurrence;
        row.CreatedMs = 2000;
        row.DueMs = 3000;
        row.StartedMs = finishedMs == 0 ? 0 : 4000;
        row.FinishedMs = finishedMs;
        row.Attempts = 1;
        return batch;
    }

    public static ProjectionBatch EndedTaskWithResult(
        this ProjectionBatch batch, TaskKey key, ReadOnlySpan<byte> result, bool isReplayed = false)
    {
        batch.EndedTask(key);
        ref var row = ref batch.Tasks.Span[^1];
        row.IsReplayed = isReplayed;
        row.HasResult = true;
        row.Result = batch.Bytes.Write(result);
        return batch;
    }

    public static ProjectionBatch Error(
        this ProjectionBatch batch, TaskKey key, int attempt, string text, long atMs = 4500)
    {
        ref var row = ref batch.Errors.Add();
        row.Key = key;
        row.Attempt = attempt;
        row.AtMs = atMs;
        row.Text = batch.Bytes.Write(System.Text.Encoding.UTF8.GetBytes(text));
        return batch;
    }
}
