using Karya.Engine;
using Karya.Engine.Journal;
using Npgsql;
using NpgsqlTypes;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// What a batch changes of rows that are there: by array parameters, one statement per kind. Inside the projection's
/// transaction; one thread.
/// </summary>
/// <remarks>
/// The variable parts of all rows are one parameter, and arrays say where each row's part is: the bytes go over as they
/// lie in memory.
/// </remarks>
internal sealed class ProjectionUpdates
{
    private const string Columns = "AS b (id, status, updated_ms, wake_ms, memo_at, memo_bytes, tasks_at, tasks_bytes)";

    private const string RowsSql = $"unnest($1, $2, $3, $4, $5, $6, $7, $8) {Columns}";

    private const string MemoSql = "substring($9 FROM b.memo_at FOR b.memo_bytes)";

    // An empty list of tasks stays null.
    private const string TasksSql =
        "nullif(coalesce(p.tasks, ''::bytea) || substring($9 FROM b.tasks_at FOR b.tasks_bytes), ''::bytea)";

    private const string UpdateSql =
        $"""
        UPDATE plans p
        SET status = b.status, updated_ms = b.updated_ms, wake_ms = nullif(b.wake_ms, -1), memo = {MemoSql}
        FROM {RowsSql} WHERE p.id = b.id
        """;

    private const string MoveSql =
        $"""
        WITH gone AS (
          DELETE FROM plans p USING {RowsSql} WHERE p.id = b.id
          RETURNING p.id, p.user_id, p.parent_id, p.partition, b.status, p.created_ms, b.updated_ms, {MemoSql} AS memo,
            p.body, {TasksSql} AS tasks)
        INSERT INTO plan_history (
          id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body, tasks)
        SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body, tasks FROM gone
        """;

    // Not the rows that this transaction has just moved there.
    private const string UpdateHistorySql =
        $"""
        UPDATE plan_history p SET status = b.status, updated_ms = b.updated_ms, memo = {MemoSql}, tasks = {TasksSql}
        FROM {RowsSql} WHERE p.id = b.id AND p.xmin <> pg_current_xact_id()::xid
        """;

    private const string ReviveSql =
        """
        WITH gone AS (
          DELETE FROM plan_history p USING unnest($1) AS b (id) WHERE p.id = b.id
          RETURNING p.id, p.user_id, p.parent_id, p.partition, p.status, p.created_ms, p.updated_ms, p.memo, p.body,
            p.tasks)
        INSERT INTO plans (id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body, tasks)
        SELECT id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body, tasks FROM gone
        """;

    private const string BodiesSql =
        """
        UPDATE plans p SET body = substring($4 FROM b.body_at FOR b.body_bytes)
        FROM unnest($1, $2, $3) AS b (id, body_at, body_bytes) WHERE p.id = b.id
        """;

    private const string ReplacedSql =
        """
        DELETE FROM task_history t USING unnest($1, $2, $3) AS b (plan_id, occurrence, hook)
        WHERE t.plan_id = b.plan_id AND t.occurrence = b.occurrence AND t.hook = b.hook
        """;

    private const string CountSql =
        "UPDATE users u SET plan_count = plan_count + b.added FROM unnest($1, $2) AS b (id, added) WHERE u.id = b.id";

    private readonly List<Guid> _ids = [];
    private readonly List<short> _states = [];
    private readonly List<long> _updated = [];
    private readonly List<long> _wakes = [];
    private readonly List<int> _memoStarts = [];
    private readonly List<int> _memoBytes = [];
    private readonly List<int> _taskStarts = [];
    private readonly List<int> _taskBytes = [];
    private readonly ByteWriter _bytes = new();

    /// <summary>Removes the older rows of tasks that were replayed.</summary>
    public void RemoveReplaced(NpgsqlConnection connection, ProjectionBatch batch, List<int> tasks)
    {
        var keys = tasks.ConvertAll(index => batch.Tasks.Span[index].Key);
        using var command = new NpgsqlCommand(ReplacedSql, connection);
        command.Parameters.Add(Lists.OfUuid(keys.ConvertAll(key => key.Plan.ToGuid())));
        command.Parameters.Add(Lists.OfInt64(keys.ConvertAll(key => key.Occurrence)));
        command.Parameters.Add(Lists.OfInt32(keys.ConvertAll(key => key.Hook)));
        command.ExecuteNonQuery();
    }

