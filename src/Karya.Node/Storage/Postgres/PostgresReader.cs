using System.Text;
using Karya.Engine;
using Karya.Node.Plans;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// All questions to the tables. Any thread; each question takes a connection of the pool and is one statement, so one
/// snapshot: a plan that moves between the tables meanwhile is seen in one of them.
/// </summary>
/// <remarks>
/// A question for many rows first finds their keys in an index alone, already in order, and then fetches the rows one
/// by one. <c>LATERAL ... LIMIT 1</c> keeps it that way whatever the planner believes of the tables, and ends each
/// search in the first partition that has the row.
/// </remarks>
internal sealed class PostgresReader(NpgsqlDataSource source)
{
    /// <summary>An array of 16 KiB; few round trips for many, and a short wait for the first of them.</summary>
    private const int IdsPerQuestion = 1024;

    private const string PlanColumns =
        "id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body";

    private const string TaskColumns =
        """
        t.plan_id, t.occurrence, t.hook, t.occurrence_to, t.state, t.reason, t.created_ms, t.due_ms, t.started_ms,
        t.finished_ms, t.attempts, octet_length(t.result), t.failure
        """;

    private const string PlanSql =
        $"""
        SELECT {PlanColumns} FROM plans WHERE id = $1
        UNION ALL
        SELECT {PlanColumns} FROM plan_history WHERE id = $1 LIMIT 1
        """;

    private const string PlansSql =
        """
        SELECT plan.id, plan.memo, plan.body FROM unnest($1) AS wanted (id) CROSS JOIN LATERAL (
          SELECT id, memo, body FROM plans WHERE id = wanted.id
          UNION ALL
          SELECT id, memo, body FROM plan_history WHERE id = wanted.id LIMIT 1) AS plan
        """;

    // The walk goes through plans that have ended: what they started may go on. UNION ends it if it ever were a ring.
    // Of the ended ones only the first is wanted; those with open hooks are in plans. OFFSET 0 keeps it a walk by
    // index.
    private const string FamilySql =
        """
        WITH RECURSIVE family (id) AS (
          (SELECT id FROM plans WHERE id = $1 UNION ALL SELECT id FROM plan_history WHERE id = $1 LIMIT 1)
          UNION
          SELECT child.id FROM family CROSS JOIN LATERAL (
            SELECT id FROM plans WHERE parent_id = family.id
            UNION ALL
            SELECT id FROM plan_history WHERE parent_id = family.id OFFSET 0) AS child)
        SELECT plan.id, plan.memo, plan.body FROM family CROSS JOIN LATERAL (
          SELECT id, memo, body FROM plans
          WHERE id = family.id AND (id = $1 OR status < 2 OR wake_ms IS NOT NULL)
          UNION ALL
          SELECT id, memo, body FROM plan_history WHERE id = $1 AND family.id = $1 LIMIT 1) AS plan
        """;

    // The hash is what the index has.
    private const string UserSql =
        """
        SELECT id, name, created_ms FROM users
        WHERE sha256(name) = sha256($1) AND name = $1 ORDER BY created_ms, id LIMIT 1
        """;

    private const string PlansOfUserSql =
        $"""
        SELECT plan.* FROM (
          SELECT id FROM (
            SELECT id, user_id FROM plans UNION ALL SELECT id, user_id FROM plan_history) AS both_tables
          WHERE user_id = $1 ORDER BY id DESC LIMIT $3 OFFSET $2) AS found
        CROSS JOIN LATERAL (
          SELECT {PlanColumns} FROM plans WHERE id = found.id
          UNION ALL
          SELECT {PlanColumns} FROM plan_history WHERE id = found.id LIMIT 1) AS plan
        ORDER BY found.id DESC
        """;

    private const string PlansOfUserBelowSql =
        $"""
        SELECT plan.* FROM (
          SELECT id FROM (
            SELECT id, user_id FROM plans UNION ALL SELECT id, user_id FROM plan_history) AS both_tables
          WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3) AS found
        CROSS JOIN LATERAL (
          SELECT {PlanColumns} FROM plans WHERE id = found.id
          UNION ALL
          SELECT {PlanColumns} FROM plan_history WHERE id = found.id LIMIT 1) AS plan
        ORDER BY found.id DESC
        """;

    /// <summary>The bytes of the tasks that are inside a plan's row, as one more row that has nothing else.</summary>
    private const string InsideSql =
        """
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, tasks FROM plans
        WHERE id = $1 AND tasks IS NOT NULL
        UNION ALL
        SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, tasks FROM plan_history
        WHERE id = $1 AND tasks IS NOT NULL
        """;

    private const string TasksSql =
        $"""
        SELECT task.*, NULL::bytea FROM (
          SELECT occurrence, hook FROM task_history
          WHERE plan_id = $1 AND (occurrence, hook) < ($2, $3)
          ORDER BY occurrence DESC, hook DESC LIMIT $4) AS found
        CROSS JOIN LATERAL (
          SELECT {TaskColumns} FROM task_history AS t
          WHERE t.plan_id = $1 AND t.occurrence = found.occurrence AND t.hook = found.hook LIMIT 1) AS task
        {InsideSql}
        """;

