using System.Data;
using Karya.Engine;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Reads the plans that are due in a window: in slices of time, the most urgent slice first, each in the order of the
/// table.
/// </summary>
/// <remarks>
/// <para>
/// Rows in the exact order of their instants lie anywhere in the table: fetching them so took 3.5 times as long as
/// reading them as they lie. The first slice is small and read at once, later ones grow: what comes last in a slice
/// is due later than the slice takes.
/// </para>
/// <para>
/// All slices see one snapshot; else a plan that moves meanwhile could be missed. A bitmap of the index finds the
/// pages of a slice whatever the planner believes: it must neither sort a million rows nor read ten million others.
/// </para>
/// <para>
/// A binary COPY decoded by hand was no faster than this reader.
/// </para>
/// </remarks>
internal static class DueLoad
{
    /// <summary>Some 20 ms of reading, and 15 s of due instants when a million plans are due within an hour.</summary>
    private const int FirstSliceRows = 4096;

    /// <summary>Four slices for a million plans. Each visits nearly every page, if instants lie anywhere.</summary>
    private const int SliceGrowth = 8;

    // How long it takes is up to whoever is handed the plans.
    private const string SettingsSql =
        """
        SET TRANSACTION READ ONLY;
        SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0;
        SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off
        """;

    private const string SliceSql = "SELECT id, memo, body FROM plans WHERE wake_ms >= $1 AND wake_ms < $2";

    private const string FirstSliceSql =
        """
        SELECT (SELECT wake_ms FROM plans WHERE wake_ms >= $1 AND wake_ms < $2 ORDER BY wake_ms LIMIT 1),
          (SELECT wake_ms FROM plans WHERE wake_ms >= $1 AND wake_ms < $2 ORDER BY wake_ms OFFSET $3 LIMIT 1)
        """;

    public static void Run(NpgsqlConnection connection, long fromMs, long toMs, StoredPlanReader reader)
    {
        using var transaction = connection.BeginTransaction(IsolationLevel.RepeatableRead);
        Execute(connection, SettingsSql);
        var (startMs, endMs) = FindFirstSlice(connection, fromMs, toMs);
        Execute(connection, "SET LOCAL enable_indexscan = off");

        var buffers = new Buffers();
        long spanMs = Math.Max(endMs - startMs, 1);
        while (startMs < toMs)
        {
            ReadSlice(connection, startMs, endMs, buffers, reader);
            spanMs = Math.Min(spanMs, long.MaxValue / SliceGrowth) * SliceGrowth;
            startMs = endMs;
            endMs = toMs - spanMs > startMs ? startMs + spanMs : toMs;
        }

        transaction.Commit();
    }

    private static void Execute(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    /// <summary>
    /// From the first plan to the instant of one some thousand plans later; all of the window, if it is small.
    /// </summary>
    private static (long StartMs, long EndMs) FindFirstSlice(NpgsqlConnection connection, long fromMs, long toMs)
    {
        using var command = new NpgsqlCommand(FirstSliceSql, connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = fromMs });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = toMs });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = FirstSliceRows });
        using var rows = command.ExecuteReader();
        rows.Read();
        if (rows.IsDBNull(0))
            return (toMs, toMs);
        long startMs = rows.GetInt64(0);
        return (startMs, rows.IsDBNull(1) ? toMs : Math.Max(rows.GetInt64(1), startMs + 1));
    }

    private static void ReadSlice(
        NpgsqlConnection connection, long startMs, long endMs, Buffers buffers, StoredPlanReader reader)
    {
        using var command = new NpgsqlCommand(SliceSql, connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = startMs });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = endMs });
        using var rows = command.ExecuteReader(CommandBehavior.SequentialAccess);
        while (rows.Read())
        {
            var id = PlanId.From(rows.GetGuid(0));
            var memo = Read(rows, 1, ref buffers.Memo);
            reader(id, memo, Read(rows, 2, ref buffers.Body));
        }
    }

    private static ReadOnlySpan<byte> Read(NpgsqlDataReader row, int column, ref byte[] buffer)
    {
        // Without asking for the length first, which costs as much again.
        int bytes = (int)row.GetBytes(column, 0, buffer, 0, buffer.Length);
        while (bytes == buffer.Length)
        {
            Array.Resize(ref buffer, 2 * buffer.Length);
            bytes += (int)row.GetBytes(column, bytes, buffer, bytes, buffer.Length - bytes);
        }

        return buffer.AsSpan(0, bytes);
    }

    /// <summary>They grow to the largest plan, so that no row costs an allocation.</summary>
    private sealed class Buffers
    {
        public byte[] Memo = new byte[1024];
        public byte[] Body = new byte[16 * 1024];
    }
}