    public void Write(NpgsqlConnection connection, ProjectionBatch batch, ProjectionSorter sorter)
    {
        WriteBodies(connection, batch, sorter.Changed, sorter.Ended);
        if (sorter.Changed.Count > 0)
        {
            Fill(batch, sorter, sorter.Changed);
            if (Run(connection, UpdateSql) < sorter.Changed.Count)
                Revive(connection);
        }

        if (sorter.Ended.Count > 0)
        {
            Fill(batch, sorter, sorter.Ended);
            if (Run(connection, MoveSql) < sorter.Ended.Count)
                Run(connection, UpdateHistorySql); // Ended before, and changed all the same: cancelled, say.
        }

        if (sorter.Added.Count > 0)
            Count(connection, sorter.Added);
    }

    /// <summary>Some had ended, and a dead letter of theirs was replayed: they are among the plans again.</summary>
    private void Revive(NpgsqlConnection connection)
    {
        using (var command = new NpgsqlCommand(ReviveSql, connection))
        {
            command.Parameters.Add(Lists.OfUuid(_ids));
            command.ExecuteNonQuery();
        }

        Run(connection, UpdateSql); // Of those that were there, once more: it says the same.
    }

    private void Fill(ProjectionBatch batch, ProjectionSorter sorter, List<int> rows)
    {
        Clear();
        foreach (int index in rows)
        {
            ref readonly var plan = ref batch.Plans.Span[index];
            _ids.Add(plan.Id.ToGuid());
            _states.Add((short)plan.State);
            _updated.Add(plan.UpdatedMs);
            _wakes.Add(plan.WakeMs == PlanSpec.NoEnd ? -1 : plan.WakeMs);
            Add(batch.Slice(plan.Memo), _memoStarts, _memoBytes);
            var inside = sorter.Inside[index];
            Add(sorter.InsideBytes.Slice(inside.Offset, inside.Length), _taskStarts, _taskBytes);
        }
    }

    private void WriteBodies(
        NpgsqlConnection connection, ProjectionBatch batch, List<int> changed, List<int> ended)
    {
        Clear();
        foreach (int index in changed.Concat(ended))
        {
            ref readonly var plan = ref batch.Plans.Span[index];
            if (!plan.HasBody)
                continue;
            _ids.Add(plan.Id.ToGuid());
            Add(batch.Slice(plan.Body), _memoStarts, _memoBytes);
        }

        if (_ids.Count == 0)
            return;
        using var command = new NpgsqlCommand(BodiesSql, connection);
        command.Parameters.Add(Lists.OfUuid(_ids));
        command.Parameters.Add(Lists.OfInt32(_memoStarts));
        command.Parameters.Add(Lists.OfInt32(_memoBytes));
        command.Parameters.Add(AllBytes());
        command.ExecuteNonQuery();
    }

    private static void Count(NpgsqlConnection connection, IReadOnlyDictionary<UserId, int> added)
    {
        // In one order everywhere, so that two writers never wait for each other in a ring.
        var users = added.OrderBy(user => user.Key.Value).ToList();
        using var command = new NpgsqlCommand(CountSql, connection);
        command.Parameters.Add(Lists.OfUuid(users.ConvertAll(user => user.Key.ToGuid())));
        command.Parameters.Add(Lists.OfInt32(users.ConvertAll(user => user.Value)));
        command.ExecuteNonQuery();
    }

    private int Run(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.Add(Lists.OfUuid(_ids));
        command.Parameters.Add(Lists.OfInt16(_states));
        command.Parameters.Add(Lists.OfInt64(_updated));
        command.Parameters.Add(Lists.OfInt64(_wakes));
        command.Parameters.Add(Lists.OfInt32(_memoStarts));
        command.Parameters.Add(Lists.OfInt32(_memoBytes));
        command.Parameters.Add(Lists.OfInt32(_taskStarts));
        command.Parameters.Add(Lists.OfInt32(_taskBytes));
        command.Parameters.Add(AllBytes());
        return command.ExecuteNonQuery();
    }

    private NpgsqlParameter<ReadOnlyMemory<byte>> AllBytes() =>
        new() { TypedValue = _bytes.WrittenMemory, NpgsqlDbType = NpgsqlDbType.Bytea };

    /// <summary>Positions count from 1 in SQL.</summary>
    private void Add(ReadOnlySpan<byte> part, List<int> starts, List<int> lengths)
    {
        starts.Add(_bytes.Length + 1);
        lengths.Add(part.Length);
        _bytes.Write(part);
    }

    private void Clear()
    {
        _ids.Clear();
        _states.Clear();
        _updated.Clear();
        _wakes.Clear();
        _memoStarts.Clear();
        _memoBytes.Clear();
        _taskStarts.Clear();
        _taskBytes.Clear();
        _bytes.Clear();
    }
}
