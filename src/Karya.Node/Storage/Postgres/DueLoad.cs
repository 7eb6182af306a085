using System.Data;
using System.Globalization;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Reads the plans that are due in a window: in slices of time, the most urgent slice first, each in the order of the
/// table.
/// </summary>
/// <remarks>
/// <para>
/// Rows in the exact order of their instants lie anywhere in the table: fetching them so took 3.5 times as long as reading
/// them as they lie. The first slice is small and read at once, later ones grow: whatever comes late in a slice is due
/// much later than the slice takes.
/// </para>
/// <para>
/// All slices see one snapshot; else a plan that moves meanwhile could be missed. A bitmap of the index finds the pages of
/// a slice whatever the planner believes: it must neither sort a million rows nor read ten million others.
/// </para>
/// </remarks>
internal static class DueLoad
{
    /// <summary>Some 10 ms of reading, and 15 s of due instants when a million plans are due within an hour.</summary>
    private const int FirstSliceRows = 4096;

    /// <summary>Four slices for a million plans. Each visits nearly every page, if their instants are random.</summary>
    private const int SliceGrowth = 8;

    /// <summary>A last slice: nobody has as many.</summary>
    private const int SliceRowsMax = 1 << 30;

    // How long it takes is up to whoever is handed the plans.
    private const string SettingsSql =
        """
        SET TRANSACTION READ ONLY;
        SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL statement_timeout = 0
        """;

    private const string SliceEndSql =
        """
        SELECT wake_ms FROM plans WHERE wake_ms >= $1 AND wake_ms < $2 ORDER BY wake_ms OFFSET $3 LIMIT 1
        """;

    public static void Run(NpgsqlConnection connection, long fromMs, long toMs, StoredPlanReader reader)
    {
        using var transaction = connection.BeginTransaction(IsolationLevel.RepeatableRead);
        using (var settings = new NpgsqlCommand(SettingsSql, connection, transaction))
            settings.ExecuteNonQuery();

        var plans = new CopiedPlans(reader);
        long startMs = fromMs;
        for (int rows = FirstSliceRows; startMs < toMs; rows = Math.Min(rows, SliceRowsMax / SliceGrowth) * SliceGrowth)
        {
            long endMs = FindSliceEnd(connection, startMs, toMs, rows);
            using (var stream = connection.BeginRawBinaryCopy(CopySql(startMs, endMs)))
                plans.Read(stream);
            startMs = endMs;
        }

        transaction.Commit();
    }

    /// <summary>The instant after some number of plans; later than the start, or the slice would never end.</summary>
    private static long FindSliceEnd(NpgsqlConnection connection, long startMs, long toMs, int rows)
    {
        using var command = new NpgsqlCommand(SliceEndSql, connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = startMs });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = toMs });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = rows });
        return command.ExecuteScalar() is long endMs ? Math.Max(endMs, startMs + 1) : toMs;
    }

    /// <summary>COPY takes no parameters.</summary>
    private static string CopySql(long startMs, long endMs) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        COPY (SELECT id, memo, body FROM plans WHERE wake_ms >= {startMs} AND wake_ms < {endMs})
        TO STDOUT (FORMAT binary)
        """);
}