    private const string TaskSql =
        $"""
        (SELECT {TaskColumns}, NULL::bytea FROM task_history AS t
         WHERE t.plan_id = $1 AND t.occurrence = $2 AND t.hook = $3 LIMIT 1)
        {InsideSql}
        """;

    // Those with a result are never inside their plan's row.
    private const string ResultSql =
        "SELECT result FROM task_history WHERE plan_id = $1 AND occurrence = $2 AND hook = $3 LIMIT 1";

    private const string ErrorsSql =
        """
        SELECT error.* FROM (
          SELECT occurrence, hook, attempt FROM errors
          WHERE plan_id = $1 AND (occurrence, hook, attempt) < ($2, $3, $4)
          ORDER BY occurrence DESC, hook DESC, attempt DESC LIMIT $5) AS found
        CROSS JOIN LATERAL (
          SELECT plan_id, occurrence, hook, attempt, at_ms, text, failure FROM errors
          WHERE plan_id = $1 AND occurrence = found.occurrence AND hook = found.hook AND attempt = found.attempt
          LIMIT 1) AS error
        ORDER BY found.occurrence DESC, found.hook DESC, found.attempt DESC
        """;

    private const string DeadSql =
        $"""
        SELECT task.*, NULL::bytea FROM (
          SELECT plan_id, occurrence, hook FROM task_history
          WHERE state = 3 AND (plan_id, occurrence, hook) < ($1, $2, $3)
          ORDER BY plan_id DESC, occurrence DESC, hook DESC LIMIT $4) AS found
        CROSS JOIN LATERAL (
          SELECT {TaskColumns} FROM task_history AS t
          WHERE t.state = 3
            AND t.plan_id = found.plan_id AND t.occurrence = found.occurrence AND t.hook = found.hook LIMIT 1) AS task
        ORDER BY found.plan_id DESC, found.occurrence DESC, found.hook DESC
        """;

    private static readonly TaskKey AboveAll = new(new PlanId(UInt128.MaxValue), long.MaxValue, int.MaxValue);

