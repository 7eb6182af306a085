using Npgsql;

namespace Karya.Chaos;

/// <summary>A partition got another owner, or its owner let it go.</summary>
internal readonly record struct LeaseChange(int Partition, long Epoch, string Owner, bool IsReleased, long AtMs);

/// <summary>What became of every lease, written down by the database itself, on a way that no fault is on.</summary>
internal sealed class LeaseLog(string connectionString)
{
    private const string Setup =
        """
        CREATE TABLE lease_log (
          n bigint GENERATED ALWAYS AS IDENTITY, partition integer, epoch bigint, owner text, released boolean,
          at_ms bigint);
        CREATE FUNCTION log_lease() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO lease_log (partition, epoch, owner, released, at_ms)
          VALUES (NEW.partition, NEW.epoch, NEW.owner, NEW.released,
            (extract(epoch FROM clock_timestamp()) * 1000)::bigint);
          RETURN NEW;
        END $$;
        CREATE TRIGGER log_lease AFTER UPDATE ON partition_lease FOR EACH ROW
        WHEN (OLD.epoch IS DISTINCT FROM NEW.epoch OR OLD.released IS DISTINCT FROM NEW.released)
        EXECUTE FUNCTION log_lease();
        INSERT INTO lease_log (partition, epoch, owner, released, at_ms)
        SELECT partition, epoch, owner, released, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        FROM partition_lease;
        """;

    public Task BeginAsync() => ExecuteAsync(Setup);

    /// <summary>As whom a node holds leases, which it says once it has joined.</summary>
    public async Task<string> OwnerAtAsync(Uri http)
    {
        await using var connection = await OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT owner FROM cluster_node WHERE rtrim(http, '/') = $1";
        command.Parameters.AddWithValue(http.ToString().TrimEnd('/'));
        for (int i = 0; i < 500; i++)
        {
            if ((string?)await command.ExecuteScalarAsync() is { } owner)
                return owner;
            await Task.Delay(20, CancellationToken.None); // What it waits for is in another process.
        }

        throw new InvalidOperationException($"The node at {http} has not joined.");
    }

    /// <summary>How many partitions each owner has.</summary>
    public async Task<Dictionary<string, int>> CountAsync()
    {
        await using var connection = await OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT owner, count(*)::integer FROM partition_lease WHERE NOT released GROUP BY owner";
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            counts.Add(reader.GetString(0), reader.GetInt32(1));
        return counts;
    }

    /// <summary>By partition.</summary>
    public async Task<IReadOnlyList<long>> EpochsAsync()
    {
        await using var connection = await OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT epoch FROM partition_lease ORDER BY partition";
        var epochs = new List<long>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            epochs.Add(reader.GetInt64(0));
        return epochs;
    }

    public async Task<IReadOnlyList<LeaseChange>> ReadAsync()
    {
        await using var connection = await OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = "SELECT partition, epoch, owner, released, at_ms FROM lease_log ORDER BY n";
        var changes = new List<LeaseChange>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            changes.Add(new LeaseChange(
                reader.GetInt32(0), reader.GetInt64(1), reader.GetString(2), reader.GetBoolean(3),
                reader.GetInt64(4)));
        }

        return changes;
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = await OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync();
    }

    private async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        return connection;
    }
}
