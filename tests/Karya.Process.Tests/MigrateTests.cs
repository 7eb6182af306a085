using Karya.LocalServers;
using Npgsql;
using Xunit;

namespace Karya.Process.Tests;

/// <summary><c>karya migrate</c> as an operator meets it, each test in a schema of its own.</summary>
[Trait("Needs", "process")]
public sealed class MigrateTests : IAsyncDisposable
{
    private const string ConnectionName = "KARYA_STORAGE__POSTGRES__CONNECTIONSTRING";
    private const string Password = "s3cret";

    private static readonly string Connection = $"{PostgresServer.Shared.ConnectionString};Password={Password}";

    private readonly string _schema = $"migrate_{Guid.NewGuid():N}";

    public async ValueTask DisposeAsync() => await ExecuteAsync($"DROP SCHEMA IF EXISTS {_schema} CASCADE");

    [Fact]
    public async Task Status_says_what_is_pending_up_applies_it_and_then_nothing_is_pending()
    {
        var (before, pending) = await RunAsync(Connection, "status");
        var (first, applied) = await RunAsync(Connection, "up");
        var (second, again) = await RunAsync(Connection, "up");
        var (after, nothing) = await RunAsync(Connection, "status");

        Assert.Equal([1, 0, 0, 0], [before, first, second, after]);
        Assert.Contains($":{PostgresServer.Shared.Port}/postgres, schema {_schema}", pending, StringComparison.Ordinal);
        Assert.Contains("stored     version 0", pending, StringComparison.Ordinal);
        Assert.Contains("pending    0001_tables", pending, StringComparison.Ordinal);
        Assert.Contains("applied    0001_tables", applied, StringComparison.Ordinal);
        Assert.DoesNotContain("applied", again, StringComparison.Ordinal);
        Assert.Contains("pending    nothing", nothing, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_sql_prints_is_what_an_administrator_needs()
    {
        var (_, script) = await RunAsync(Connection, "sql", "--role", "postgres");
        var (_, all) = await RunAsync("none", "sql", "--all", "--role", "postgres");
        await ExecuteAsync(script);
        var (_, nothing) = await RunAsync(Connection, "sql");

        Assert.Equal(script, all);
        Assert.Equal(0, (await RunAsync(Connection, "status")).ExitCode);
        Assert.StartsWith("-- Nothing is pending", nothing, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_that_is_newer_is_refused_by_all_of_them()
    {
        await RunAsync(Connection, "up");
        await ExecuteAsync($"UPDATE {_schema}.meta SET value = 9999 WHERE key = 'schema'");

        foreach (string verb in new[] { "status", "up", "sql" })
        {
            var (exitCode, text) = await RunAsync(Connection, verb);
            Assert.Equal(1, exitCode);
            Assert.Contains("9999", text, StringComparison.Ordinal);
            Assert.Contains("at least as new as the one that wrote it", text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_node_with_a_file_migrates_it_by_itself()
    {
        var (exitCode, text) = await RunAsync("none", "status");
        Assert.Equal(0, exitCode);
        Assert.Contains("by itself", text, StringComparison.Ordinal);

        foreach (string verb in new[] { "up", "sql" })
        {
            (exitCode, text) = await RunAsync("none", verb);
            Assert.Equal(2, exitCode);
            Assert.Contains("error: no Postgres is configured", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("Host=127.0.0.1;Port=1;Username=u;Password=s3cret", 1, "the database 127.0.0.1:1/u cannot be reached")]
    [InlineData("Host=127.0.0.1;Port=s3cret", 2, "connectionString: port has a value that is not allowed")]
    [InlineData("postgres://u:s3cret@db/d", 2, "connectionString: is a URL")]
    public async Task A_database_that_cannot_be_used_is_named_without_its_password(
        string connection, int expectedCode, string expected)
    {
        var (exitCode, text) = await RunAsync(connection, "up");

        Assert.Equal(expectedCode, exitCode);
        Assert.Contains(expected, text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_role_without_rights_is_sent_to_an_administrator()
    {
        await ExecuteAsync($"CREATE ROLE {_schema} LOGIN");
        var (exitCode, text) = await RunAsync($"{Connection};Username={_schema}", "up");
        await ExecuteAsync($"DROP ROLE {_schema}");

        Assert.Equal(1, exitCode);
        Assert.Contains("permission denied", text, StringComparison.Ordinal);
        Assert.Contains("karya migrate sql", text, StringComparison.Ordinal);
    }

    /// <summary>All that a command prints; the password is never in it.</summary>
    private async Task<(int ExitCode, string Text)> RunAsync(string connection, params string[] arguments)
    {
        await using var karya = NodeProcess.Launch(
            ["migrate", .. arguments], (ConnectionName, connection), ("KARYA_STORAGE__POSTGRES__SCHEMA", _schema));
        int exitCode = await karya.WaitForExitAsync();
        string text = karya.Output + karya.Errors;
        Assert.DoesNotContain(Password, text, StringComparison.Ordinal);
        return (exitCode, text);
    }

    private static async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(PostgresServer.Shared.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
