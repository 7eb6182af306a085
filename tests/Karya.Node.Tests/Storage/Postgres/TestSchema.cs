using System.Reflection;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.LocalServers;
using Karya.Node.Storage.Postgres;
using Npgsql;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>
/// A schema with Karya's tables for one test, in the server that all tests share; gone with the test.
/// </summary>
internal sealed class TestSchema : IDisposable
{
    private const string MigrationsPrefix = "Karya.Node.Storage.Postgres.Migrations.";

    private readonly string _name = $"test_{Guid.CreateVersion7():N}";

    public TestSchema()
    {
        Source = Connect("postgres");
        Execute($"CREATE SCHEMA {_name}");
        var assembly = typeof(PostgresReader).Assembly;
        foreach (string migration in assembly.GetManifestResourceNames().Order())
        {
            if (migration.StartsWith(MigrationsPrefix, StringComparison.Ordinal))
                Execute(ReadAll(assembly, migration));
        }
    }

    public NpgsqlDataSource Source { get; }

    /// <summary>A source of connections of another role, which may use the tables and do nothing else.</summary>
    public NpgsqlDataSource SourceWithoutRights()
    {
        Execute(
            $"""
            CREATE ROLE {_name} LOGIN;
            GRANT USAGE ON SCHEMA {_name} TO {_name};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {_name} TO {_name};
            """);
        return Connect(_name);
    }

    public void Execute(string sql)
    {
        using var command = Source.CreateCommand(sql);
        command.ExecuteNonQuery();
    }

    public T Ask<T>(string sql)
    {
        using var command = Source.CreateCommand(sql);
        return (T)command.ExecuteScalar()!;
    }

    /// <summary>Adds a plan that goes on.</summary>
    public void AddPlan(ulong number, ulong parent = 0, PlanState state = PlanState.Created, long? wakeMs = null) =>
        Execute(
            $"""
            INSERT INTO plans VALUES ('{Plan(number)}', '{Ann}', {Parent(parent)}, 1, {(int)state}, 1000, 1000,
              {wakeMs?.ToString() ?? "NULL"}, 'memo{number}', 'body{number}', NULL)
            """);

    /// <summary>Adds an ended plan; its tasks are inside its row.</summary>
    public void AddEnded(ulong number, long endedMs, ulong parent = 0, UserId? user = null, params TaskRow[] tasks) =>
        Execute(
            $"""
            INSERT INTO plan_history VALUES ('{Plan(number)}', '{user ?? Ann}', {Parent(parent)}, 1, 2, 1000, {endedMs},
              'memo{number}', 'body{number}', {Inside(tasks)})
            """);

    public void AddTask(TaskKey key, long finishedMs, PlanTaskState state = PlanTaskState.Success) => Execute(
        $"""
        INSERT INTO task_history VALUES ('{key.Plan}', {key.Occurrence}, {key.Hook}, {(int)state}, 0, {key.Occurrence},
          1, 2, 3, {finishedMs}, 1)
        """);

    public void AddError(TaskKey key, long atMs, string text = "no") => Execute(
        $"INSERT INTO errors VALUES ('{key.Plan}', {key.Occurrence}, {key.Hook}, 1, {atMs}, '{text}')");

    public void AddUser(UserId user, string name, long plans) => Execute(
        $"INSERT INTO users VALUES ('{user}', '{name}', 1000, {plans})");

    public static string Inside(TaskRow[] tasks)
    {
        var bytes = new ByteWriter();
        foreach (ref var task in tasks.AsSpan())
            TaskBytes.Write(bytes, task);
        return tasks.Length == 0 ? "NULL" : $"'\\x{Convert.ToHexString(bytes.WrittenSpan)}'";
    }

    public void Dispose()
    {
        Execute($"DROP SCHEMA {_name} CASCADE");
        if (Ask<long>($"SELECT count(*) FROM pg_roles WHERE rolname = '{_name}'") > 0)
            Execute($"DROP ROLE {_name}");
        Source.Dispose();
    }

    private static string Parent(ulong number) => number == 0 ? "NULL" : $"'{Plan(number)}'";

    private NpgsqlDataSource Connect(string user)
    {
        var settings = new NpgsqlConnectionStringBuilder(PostgresServer.Shared.ConnectionString)
        {
            Username = user,
            SearchPath = _name,
            MaxAutoPrepare = 50,
            MaxPoolSize = 5,
            NoResetOnClose = true,   // A reset would take the settings below back.
        };
        var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
        builder.UsePhysicalConnectionInitializer(SetUp, SetUpAsync);
        return builder.Build();
    }

    private static void SetUp(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(PostgresSource.PlanningSql, connection);
        command.ExecuteNonQuery();
    }

    private static async Task SetUpAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand(PostgresSource.PlanningSql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static string ReadAll(Assembly assembly, string resource)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }
}
