using System.Globalization;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>Makes connections with the settings that our promises need, whatever the server's defaults are.</summary>
internal static class PostgresSource
{
    /// <summary>Connections beside those of the readers: loader, its horizon, pruning, one to spare.</summary>
    private const int OtherConnections = 4;

    /// <summary>
    /// Statements stay prepared, and a table or a range is empty when it is made: a plan of that time would read all of
    /// it later, when it is full. Workers would read all matches and sort them, where an index has the first ones in
    /// order. What is switched off counts as very costly where it is used all the same, and costly statements are
    /// compiled: a tenth of a second for one that takes a millisecond.
    /// </summary>
    public const string PlanningSql =
        "SET enable_seqscan = off; SET max_parallel_workers_per_gather = 0; SET jit = off;";

    private const int ConnectSeconds = 3;
    private const int PreparedStatementsMax = 50;

    /// <param name="settings">Where the database is.</param>
    /// <param name="markSql">What every session says first, so that others know whose it is.</param>
    /// <param name="isPooled">
    /// For many short questions; not for the connections of writers, which are opened once and never shared.
    /// </param>
    public static NpgsqlDataSource Create(PostgresSettings settings, string markSql, bool isPooled)
    {
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        var options = builder.ConnectionStringBuilder;
        options.ApplicationName ??= "karya";
        options.Pooling = isPooled;
        options.MaxPoolSize = settings.ReaderCount + OtherConnections;
        options.MinPoolSize = 0;
        options.Timeout = ConnectSeconds;
        options.CommandTimeout = SecondsOf(settings.Lease * 2);
        options.CancellationTimeout = -1; // A server that does not answer will not answer a cancel either.
        options.TcpKeepAlive = true;
        options.NoResetOnClose = true; // A reset would take the settings below back.
        options.Enlist = false;
        options.MaxAutoPrepare = PreparedStatementsMax;
        options.AutoPrepareMinUsages = 2;
        string setup = SetupSql(settings) + markSql;
        builder.UsePhysicalConnectionInitializer(
            connection => Run(connection, setup), connection => RunAsync(connection, setup));
        return builder.Build();
    }

    /// <summary>
    /// Whole seconds, which is what Npgsql takes; at least one. Of a wait that must end within the time.
    /// </summary>
    public static int SecondsOf(TimeSpan time) => Math.Max(1, (int)time.TotalSeconds);

    private static string SetupSql(PostgresSettings settings)
    {
        long leaseMs = (long)settings.Lease.TotalMilliseconds;

        // A transaction that nobody ends (its process sleeps) must not block those who take its partitions over. A
        // commit that returns before the log is on the disk would make an acknowledgement a guess; stricter is fine.
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            SET search_path = {PostgresScript.Quoted(settings.Schema)}, pg_temp;
            SET idle_in_transaction_session_timeout = '2s';
            SET lock_timeout = {leaseMs};
            SET statement_timeout = '60s';
            SET tcp_user_timeout = {leaseMs};
            SET client_min_messages = warning;
            {PlanningSql}
            SELECT set_config('synchronous_commit', 'on', false)
            WHERE current_setting('synchronous_commit') IN ('off', 'local');

            """);
    }

    private static void Run(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
