using System.Diagnostics;
using Karya.Benchmarks.Layouts;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage.Postgres;
using Karya.Protocol;
using Npgsql;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// The limit of the Postgres figures: the same rows by binary COPY into a table with the same columns and indexes, in
/// the order in which plans are submitted, on one connection, with nothing else going on. Making the rows does not
/// count; sending and committing them does.
/// </summary>
internal static class RawCopy
{
    private const int RowsPerTransaction = 5000;
    private const int MemoBytes = 90; // As long as the memo of such a plan.

    private const string PlansColumns =
        "(id, user_id, parent_id, partition, status, created_ms, updated_ms, wake_ms, memo, body)";

    private const string HistoryColumns =
        "(id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body, tasks)";

    /// <summary>Each plan as it was submitted, into a copy of the table of plans.</summary>
    public static RawCost Plans(NpgsqlConnection connection, int count, long delayMs)
    {
        PostgresDatabase.Run(connection, "CREATE TABLE raw_plans (LIKE plans INCLUDING ALL)");
        return Write(connection, count, $"raw_plans {PlansColumns}", (copy, row) => PlanRow(copy, row, delayMs));
    }

    /// <summary>Each plan as it ended, its task inside, into a copy of the history of plans, without ranges.</summary>
    public static RawCost Lives(NpgsqlConnection connection, int count)
    {
        PostgresDatabase.Run(connection, "CREATE TABLE raw_history (LIKE plan_history INCLUDING ALL)");
        var tasks = new ByteWriter();
        return Write(connection, count, $"raw_history {HistoryColumns}", (copy, row) => LifeRow(copy, row, tasks));
    }

    /// <summary>Adds plans to the store itself: due so late that their memos are never read.</summary>
    public static void AddPlans(NpgsqlConnection connection, int count, long delayMs) =>
        Write(connection, count, $"plans {PlansColumns}", (copy, row) => PlanRow(copy, row, delayMs));

    /// <summary>Rows per second when all plans are read by COPY and thrown away.</summary>
    public static double ReadPlans(NpgsqlConnection connection, int count)
    {
        byte[] buffer = new byte[64 * 1024];
        long started = Stopwatch.GetTimestamp();
        using (var stream = connection.BeginRawBinaryCopy("COPY plans TO STDOUT (FORMAT BINARY)"))
        {
            while (stream.Read(buffer, 0, buffer.Length) > 0)
            {
            }
        }

        return count / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static RawCost Write(
        NpgsqlConnection connection, int count, string target, Action<CopyEncoder, Row> encode)
    {
        PostgresDatabase.Run(connection, "CHECKPOINT");
        var ids = new PlanIds();
        var copy = new CopyEncoder();
        double walBytes = PostgresDatabase.WalBytes(connection);
        double seconds = 0;
        for (int written = 0; written < count; written += RowsPerTransaction)
        {
            long nowMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            copy.Begin();
            for (int i = written; i < Math.Min(written + RowsPerTransaction, count); i++)
                encode(copy, new Row(ids.New(nowMs), NodeRig.UserOf(i), nowMs));
            long started = Stopwatch.GetTimestamp();
            copy.Send(connection, $"COPY {target} FROM STDIN (FORMAT BINARY)");
            seconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
        }

        return new RawCost(count / seconds, (PostgresDatabase.WalBytes(connection) - walBytes) / count);
    }

    private static void PlanRow(CopyEncoder copy, Row row, long delayMs)
    {
        WriteHead(copy, row, PlanState.Created);
        copy.Int64(row.NowMs + delayMs);
        WriteBytes(copy);
    }

    private static void LifeRow(CopyEncoder copy, Row row, ByteWriter tasks)
    {
        WriteHead(copy, row, PlanState.Completed);
        WriteBytes(copy);
        tasks.Clear();
        TaskBytes.Write(tasks, new TaskRow
        {
            Key = new TaskKey(row.Id, 1, 0),
            OccurrenceTo = 1,
            State = PlanTaskState.Success,
            CreatedMs = row.NowMs,
            DueMs = row.NowMs + 200,
            StartedMs = row.NowMs + 201,
            FinishedMs = row.NowMs + 201,
            Attempts = 1,
        });
        copy.Bytes(tasks.WrittenSpan);
    }

    private static void WriteHead(CopyEncoder copy, Row row, PlanState state)
    {
        copy.Row(10);
        copy.Uuid(row.Id.ToGuid());
        copy.Uuid(row.User.ToGuid());
        copy.Null();
        copy.Int32(PartitionHash.Of(row.Id.Value, NodeRig.PartitionCount));
        copy.Int16((short)state);
        copy.Int64(row.NowMs);
        copy.Int64(row.NowMs);
    }

    private static void WriteBytes(CopyEncoder copy)
    {
        Span<byte> memo = stackalloc byte[MemoBytes];
        memo.Clear();
        copy.Bytes(memo);
        copy.Bytes(NodeRig.Body);
    }

    private readonly record struct Row(PlanId Id, UserId User, long NowMs);
}

/// <summary>What raw rows cost.</summary>
/// <param name="PerSecond">Rows written in a second.</param>
/// <param name="WalBytes">Write-ahead log for each row.</param>
internal readonly record struct RawCost(double PerSecond, double WalBytes);
