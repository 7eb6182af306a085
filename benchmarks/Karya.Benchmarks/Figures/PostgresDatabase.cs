using System.Globalization;
using Karya.LocalServers;
using Karya.Node.Storage.Postgres;
using Npgsql;

namespace Karya.Benchmarks.Figures;

/// <summary>A database of its own for one measurement, dropped when it is disposed.</summary>
/// <remarks>
/// On a private server that keeps what was committed, with the sizes below; it runs until the process ends. Or on the
/// server of <see cref="ServerVariable"/>, with whatever settings that has.
/// </remarks>
internal sealed class PostgresDatabase : IDisposable
{
    /// <summary>A connection string of a superuser.</summary>
    private const string ServerVariable = "KARYA_FIGURES_POSTGRES";

    private const string Schema = "karya";

    private static readonly (string Name, string Value)[] Settings =
    [
        ("shared_buffers", "1GB"),
        ("max_wal_size", "16GB"),
        ("checkpoint_timeout", "15min"),
    ];

    private static readonly Lazy<string> Server = new(FindServer);
    private static int _made;

    private readonly string _name;

    public string ConnectionString { get; }

    public PostgresDatabase()
    {
        _name = string.Create(
            CultureInfo.InvariantCulture, $"karya_figure_{Environment.ProcessId}_{Interlocked.Increment(ref _made)}");
        ConnectionString = new NpgsqlConnectionStringBuilder(Server.Value) { Database = _name }.ConnectionString;
        RunOnServer($"CREATE DATABASE {_name}");
    }

    /// <summary>With one journal stream, for one shard.</summary>
    public PostgresStore NewStore() => new(
        new PostgresSettings(ConnectionString, Schema, 1, TimeSpan.FromSeconds(5), TimeSpan.FromDays(7)),
        TimeProvider.System);

    /// <summary>A node on it, with users.</summary>
    public NodeRig NewRig()
    {
        var rig = new NodeRig(NewStore());
        rig.AddUsers();
        return rig;
    }

    /// <summary>A connection that finds the node's tables.</summary>
    public NpgsqlConnection Connect()
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(ConnectionString)
        {
            SearchPath = Schema,
            Pooling = false,
            CommandTimeout = 0,
        }.ConnectionString);
        connection.Open();
        return connection;
    }

    public void Dispose() => RunOnServer($"DROP DATABASE {_name} WITH (FORCE)");

    public static void Run(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    /// <summary>Bytes of write-ahead log that the server has written since it was made.</summary>
    public static double WalBytes(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8", connection);
        return (double)command.ExecuteScalar()!;
    }

    private static void RunOnServer(string sql)
    {
        using var connection = new NpgsqlConnection(Server.Value + ";Pooling=false;Command Timeout=0");
        connection.Open();
        Run(connection, sql);
    }

    private static string FindServer()
    {
        if (Environment.GetEnvironmentVariable(ServerVariable) is { Length: > 0 } other)
            return other;
        var server = PostgresServer.Start(Settings);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => server.Dispose();
        return server.ConnectionString;
    }
}
