using System.Globalization;
using System.IO.Hashing;
using System.Text;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// What an administrator applies with psql where nodes may not change tables themselves; and the statements that it
/// shares with <see cref="PostgresSchema"/>, so that both do the same.
/// </summary>
internal static class PostgresScript
{
    /// <param name="schema">Where the tables are to be.</param>
    /// <param name="fromVersion">The version that the database has; 0 when nothing of ours is in it.</param>
    /// <param name="role">Gets the rights that a node needs; null grants nothing.</param>
    /// <param name="migrations">All there are, in the order of their numbers.</param>
    public static string Write(
        string schema, int fromVersion, string? role, IReadOnlyList<PostgresMigration> migrations)
    {
        int known = migrations.Count == 0 ? 0 : migrations[^1].Number;
        var pending = migrations.Where(migration => migration.Number > fromVersion).ToList();
        if (pending.Count == 0 && role is null)
            return $"-- Nothing is pending: the schema {Quoted(schema)} is at version {Text(fromVersion)}.\n";

        var script = new StringBuilder();
        script.Append(CultureInfo.InvariantCulture, $"""
            -- Karya: the schema {Quoted(schema)}, from version {fromVersion} to {known}.
            -- Apply it as a role that may create it: psql -v ON_ERROR_STOP=1 -f FILE
            -- It is one transaction: all of it is applied, or nothing.
            BEGIN ISOLATION LEVEL READ COMMITTED;
            {Lock(schema)}
            CREATE SCHEMA IF NOT EXISTS {Quoted(schema)};
            {Preamble(schema)}
            {RequireVersion(fromVersion)}

            """);
        foreach (var migration in pending)
            script.Append(CultureInfo.InvariantCulture, $"\n-- {migration.Name}\n{migration.Text.TrimEnd()}\n");
        script.Append(CultureInfo.InvariantCulture, $"\n{SetVersion(known)}\n");
        if (role is not null)
            script.Append(CultureInfo.InvariantCulture, $"\n{Grants(Quoted(schema), Quoted(role))}\n");
        return script.Append("COMMIT;\n").ToString();
    }

    /// <summary>
    /// Begins the transaction: one who migrates at a time, to its end. A large table takes its time, and whoever waits
    /// waits for that: the limits that a connection, a role or a database sets are for queries.
    /// </summary>
    public static string Lock(string schema) => $"""
        SET LOCAL statement_timeout = 0;
        SET LOCAL lock_timeout = 0;
        SET LOCAL idle_in_transaction_session_timeout = 0;
        SELECT pg_advisory_xact_lock({LockKeyOf(schema)});
        """;

    /// <summary>
    /// One lock per schema of a database. The number must never change: an older karya may wait at the same lock.
    /// </summary>
    public static string LockKeyOf(string schema) =>
        ((long)XxHash64.HashToUInt64(Encoding.UTF8.GetBytes("karya.schema." + schema)))
            .ToString(CultureInfo.InvariantCulture);

    /// <summary>
    /// Goes before the migrations. Temporary objects come last in the search path, or one could stand in for a table.
    /// </summary>
    public static string Preamble(string schema) => $"""
        SET LOCAL search_path = {Quoted(schema)}, pg_temp;
        CREATE TABLE IF NOT EXISTS meta (key text PRIMARY KEY, value bigint NOT NULL);
        """;

    public static string SetVersion(int version) =>
        $"INSERT INTO meta (key, value) VALUES ('schema', {Text(version)}) "
        + "ON CONFLICT (key) DO UPDATE SET value = excluded.value;";

    public static string Quoted(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>A script may lie around for a while, and be applied twice.</summary>
    private static string RequireVersion(int version) => $"""
        DO $karya$ BEGIN
          IF coalesce((SELECT value FROM meta WHERE key = 'schema'), 0) <> {Text(version)} THEN
            RAISE 'This script is for version {Text(version)} of the schema, which has another. Print a new one.';
          END IF;
        END $karya$;
        """;

    /// <summary>Also for what the administrator's functions create later, such as parts of the history.</summary>
    private static string Grants(string schema, string role) => $"""
        GRANT USAGE ON SCHEMA {schema} TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {schema} TO {role};
        GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role};
        GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema}
          GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLES TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE ON SEQUENCES TO {role};
        ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT EXECUTE ON FUNCTIONS TO {role};
        """;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
