using System.Data;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Brings a schema of a database to the version of this binary, by itself (<see cref="Up"/>) or through an
/// administrator (<see cref="PostgresScript"/>). Works on an open connection that nobody else uses meanwhile.
/// </summary>
/// <remarks>
/// Migrations go forward only, and all that are pending go in one transaction: a schema is at one version or another,
/// never between. Whoever migrates holds an advisory lock, so that of several nodes that start, one does it and the
/// others find it done. The methods throw <see cref="StoreException"/> with a message for the operator.
/// </remarks>
internal sealed class PostgresSchema(
    NpgsqlConnection connection, string schema, IReadOnlyList<PostgresMigration> migrations)
{
    private static readonly Version OldestServer = new(14, 0);

    public PostgresSchema(NpgsqlConnection connection, string schema)
        : this(connection, schema, PostgresMigration.Embedded)
    {
    }

    /// <summary>The script that brings an empty database to the version of this binary.</summary>
    public static string Sql(string schema, string? role) =>
        PostgresScript.Write(schema, fromVersion: 0, role, PostgresMigration.Embedded);

    /// <summary>The version that this binary works with.</summary>
    public int Known => migrations.Count == 0 ? 0 : migrations[^1].Number;

    /// <summary>The version that the database has; 0 when nothing of ours is in it.</summary>
    public int Stored() => Asking(ReadVersion, "read");

    /// <summary>The names of the migrations that <see cref="Up"/> would apply.</summary>
    public IReadOnlyList<string> Pending()
    {
        int stored = Stored();
        return [.. migrations.Where(migration => migration.Number > stored).Select(migration => migration.Name)];
    }

    /// <summary>
    /// Applies what is pending. When nothing is, it only reads: a role without the right to change tables will do.
    /// </summary>
    public void Up()
    {
        int stored = Stored();
        RequireKnown(stored);
        if (stored < Known)
            Asking(Migrate, "change");
    }

    /// <summary>What an administrator applies in place of <see cref="Up"/>, with the rights for a role.</summary>
    public string Sql(string? role)
    {
        int stored = Stored();
        RequireKnown(stored);
        return PostgresScript.Write(schema, stored, role, migrations);
    }

    /// <summary>Throws when Karya cannot rely on this server.</summary>
    public void CheckServer()
    {
        RequireVersion(connection.PostgreSqlVersion);
        if (Asking(() => (bool)Scalar("SELECT pg_is_in_recovery()")!, "ask"))
        {
            throw new StoreException(
                "The server is a standby, which nothing can be written to. Name the primary; of several hosts, "
                + "Target Session Attributes=primary finds it.");
        }

        if (Asking(() => (string)Scalar("SHOW fsync")!, "ask") == "off")
        {
            throw new StoreException(
                "fsync is off on this server: a crash of it would lose what was acknowledged. Set fsync = on.");
        }
    }

    internal static void RequireVersion(Version server)
    {
        if (server < OldestServer)
            throw new StoreException($"The server is PostgreSQL {server}; Karya needs {OldestServer.Major} or newer.");
    }

    private void RequireKnown(int stored)
    {
        if (stored > Known)
        {
            throw new StoreException(
                $"The schema {schema} has version {stored}; this karya knows versions up to {Known}. Run a karya at "
                + "least as new as the one that wrote it; there is no way back.");
        }
    }

    private int Migrate()
    {
        using var transaction = connection.BeginTransaction(IsolationLevel.ReadCommitted);
        Execute(PostgresScript.Lock(schema));

        // Another node may have been first while this one waited, which only read committed gets to see.
        int stored = ReadVersion();
        RequireKnown(stored);
        if (stored < Known)
        {
            // IF NOT EXISTS would ask for the right to create even when there is nothing to create.
            if (!Exists("SELECT 1 FROM pg_namespace WHERE nspname = $1"))
                Execute($"CREATE SCHEMA {PostgresScript.Quoted(schema)}");
            Execute(PostgresScript.Preamble(schema));
            foreach (var migration in migrations.Where(migration => migration.Number > stored))
                Apply(migration);
            Execute(PostgresScript.SetVersion(Known));
        }

        transaction.Commit();
        return Known;
    }

    private void Apply(PostgresMigration migration)
    {
        try
        {
            Execute(migration.Text);
        }
        catch (PostgresException exception) when (exception.SqlState != PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new StoreException(
                $"The migration {migration.Name} of the schema {schema} failed, and nothing was changed: "
                + exception.MessageText, exception);
        }
    }

    private int ReadVersion()
    {
        const string MetaSql =
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            + "WHERE n.nspname = $1 AND c.relname = 'meta'";

        if (!Exists(MetaSql))
            return 0;

        string meta = $"{PostgresScript.Quoted(schema)}.meta";
        return (int)(long)(Scalar($"SELECT value::bigint FROM {meta} WHERE key = 'schema'") ?? 0L);
    }

    /// <param name="what">What the role would have to be allowed.</param>
    private T Asking<T>(Func<T> work, string what)
    {
        try
        {
            return work();
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new StoreException(
                $"The role may not {what} the schema {schema}: {exception.MessageText}. Run `karya migrate sql --role "
                + "ROLE` and hand its output to an administrator.", exception);
        }
        catch (NpgsqlException exception)
        {
            throw new StoreException($"The database failed: {exception.Message}", exception);
        }
    }

    private bool Exists(string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = schema });
        return command.ExecuteScalar() is not null;
    }

    private object? Scalar(string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
    }

    /// <summary>Without a limit, as <see cref="PostgresScript.Lock"/> has it.</summary>
    private void Execute(string sql)
    {
        using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        command.ExecuteNonQuery();
    }
}