    /// <summary>The most urgent first, roughly; see <see cref="DueLoad"/>.</summary>
    public void LoadDue(long fromMs, long toMs, StoredPlanReader reader)
    {
        using var connection = source.OpenConnection();
        DueLoad.Run(connection, fromMs, toMs, reader);
    }

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader)
    {
        if (withDescendants)
            Ask(FamilySql, [Value(id)], rows => Load(rows, reader));
        else if (FindPlan(id) is { } plan)
            reader(plan.Id, plan.Memo, plan.Body);
    }

    /// <summary>Those that exist, each once for every time that it is named.</summary>
    public void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader)
    {
        foreach (var chunk in ids.Chunk(IdsPerQuestion))
        {
            var guids = Array.ConvertAll(chunk, id => id.ToGuid());
            Ask(PlansSql, [Value(guids)], rows => Load(rows, reader));
        }
    }

    public UserView? FindUser(string name) => Ask(
        UserSql,
        [Value(Encoding.UTF8.GetBytes(name))],
        rows => rows.Read() ? new UserView(UserId.From(rows.GetGuid(0)), Text(rows, 1), rows.GetInt64(2)) : null);

    /// <summary>How many plans a user has; null when there is no such user.</summary>
    public long? CountPlans(UserId user) => Ask(
        "SELECT plan_count FROM users WHERE id = $1",
        [Value(user.ToGuid())],
        rows => rows.Read() ? rows.GetInt64(0) : (long?)null);

    public StoredPlan? FindPlan(PlanId id) => Ask(PlanSql, [Value(id)], rows => rows.Read() ? ReadPlan(rows) : null);

    public List<StoredPlan> ListPlans(UserId user, int skip, int take) => Ask(
        PlansOfUserSql,
        [Value(user.ToGuid()), Value((long)skip), Value((long)take)],
        rows => ReadAll(rows, ReadPlan));

    public List<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take) => Ask(
        PlansOfUserBelowSql,
        [Value(user.ToGuid()), Value(below ?? AboveAll.Plan), Value((long)take)],
        rows => ReadAll(rows, ReadPlan));

    public List<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take)
    {
        var end = below ?? (AboveAll.Occurrence, AboveAll.Hook);
        var tasks = Ask(
            TasksSql,
            [Value(id), Value(end.Occurrence), Value(end.Hook), Value((long)take)],
            rows => ReadTasks(rows, id));
        tasks.RemoveAll(task => OrderOf(task).CompareTo(end) >= 0); // Of those inside the plan all have come.
        tasks.Sort((left, right) => OrderOf(right).CompareTo(OrderOf(left)));
        tasks.RemoveRange(Math.Min(take, tasks.Count), Math.Max(tasks.Count - take, 0));
        return tasks;
    }

    public List<StoredError> ListErrorsBelow(PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take)
    {
        var (occurrence, hook, attempt) = below ?? (AboveAll.Occurrence, AboveAll.Hook, int.MaxValue);
        return Ask(
            ErrorsSql,
            [Value(id), Value(occurrence), Value(hook), Value(attempt), Value((long)take)],
            rows => ReadAll(
                rows, row => new StoredError(
                    ReadKey(row), row.GetInt32(3), row.GetInt64(4), Text(row, 5), (FailureClass)row.GetInt16(6))));
    }

    public byte[]? FindResult(TaskKey key) => Ask(
        ResultSql,
        [Value(key.Plan), Value(key.Occurrence), Value(key.Hook)],
        rows => rows.Read() && !rows.IsDBNull(0) ? Bytes(rows, 0) : null);

    public StoredTask? FindTask(TaskKey key)
    {
        var tasks = Ask(
            TaskSql,
            [Value(key.Plan), Value(key.Occurrence), Value(key.Hook)],
            rows => ReadTasks(rows, key.Plan));
        foreach (var task in tasks)
        {
            if (task.Key == key)
                return task;
        }

        return null;
    }

    public List<StoredTask> ListDead(TaskKey? below, int take)
    {
        var end = below ?? AboveAll;
        return Ask(
            DeadSql,
            [Value(end.Plan), Value(end.Occurrence), Value(end.Hook), Value((long)take)],
            rows => ReadTasks(rows, PlanId.None));
    }

    public void Ping() => Ask("SELECT 1", [], rows => rows.Read());

    private T Ask<T>(string sql, NpgsqlParameter[] parameters, Func<NpgsqlDataReader, T> answer)
    {
        using var connection = source.OpenConnection();
        using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        using var rows = command.ExecuteReader();
        return answer(rows);
    }

    private static NpgsqlParameter<T> Value<T>(T value) => new() { TypedValue = value };

    private static NpgsqlParameter<Guid> Value(PlanId id) => Value(id.ToGuid());

    private static bool Load(NpgsqlDataReader rows, StoredPlanReader reader)
    {
        while (rows.Read())
            reader(PlanId.From(rows.GetGuid(0)), Bytes(rows, 1), Bytes(rows, 2));
        return true;
    }

    private static List<T> ReadAll<T>(NpgsqlDataReader rows, Func<NpgsqlDataReader, T> read)
    {
        var all = new List<T>();
        while (rows.Read())
            all.Add(read(rows));
        return all;
    }

    private static StoredPlan ReadPlan(NpgsqlDataReader row) => new(
        PlanId.From(row.GetGuid(0)),
        UserId.From(row.GetGuid(1)),
        row.IsDBNull(2) ? PlanId.None : PlanId.From(row.GetGuid(2)),
        row.GetInt32(3),
        (PlanState)row.GetInt16(4),
        row.GetInt64(5),
        row.GetInt64(6),
        Bytes(row, 7),
        Bytes(row, 8));

    private static TaskKey ReadKey(NpgsqlDataReader row) =>
        new(PlanId.From(row.GetGuid(0)), row.GetInt64(1), row.GetInt32(2));

    /// <summary>Rows of tasks, and rows with the bytes of a plan's tasks. In no particular order.</summary>
    private static List<StoredTask> ReadTasks(NpgsqlDataReader rows, PlanId plan)
    {
        var tasks = new List<StoredTask>();
        while (rows.Read())
        {
            if (rows.IsDBNull(0))
                TaskBytes.Read(plan, Bytes(rows, 13), tasks);
            else
                tasks.Add(ReadTask(rows));
        }

        return tasks;
    }

    private static StoredTask ReadTask(NpgsqlDataReader row) => new(
        ReadKey(row),
        StoredStates.Read(row.GetInt16(4)),
        (SkipReason)row.GetInt16(5),
        OccurrenceTo: row.GetInt64(3),
        CreatedMs: row.GetInt64(6),
        DueMs: row.GetInt64(7),
        StartedMs: row.GetInt64(8),
        FinishedMs: row.GetInt64(9),
        Attempts: row.GetInt32(10),
        ResultBytes: row.IsDBNull(11) ? null : row.GetInt32(11))
    {
        Failure = (FailureClass)row.GetInt16(12),
    };

    private static (long Occurrence, int Hook) OrderOf(StoredTask task) => (task.Key.Occurrence, task.Key.Hook);

    private static byte[] Bytes(NpgsqlDataReader row, int column) => row.GetFieldValue<byte[]>(column);

    /// <summary>Bytes that are no UTF-8 become marks; they must not hide the rest.</summary>
    private static string Text(NpgsqlDataReader row, int column) => Encoding.UTF8.GetString(Bytes(row, column));
}
