using Npgsql;

namespace Karya.Node.Tests.Joined;

/// <summary>A client that takes every connection a server has. Disposing it lets them go.</summary>
internal sealed class ConnectionHog(string connectionString) : IDisposable
{
    private readonly string _connectionString = connectionString + ";Pooling=false;Application Name=hog";
    private readonly List<NpgsqlConnection> _connections = [];

    /// <summary>Ends the sessions of an application, and takes their places before they come back.</summary>
    public void TakeAll(string from)
    {
        TakeFree();
        while (EndAll(from) > 0)
            TakeFree();
    }

    public void Dispose()
    {
        foreach (var connection in _connections)
            connection.Dispose();
    }

    private void TakeFree()
    {
        while (true)
        {
            var connection = new NpgsqlConnection(_connectionString);
            try
            {
                connection.Open();
                _connections.Add(connection);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.TooManyConnections)
            {
                connection.Dispose();
                return;
            }
        }
    }

    private long EndAll(string application)
    {
        using var command = new NpgsqlCommand(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name = $1",
            _connections[0]);
        command.Parameters.AddWithValue(application);
        return (long)command.ExecuteScalar()!;
    }
}
