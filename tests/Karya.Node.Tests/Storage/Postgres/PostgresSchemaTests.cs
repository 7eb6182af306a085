using Karya.LocalServers;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Karya.Node.Tests.Joined;
using Npgsql;
using Xunit;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>Each test has a database of its own, and a role of its own when it needs one.</summary>
public sealed class PostgresSchemaTests : IDisposable
{
    private const string Schema = "karya";

    private static readonly PostgresMigration First = new(
        1, "0001_first",
        "CREATE TABLE journal (id bigserial PRIMARY KEY, body text);\n"
        + "CREATE FUNCTION two() RETURNS int LANGUAGE sql AS $$ SELECT 2; $$;");

    private static readonly PostgresMigration Second = new(2, "0002_second", "ALTER TABLE journal ADD more int;");
    private static readonly PostgresMigration Broken = new(2, "0002_broken", "CREATE TABLE a (id int); SELECT 1 / 0;");

    private readonly string _database = $"schema_{Guid.NewGuid():N}";
    private readonly List<string> _roles = [];
    private readonly NpgsqlConnection _admin;

    public PostgresSchemaTests()
    {
        using (var server = Connect("postgres", "postgres"))
            Execute(server, $"CREATE DATABASE {_database}");
        _admin = Connect(_database, "postgres");
    }

    public void Dispose()
    {
        _admin.Dispose();
        using var server = Connect("postgres", "postgres");
        Execute(server, $"DROP DATABASE {_database} WITH (FORCE)");
        foreach (string role in _roles)
            Execute(server, $"DROP ROLE {PostgresScript.Quoted(role)}");
    }

    [Fact]
    public void An_empty_database_is_brought_to_the_version_of_this_karya()
    {
        var schema = SchemaOf(_admin, First, Second);
        Assert.Equal(0, schema.Stored());
        Assert.Equal(["0001_first", "0002_second"], schema.Pending());

        schema.Up();

        Assert.Equal(2, schema.Stored());
        Assert.Empty(schema.Pending());
        Assert.Equal(0L, Scalar(_admin, "SELECT count(more) FROM karya.journal"));
        Assert.Equal("\"$user\", public", Scalar(_admin, "SHOW search_path"));
    }

    [Fact]
    public void Only_what_is_pending_is_applied()
    {
        SchemaOf(_admin, First).Up();
        SchemaOf(_admin, First, Second).Up();
        SchemaOf(_admin, First, Second).Up();

        Assert.Equal(2, SchemaOf(_admin, First, Second).Stored());
    }

    [Fact]
    public async Task Of_two_that_start_together_one_migrates_and_both_go_on_however_short_their_limits_are()
    {
        using var one = Connect(_database, "postgres");
        using var other = Connect(_database, "postgres");
        Execute(one, "SET lock_timeout = 1; SET statement_timeout = 200");
        Execute(other, "SET lock_timeout = 1; SET statement_timeout = 200");
        Execute(_admin, $"BEGIN; SELECT pg_advisory_xact_lock({PostgresScript.LockKeyOf(Schema)})");
        var both = Task.WhenAll(
            Task.Run(() => SchemaOf(one, First, Second).Up(), TestContext.Current.CancellationToken),
            Task.Run(() => SchemaOf(other, First, Second).Up(), TestContext.Current.CancellationToken));
        await Until.TrueAsync(
            () => 2L.Equals(Scalar(_admin, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
                + $"AND database = (SELECT oid FROM pg_database WHERE datname = '{_database}')")),
            "both wait for the lock");

        Execute(_admin, "COMMIT");
        await both;

        Assert.Equal(2, SchemaOf(_admin, First, Second).Stored());
    }

    [Fact]
    public void A_newer_schema_is_refused_with_both_versions()
    {
        SchemaOf(_admin, First, Second).Up();
        var older = SchemaOf(_admin, First);

        string message = Assert.Throws<StoreException>(older.Up).Message;

        Assert.Equal(
            "The schema karya has version 2; this karya knows versions up to 1. Run a karya at least as new as the one "
            + "that wrote it; there is no way back.", message);
        Assert.Throws<StoreException>(() => older.Sql(role: null));
        Assert.Empty(older.Pending());
    }

    [Fact]
    public void A_migration_that_fails_is_named_and_leaves_nothing_behind()
    {
        var schema = SchemaOf(_admin, First, Broken);

        string message = Assert.Throws<StoreException>(schema.Up).Message;

        Assert.Equal(
            "The migration 0002_broken of the schema karya failed, and nothing was changed: division by zero", message);
        Assert.Equal(0, schema.Stored());
        Assert.Equal(0L, Scalar(_admin, "SELECT count(*) FROM pg_namespace WHERE nspname = 'karya'"));
    }

    [Fact]
    public void A_temporary_table_cannot_stand_in_for_ours()
    {
        Execute(_admin, "CREATE TEMPORARY TABLE meta (key text PRIMARY KEY, value bigint NOT NULL)");
        var schema = SchemaOf(_admin, First);

        schema.Up();

        Assert.Equal(1, schema.Stored());
    }

