using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Makes the ranges of the history before they are needed and removes what is old enough: whole ranges, and row by row
/// what lies in the rest. One thread at a time; several nodes may do it at once.
/// </summary>
/// <remarks>
/// <code>
///        dropped when all of it is before the cutoff        written now      made ahead
///   |———————————|———————————|———————————|———————————|———————————|———————————|———————————|
///               cutoff                                    now
/// </code>
/// A lock that is not to be had within a second is given up: whoever reads or writes history would queue behind us.
/// </remarks>
internal sealed class PostgresHistory(NpgsqlDataSource source, TimeSpan retention)
{
    private const long HourMs = 60 * 60 * 1000;
    private const long WidthMaxMs = 30 * 24 * HourMs;

    /// <summary>
    /// What is kept too long is at most an eighth of what is kept; and a query looks into a dozen partitions.
    /// </summary>
    private const int RangesPerRetention = 8;

    /// <summary>Ranges are made long before they are needed: the one of now and two more.</summary>
    private const int RangesWanted = 3;

    /// <summary>Counting what is in a large range may take minutes.</summary>
    private const int DropSecondsMax = 3600;

    private const string RowsAreThere = "KF006";
    private const string Overlaps = "KF005";

    private readonly long _widthMs = Math.Clamp(
        (long)Math.Round(retention.TotalHours / RangesPerRetention) * HourMs, HourMs, WidthMaxMs);

    // Where the walk through the ended plans of the rest goes on.
    private (long EndedMs, Guid Plan) _cursor = Start;

    private static (long EndedMs, Guid Plan) Start => (long.MinValue, Guid.Empty);

    /// <summary>
    /// Makes ranges from the current one up to two further ones. A range whose rows lie in the rest already is left
    /// out, and one that somebody is in the way of comes with the next call.
    /// </summary>
    public void EnsureRanges(long nowMs)
    {
        using var connection = source.OpenConnection();
        var ranges = ReadRanges(connection);
        long currentMs = nowMs - nowMs % _widthMs;
        long untilMs = currentMs + RangesWanted * _widthMs;

        // Behind those of another width that have passed.
        long startMs = currentMs;
        foreach (var range in ranges)
        {
            if (range.EndMs <= nowMs)
                startMs = Math.Max(startMs, range.EndMs);
        }

        while (startMs < untilMs)
        {
            long endMs = startMs - startMs % _widthMs + _widthMs;
            bool isThere = false;
            foreach (var range in ranges)
            {
                isThere = range.FirstMs <= startMs && range.EndMs > startMs;
                endMs = isThere ? range.EndMs : range.FirstMs > startMs ? Math.Min(endMs, range.FirstMs) : endMs;
                if (isThere)
                    break;
            }

            if (!isThere && !TryAdd(connection, startMs, endMs))
                return;
            startMs = endMs;
        }
    }

    /// <summary>
    /// Drops the oldest range that has rows when it ended before the cutoff, and empty ones before it; else removes
    /// about
    /// <paramref name="rowsMax"/> rows from the rest. Returns how many rows; 0 when nothing is left to remove or
    /// somebody is in the way.
    /// </summary>
    public int Prune(long cutoffMs, int rowsMax, long nowMs)
    {
        try
        {
            using var connection = source.OpenConnection();
            foreach (var (firstMs, endMs) in ReadRanges(connection))
            {
                if (endMs > Math.Min(cutoffMs, nowMs))
                    break;
                if (Drop(connection, firstMs) is var dropped and > 0)
                    return (int)Math.Min(dropped, int.MaxValue);
            }

            return PruneRest(connection, cutoffMs, rowsMax);
        }
        catch (PostgresException exception) when (IsInTheWay(exception))
        {
            return 0;
        }
    }

    private static bool IsInTheWay(PostgresException exception) =>
        exception.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected;

    private static List<(long FirstMs, long EndMs)> ReadRanges(NpgsqlConnection connection)
    {
        var ranges = new List<(long FirstMs, long EndMs)>();
        using var command = Command(connection, "SELECT first_ms, end_ms FROM history_range ORDER BY first_ms");
        using var rows = command.ExecuteReader();
        while (rows.Read())
            ranges.Add((rows.GetInt64(0), rows.GetInt64(1)));
        return ranges;
    }

    /// <summary>False when somebody is in the way.</summary>
    private static bool TryAdd(NpgsqlConnection connection, long firstMs, long endMs)
    {
        using var transaction = Begin(connection);
        try
        {
            using var command = Command(connection, "SELECT add_history_range($1, $2)", firstMs, endMs);
            command.ExecuteNonQuery();
            transaction.Commit();
            return true;
        }
        catch (PostgresException exception) when (exception.SqlState is RowsAreThere or Overlaps)
        {
            return true;   // Another node, of another width perhaps, was first; or the rest has it.
        }
        catch (PostgresException exception) when (IsInTheWay(exception))
        {
            return false;
        }
    }

    private static long Drop(NpgsqlConnection connection, long firstMs)
    {
        using var transaction = Begin(connection);
        using var command = Command(connection, "SELECT drop_history_range($1)", firstMs);
        command.CommandTimeout = DropSecondsMax;
        long dropped = (long)command.ExecuteScalar()!;
        transaction.Commit();
        return dropped;
    }

    private int PruneRest(NpgsqlConnection connection, long cutoffMs, int rowsMax)
    {
        using var transaction = Begin(connection);
        bool isWholeRound = _cursor == Start;
        var (removed, next) = PruneRestPlans(connection, cutoffMs, rowsMax, _cursor);
        if (removed == 0 && !isWholeRound)
            (removed, next) = PruneRestPlans(connection, cutoffMs, rowsMax, Start);

        if (removed < rowsMax)
        {
            using var command = Command(
                connection, "SELECT prune_rest_tasks($1, $2)", cutoffMs, (int)(rowsMax - removed));
            removed += (long)command.ExecuteScalar()!;
        }

        if (removed < rowsMax)
        {
            using var command = Command(
                connection, "DELETE FROM operations WHERE NOT running AND updated_ms < $1", cutoffMs);
            removed += command.ExecuteNonQuery();
        }

        transaction.Commit();
        _cursor = next;
        return (int)Math.Min(removed, int.MaxValue);
    }

    private static (long Removed, (long EndedMs, Guid Plan) Next) PruneRestPlans(
        NpgsqlConnection connection, long cutoffMs, int rowsMax, (long EndedMs, Guid Plan) cursor)
    {
        using var command = Command(
            connection,
            "SELECT removed, cursor_ms, cursor_id FROM prune_rest_plans($1, $2, $3, $4)",
            cutoffMs, rowsMax, cursor.EndedMs, cursor.Plan);
        using var rows = command.ExecuteReader();
        rows.Read();
        return (rows.GetInt64(0), rows.IsDBNull(1) ? Start : (rows.GetInt64(1), rows.GetGuid(2)));
    }

    private static NpgsqlTransaction Begin(NpgsqlConnection connection)
    {
        var transaction = connection.BeginTransaction();
        using var command = new NpgsqlCommand(
            "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = 0", connection);
        command.ExecuteNonQuery();
        return transaction;
    }

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (object value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }
}
