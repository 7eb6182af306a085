using System.Globalization;
using System.Security.Cryptography;
using Karya.LocalServers;
using Karya.Node.Storage.Postgres;
using Npgsql;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>A schema of a test's own in the shared server; gone at the end of the test.</summary>
internal sealed class StoreSchema : IDisposable
{
    private readonly NpgsqlDataSource _source;

    public StoreSchema(string? connectionString = null)
    {
        ConnectionString = connectionString ?? PostgresServer.Shared.ConnectionString;
        Name = "karya_" + RandomNumberGenerator.GetHexString(12, lowercase: true);
        _source = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(ConnectionString)
        {
            SearchPath = Name,
            MaxPoolSize = 4,
        });
    }

    public string ConnectionString { get; }

    public string Name { get; }

    public PostgresSettings Settings => new(
        ConnectionString, Name, StreamCount: 1, TimeSpan.FromSeconds(5), TimeSpan.FromDays(7))
    {
        ReaderCount = 2,
    };

    /// <summary>The settings with another way to the same server.</summary>
    public PostgresSettings SettingsThrough(int port) => Settings with
    {
        ConnectionString = new NpgsqlConnectionStringBuilder(ConnectionString) { Port = port }.ConnectionString,
    };

    public int Change(string sql)
    {
        using var command = _source.CreateCommand(sql);
        return command.ExecuteNonQuery();
    }

    public long Read(string sql)
    {
        using var command = _source.CreateCommand(sql);
        return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    public NpgsqlConnection Connect() => _source.OpenConnection();

    public void Dispose()
    {
        Change($"DROP SCHEMA IF EXISTS {Name} CASCADE");
        _source.Dispose();
    }
}