    [Fact]
    public void A_role_that_may_change_nothing_is_told_what_to_do_and_runs_once_an_administrator_has_done_it()
    {
        string role = CreateRole("karya \"node\"");
        using var node = Connect(_database, role);
        var schema = SchemaOf(node, First, Second);

        string message = Assert.Throws<StoreException>(schema.Up).Message;
        Assert.Contains("permission denied", message, StringComparison.Ordinal);
        Assert.Contains("karya migrate sql", message, StringComparison.Ordinal);

        Execute(_admin, schema.Sql(role));
        Execute(_admin, "CREATE TABLE karya.later (id serial); "
            + "CREATE FUNCTION karya.three() RETURNS int LANGUAGE sql AS 'SELECT 3'");
        schema.Up();

        Assert.Equal(2, schema.Stored());
        Execute(node, "INSERT INTO karya.journal (body) VALUES ('x'); UPDATE karya.journal SET body = 'y';");
        Execute(node, "DELETE FROM karya.journal; TRUNCATE karya.journal; INSERT INTO karya.later DEFAULT VALUES");
        Assert.Equal(5, Scalar(node, "SELECT karya.two() + karya.three()"));
        Assert.Throws<PostgresException>(() => Execute(node, "CREATE TABLE karya.mine (id int)"));
    }

    [Fact]
    public void A_role_may_migrate_a_schema_that_it_owns_without_rights_to_the_database()
    {
        string role = CreateRole("owner");
        Execute(_admin, $"CREATE SCHEMA karya AUTHORIZATION {PostgresScript.Quoted(role)}");
        using var node = Connect(_database, role);

        SchemaOf(node, First).Up();

        Assert.Equal(1, SchemaOf(node, First).Stored());
    }

    [Fact]
    public void A_role_that_may_not_even_read_the_version_is_told_so()
    {
        string role = CreateRole("stranger");
        SchemaOf(_admin, First).Up();
        using var node = Connect(_database, role);

        string message = Assert.Throws<StoreException>(() => SchemaOf(node, First).Stored()).Message;

        Assert.Contains("may not read the schema karya: permission denied", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_script_takes_over_where_the_database_is_and_refuses_to_be_applied_twice()
    {
        SchemaOf(_admin, First).Up();
        string script = SchemaOf(_admin, First, Second).Sql(role: null);

        Execute(_admin, script);
        Assert.Equal(2, SchemaOf(_admin, First, Second).Stored());

        var refused = Assert.Throws<PostgresException>(() => Execute(_admin, script));
        Assert.Equal(
            "This script is for version 1 of the schema, which has another. Print a new one.", refused.MessageText);
        Execute(_admin, "ROLLBACK");
        Assert.Equal("-- Nothing is pending: the schema \"karya\" is at version 2.\n",
            SchemaOf(_admin, First, Second).Sql(role: null));
    }

    [Fact]
    public void The_script_for_an_empty_database_does_what_a_node_does()
    {
        Execute(_admin, PostgresScript.Write(Schema, fromVersion: 0, role: null, [First, Second]));
        new PostgresSchema(_admin, "another", [First, Second]).Up();

        Assert.Equal(2, SchemaOf(_admin, First, Second).Stored());
        Assert.Equal(Objects("another"), Objects(Schema));
    }

    [Fact]
    public void The_embedded_migrations_are_numbered_without_gaps() =>
        Assert.Equal(
            Enumerable.Range(1, PostgresMigration.Embedded.Count),
            PostgresMigration.Embedded.Select(migration => migration.Number));

    [Fact]
    public void A_server_that_keeps_what_it_commits_will_do() => SchemaOf(_admin).CheckServer();

    [Fact]
    public void A_server_that_loses_what_it_commits_and_a_standby_are_refused()
    {
        using var server = PostgresServer.Start(("fsync", "off"));
        Assert.Equal(
            "fsync is off on this server: a crash of it would lose what was acknowledged. Set fsync = on.", Refusal());

        server.Stop(PostgresStop.Fast);
        File.WriteAllText(Path.Combine(server.DataDirectory, "standby.signal"), "");
        server.StartAgain();
        Assert.StartsWith("The server is a standby", Refusal(), StringComparison.Ordinal);

        string Refusal()
        {
            using var connection = new NpgsqlConnection(server.ConnectionString + ";Pooling=false");
            connection.Open();
            return Assert.Throws<StoreException>(SchemaOf(connection).CheckServer).Message;
        }
    }

    [Fact]
    public void A_server_before_14_is_refused()
    {
        string message = Assert.Throws<StoreException>(
            () => PostgresSchema.RequireVersion(new Version(13, 22))).Message;

        Assert.Equal("The server is PostgreSQL 13.22; Karya needs 14 or newer.", message);
        PostgresSchema.RequireVersion(new Version(14, 0));
    }

    /// <summary>A role that may log in, and nothing else.</summary>
    private string CreateRole(string name)
    {
        string role = $"{name} {Guid.NewGuid():N}";
        Execute(_admin, $"CREATE ROLE {PostgresScript.Quoted(role)} LOGIN");
        _roles.Add(role);
        return role;
    }

    private static PostgresSchema SchemaOf(NpgsqlConnection connection, params PostgresMigration[] migrations) =>
        new(connection, Schema, migrations);

    private static NpgsqlConnection Connect(string database, string role)
    {
        var parameters = new NpgsqlConnectionStringBuilder(PostgresServer.Shared.ConnectionString)
        {
            Database = database,
            Username = role,
            Pooling = false,
        };
        var connection = new NpgsqlConnection(parameters.ConnectionString);
        connection.Open();
        return connection;
    }

    private static void Execute(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    private static object? Scalar(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
    }

    private object? Objects(string schema) => Scalar(
        _admin,
        "SELECT string_agg(relname || ' ' || relkind::text, ', ' ORDER BY relname) FROM pg_class "
        + $"WHERE relnamespace = '{schema}'::regnamespace");
}
