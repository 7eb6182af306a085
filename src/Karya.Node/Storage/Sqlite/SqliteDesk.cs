using Karya.Engine;

namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// Rare writes that people ask for: users, dropped dead letters, operations. Used inside the <see cref="WriteGate"/>,
/// in a transaction that the caller has begun.
/// </summary>
internal sealed class SqliteDesk(SqliteDatabase database)
{
    private readonly SqliteStatement _addUser = database.Prepare(
        "INSERT INTO users (id, name, created_ms) VALUES (?1, CAST(?2 AS TEXT), ?3) ON CONFLICT (id) DO NOTHING");

    private readonly SqliteStatement _dropDead = database.Prepare(
        "UPDATE tasks SET state = 6 WHERE plan_id = ?1 AND occurrence = ?2 AND hook = ?3 AND state = 3");

    private readonly SqliteStatement _putOperation = database.Prepare(
        """
        INSERT INTO operations (id, running, stop, version, updated_ms, body) VALUES (?1, ?2, ?3, ?4 + 1, ?5, ?6)
        ON CONFLICT (id) DO UPDATE SET
          running = ?2, stop = max(stop, ?3), version = version + 1, updated_ms = ?5, body = ?6
        WHERE version = ?4
        RETURNING id, running, stop, version, updated_ms, body
        """);

    private readonly SqliteStatement _stopOperation = database.Prepare(
        "UPDATE operations SET stop = 1 WHERE id = ?1 RETURNING id, running, stop, version, updated_ms, body");

    public void AddUser(UserId id, ReadOnlySpan<byte> name, long createdMs) =>
        _addUser.Bind(1, id.Value).Bind(2, name).Bind(3, createdMs).Run();

    public int DropDead(IReadOnlyCollection<TaskKey> keys)
    {
        int dropped = 0;
        foreach (var key in keys)
        {
            _dropDead.Bind(1, key).Run();
            dropped += database.Changes;
        }

        return dropped;
    }

    public StoredOperation? PutOperation(StoredOperation operation) => Read(_putOperation
        .Bind(1, Uuid.ToNumber(operation.Id))
        .Bind(2, operation.IsRunning ? 1 : 0)
        .Bind(3, operation.IsStopAsked ? 1 : 0)
        .Bind(4, operation.Version)
        .Bind(5, operation.UpdatedMs)
        .Bind(6, operation.Body));

    public StoredOperation? StopOperation(Guid id) => Read(_stopOperation.Bind(1, Uuid.ToNumber(id)));

    private static StoredOperation? Read(SqliteStatement statement)
    {
        StoredOperation? operation = null;
        while (statement.Step())
            operation = SqliteReader.ReadOperation(statement);
        return operation;
    }
}
