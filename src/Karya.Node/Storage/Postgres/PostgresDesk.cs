using System.Text;
using Karya.Engine;
using Karya.Node.Plans;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// What people ask for and is rare: users to add, dead letters to drop, operations. Any thread; each is one statement
/// on a connection of the pool.
/// </summary>
internal sealed class PostgresDesk(NpgsqlDataSource source)
{
    private const string OperationColumns = "id, running, stop, version, updated_ms, body";

    private const string DropSql =
        """
        UPDATE task_history t SET state = 6 FROM unnest($1, $2, $3) AS b (plan_id, occurrence, hook)
        WHERE t.plan_id = b.plan_id AND t.occurrence = b.occurrence AND t.hook = b.hook AND t.state = 3
        """;

    private const string PutSql =
        $"""
        INSERT INTO operations AS o ({OperationColumns}) VALUES ($1, $2, $3, $4 + 1, $5, $6)
        ON CONFLICT (id) DO UPDATE SET
          running = $2, stop = o.stop OR $3, version = o.version + 1, updated_ms = $5, body = $6
        WHERE o.version = $4
        RETURNING {OperationColumns}
        """;

    public bool AddUser(UserView user)
    {
        using var command = Command(
            "INSERT INTO users (id, name, created_ms) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
            user.Id.ToGuid(), Encoding.UTF8.GetBytes(user.Name), user.CreatedMs);
        return command.ExecuteNonQuery() > 0;
    }

    public int DropDead(IReadOnlyCollection<TaskKey> keys)
    {
        var all = keys.ToList();
        using var command = Command(DropSql);
        command.Parameters.Add(Lists.OfUuid(all.ConvertAll(key => key.Plan.ToGuid())));
        command.Parameters.Add(Lists.OfInt64(all.ConvertAll(key => key.Occurrence)));
        command.Parameters.Add(Lists.OfInt32(all.ConvertAll(key => key.Hook)));
        return command.ExecuteNonQuery();
    }

    public StoredOperation? PutOperation(StoredOperation operation) => First(Ask(
        PutSql, operation.Id, operation.IsRunning, operation.IsStopAsked, operation.Version, operation.UpdatedMs,
        operation.Body));

    public StoredOperation? StopOperation(Guid id) => First(Ask(
        $"UPDATE operations SET stop = true WHERE id = $1 RETURNING {OperationColumns}", id));

    public StoredOperation? FindOperation(Guid id) => First(Ask(
        $"SELECT {OperationColumns} FROM operations WHERE id = $1", id));

    public List<StoredOperation> ListOperations(int take) => Ask(
        $"SELECT {OperationColumns} FROM operations ORDER BY running DESC, updated_ms DESC, id DESC LIMIT $1",
        (long)take);

    private static StoredOperation? First(List<StoredOperation> found) => found.Count > 0 ? found[0] : null;

    private List<StoredOperation> Ask(string sql, params object[] values)
    {
        var operations = new List<StoredOperation>();
        using var command = Command(sql, values);
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            operations.Add(new StoredOperation(
                rows.GetGuid(0), rows.GetBoolean(1), rows.GetBoolean(2), rows.GetInt64(3), rows.GetInt64(4),
                rows.GetFieldValue<byte[]>(5)));
        }

        return operations;
    }

    private NpgsqlCommand Command(string sql, params object[] values)
    {
        var command = source.CreateCommand(sql);
        foreach (object value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        return command;
    }
}
