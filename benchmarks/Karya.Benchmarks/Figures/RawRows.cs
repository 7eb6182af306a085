using System.Diagnostics;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Node.Storage.Sqlite;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// The limit of the SQLite figures: the same rows, written into the same tables with the same indexes by prepared
/// statements in large transactions, with nothing else going on: no journal, no engine, no fires.
/// </summary>
internal static class RawRows
{
    private const int RowsPerTransaction = 5000;

    /// <summary>Rows per second when each plan is written once, as it was submitted.</summary>
    public static double Plans(NodeRig source, int count) => Write(source, count, hasEnded: false);

    /// <summary>Lives per second when each plan is written once, as it ended, with its one task.</summary>
    public static double Lives(NodeRig source, int count) => Write(source, count, hasEnded: true);

    private static double Write(NodeRig source, int count, bool hasEnded)
    {
        string folder = Directory.CreateTempSubdirectory("karya-raw-").FullName;
        using (var store = new SqliteStore(Path.Combine(folder, "raw.db"), TimeProvider.System))
        {
            var marks = store.Open(NodeRig.PartitionCount);
            var batch = new ProjectionBatch();
            double seconds = 0;
            for (int written = 0, round = 1; written < count; written += RowsPerTransaction, round++)
            {
                Fill(batch, source, written, hasEnded);
                ref var mark = ref batch.Marks.Add();
                mark = marks[0] with { Sequence = round };
                long started = Stopwatch.GetTimestamp();
                if (store.Project(batch) != CommitResult.Committed)
                    throw new StoreException(store.LastError);
                seconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
            }

            Directory.Delete(folder, recursive: true);
            return count / seconds;
        }
    }

    private static void Fill(ProjectionBatch batch, NodeRig source, int first, bool hasEnded)
    {
        batch.Clear();
        long nowMs = source.NowMs;
        Span<byte> memo = stackalloc byte[96]; // As long as the memo of such a plan.
        for (int i = 0; i < RowsPerTransaction; i++)
        {
            var id = source.NewId();
            ref var plan = ref batch.Plans.Add();
            plan.Id = id;
            plan.User = NodeRig.UserOf(first + i);
            plan.State = hasEnded ? PlanState.Completed : PlanState.Created;
            plan.IsNew = plan.HasBody = true;
            plan.CreatedMs = plan.UpdatedMs = nowMs;
            plan.WakeMs = hasEnded ? PlanSpec.NoEnd : nowMs + 300_000;
            plan.Memo = batch.Bytes.Write(memo);
            plan.Body = batch.Bytes.Write(NodeRig.Body);
            if (!hasEnded)
                continue;
            ref var task = ref batch.Tasks.Add();
            task.Key = new TaskKey(id, 1, 0);
            task.OccurrenceTo = 1;
            task.State = PlanTaskState.Success;
            task.CreatedMs = task.DueMs = task.StartedMs = task.FinishedMs = nowMs;
            task.Attempts = 1;
        }
    }
}
