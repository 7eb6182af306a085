using Karya.Engine;
using Karya.Node.Plans;
using Microsoft.Data.Sqlite;

namespace Karya.Node.Storage.Sqlite;

/// <summary>One read-only connection with the statements of all questions. One thread at a time.</summary>
internal sealed class SqliteReader : IDisposable
{
    /// <summary>Few rows per question; what is read often is in the operating system's cache as well.</summary>
    private const int CacheKib = 4 * 1024;

    private const string PlanColumns =
        "id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body FROM plans";

    private const string TaskColumns =
        """
        plan_id, occurrence, hook, occurrence_to, state, reason, created_ms, due_ms, started_ms, finished_ms, attempts,
        length(result), CASE WHEN state IN (3, 6) THEN failure ELSE 0 END
        FROM tasks
        """;

    // The walk goes through plans that have ended: what they started may go on. UNION ends it if it ever were a ring.
    private const string FamilySql =
        """
        WITH RECURSIVE family (id) AS (
          SELECT id FROM plans WHERE id = ?1
          UNION
          SELECT child.id FROM family JOIN plans AS child ON child.parent_id = family.id)
        SELECT plans.id, memo, body FROM family JOIN plans ON plans.id = family.id
        WHERE plans.id = ?1 OR status < 2 OR wake_ms IS NOT NULL
        """;

    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _journal;
    private readonly SqliteStatement _due;
    private readonly SqliteStatement _plan;
    private readonly SqliteStatement _family;
    private readonly SqliteStatement _userByName;
    private readonly SqliteStatement _userById;
    private readonly SqliteStatement _plansOfUser;
    private readonly SqliteStatement _plansOfUserBelow;
    private readonly SqliteStatement _tasks;
    private readonly SqliteStatement _errors;
    private readonly SqliteStatement _task;
    private readonly SqliteStatement _result;
    private readonly SqliteStatement _dead;
    private readonly SqliteStatement _operation;
    private readonly SqliteStatement _operations;
    private readonly SqliteStatement _ping;

    public SqliteReader(string path)
    {
        _database = SqliteDatabase.Open(path, SqliteOpenMode.ReadOnly, CacheKib);
        _journal = _database.Prepare("SELECT body FROM journal ORDER BY id");
        _due = _database.Prepare(
            "SELECT id, memo, body FROM plans WHERE wake_ms >= ?1 AND wake_ms < ?2 ORDER BY wake_ms");
        _plan = _database.Prepare($"SELECT {PlanColumns} WHERE id = ?1");
        _family = _database.Prepare(FamilySql);
        _userByName = _database.Prepare(
            "SELECT id, name, created_ms FROM users WHERE name = CAST(?1 AS TEXT) ORDER BY created_ms, id LIMIT 1");
        _userById = _database.Prepare("SELECT plan_count FROM users WHERE id = ?1");
        _plansOfUser = _database.Prepare(
            $"SELECT {PlanColumns} WHERE user_id = ?1 ORDER BY id DESC LIMIT ?3 OFFSET ?2");
        _plansOfUserBelow = _database.Prepare(
            $"SELECT {PlanColumns} WHERE user_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3");
        _tasks = _database.Prepare(
            $"""
            SELECT {TaskColumns} WHERE plan_id = ?1 AND (occurrence, hook) < (?2, ?3) AND state >= 2
            ORDER BY occurrence DESC, hook DESC LIMIT ?4
            """);
        _errors = _database.Prepare(
            """
            SELECT plan_id, occurrence, hook, attempt, at_ms, text, failure FROM errors
            WHERE plan_id = ?1 AND (occurrence, hook, attempt) < (?2, ?3, ?4)
            ORDER BY occurrence DESC, hook DESC, attempt DESC LIMIT ?5
            """);
        _task = _database.Prepare(
            $"SELECT {TaskColumns} WHERE plan_id = ?1 AND occurrence = ?2 AND hook = ?3 AND state >= 2");
        _result = _database.Prepare(
            "SELECT result FROM tasks WHERE plan_id = ?1 AND occurrence = ?2 AND hook = ?3 AND state >= 2");

        // The planner does not see that the index is the shorter way, as the table has the same order.
        _dead = _database.Prepare(
            $"""
            SELECT {TaskColumns} INDEXED BY tasks_dead
            WHERE state = 3 AND (plan_id, occurrence, hook) < (?1, ?2, ?3)
            ORDER BY plan_id DESC, occurrence DESC, hook DESC LIMIT ?4
            """);
        _operation = _database.Prepare(
            "SELECT id, running, stop, version, updated_ms, body FROM operations WHERE id = ?1");
        _operations = _database.Prepare(
            """
            SELECT id, running, stop, version, updated_ms, body FROM operations
            ORDER BY running DESC, updated_ms DESC, id DESC LIMIT ?1
            """);
        _ping = _database.Prepare("SELECT value FROM meta WHERE key = 'schema'");
    }

    public void ReadJournal(JournalRowReader reader)
    {
        using var rows = new Scope(_journal);
        while (_journal.Step())
            reader(_journal.Bytes(0));
    }

    /// <summary>The most urgent first.</summary>
    public void LoadDue(long fromMs, long toMs, StoredPlanReader reader) =>
        Load(_due.Bind(1, fromMs).Bind(2, toMs), reader);

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader)
    {
        if (withDescendants)
            Load(_family.Bind(1, id.Value), reader);
        else if (FindPlan(id) is { } plan)
            reader(plan.Id, plan.Memo, plan.Body);
    }

    public UserView? FindUser(byte[] name)
    {
        using var rows = new Scope(_userByName.Bind(1, name));
        return _userByName.Step()
            ? new UserView(new UserId(_userByName.Key(0)), _userByName.Text(1), _userByName.Int64(2))
            : null;
    }

    /// <summary>How many plans a user has; null when there is no such user.</summary>
    public long? CountPlans(UserId user)
    {
        using var rows = new Scope(_userById.Bind(1, user.Value));
        return _userById.Step() ? _userById.Int64(0) : null;
    }

    public StoredPlan? FindPlan(PlanId id)
    {
        using var rows = new Scope(_plan.Bind(1, id.Value));
        return _plan.Step() ? ReadPlan(_plan) : null;
    }

    public List<StoredPlan> ListPlans(UserId user, int skip, int take) =>
        ReadPlans(_plansOfUser.Bind(1, user.Value).Bind(2, skip).Bind(3, take));

    public List<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take) =>
        ReadPlans(_plansOfUserBelow.Bind(1, user.Value).Bind(2, below?.Value ?? UInt128.MaxValue).Bind(3, take));

    public List<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take)
    {
        var (occurrence, hook) = below ?? (long.MaxValue, int.MaxValue);
        return ReadTasks(_tasks.Bind(1, id.Value).Bind(2, occurrence).Bind(3, hook).Bind(4, take));
    }

    public List<StoredError> ListErrorsBelow(PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take)
    {
        var (occurrence, hook, attempt) = below ?? (long.MaxValue, int.MaxValue, int.MaxValue);
        var errors = new List<StoredError>();
        _errors.Bind(1, id.Value).Bind(2, occurrence).Bind(3, hook).Bind(4, attempt).Bind(5, take);
        using var rows = new Scope(_errors);
        while (_errors.Step())
        {
            errors.Add(new StoredError(
                ReadKey(_errors), _errors.Int32(3), _errors.Int64(4), _errors.Text(5),
                (FailureClass)_errors.Int32(6)));
        }

        return errors;
    }

    public StoredTask? FindTask(TaskKey key)
    {
        var tasks = ReadTasks(_task.Bind(1, key));
        return tasks.Count > 0 ? tasks[0] : null;
    }

    public byte[]? FindResult(TaskKey key)
    {
        using var rows = new Scope(_result.Bind(1, key));
        return _result.Step() && !_result.IsNull(0) ? _result.Bytes(0).ToArray() : null;
    }

    public List<StoredTask> ListDead(TaskKey? below, int take)
    {
        var end = below ?? new TaskKey(new PlanId(UInt128.MaxValue), long.MaxValue, int.MaxValue);
        return ReadTasks(_dead.Bind(1, end).Bind(4, take));
    }

    public StoredOperation? FindOperation(Guid id)
    {
        var found = ReadOperations(_operation.Bind(1, Uuid.ToNumber(id)));
        return found.Count > 0 ? found[0] : null;
    }

    public List<StoredOperation> ListOperations(int take) => ReadOperations(_operations.Bind(1, take));

    public void Ping() => _ping.Run();

    public void Dispose() => _database.Dispose();

    private static void Load(SqliteStatement statement, StoredPlanReader reader)
    {
        using var rows = new Scope(statement);
        while (statement.Step())
            reader(new PlanId(statement.Key(0)), statement.Bytes(1), statement.Bytes(2));
    }

    private static List<StoredPlan> ReadPlans(SqliteStatement statement)
    {
        var plans = new List<StoredPlan>();
        using var rows = new Scope(statement);
        while (statement.Step())
            plans.Add(ReadPlan(statement));
        return plans;
    }

    private static StoredPlan ReadPlan(SqliteStatement row) => new(
        new PlanId(row.Key(0)),
        new UserId(row.Key(1)),
        new PlanId(row.Key(2)),
        row.Int32(3),
        (PlanState)row.Int32(4),
        row.Int64(5),
        row.Int64(6),
        row.Bytes(7).ToArray(),
        row.Bytes(8).ToArray());

    private static TaskKey ReadKey(SqliteStatement row) => new(new PlanId(row.Key(0)), row.Int64(1), row.Int32(2));

    private static List<StoredTask> ReadTasks(SqliteStatement statement)
    {
        var tasks = new List<StoredTask>();
        using var rows = new Scope(statement);
        while (statement.Step())
        {
            tasks.Add(new StoredTask(
                ReadKey(statement),
                StoredStates.Read(statement.Int32(4)),
                (SkipReason)statement.Int32(5),
                OccurrenceTo: statement.Int64(3),
                CreatedMs: statement.Int64(6),
                DueMs: statement.Int64(7),
                StartedMs: statement.Int64(8),
                FinishedMs: statement.Int64(9),
                Attempts: statement.Int32(10),
                ResultBytes: statement.IsNull(11) ? null : statement.Int32(11))
            {
                Failure = (FailureClass)statement.Int32(12),
            });
        }

        return tasks;
    }

    private static List<StoredOperation> ReadOperations(SqliteStatement statement)
    {
        var operations = new List<StoredOperation>();
        using var rows = new Scope(statement);
        while (statement.Step())
            operations.Add(ReadOperation(statement));
        return operations;
    }

    /// <summary>id, running, stop, version, updated_ms, body.</summary>
    public static StoredOperation ReadOperation(SqliteStatement row) => new(
        Uuid.ToGuid(row.Key(0)), row.Int32(1) == 1, row.Int32(2) == 1, row.Int64(3), row.Int64(4),
        row.Bytes(5).ToArray());

    /// <summary>
    /// Ends a question whatever happens in it. A statement left in the middle would hold its snapshot, and the
    /// write-ahead log could never start over.
    /// </summary>
    private readonly ref struct Scope(SqliteStatement statement)
    {
        public void Dispose() => statement.Reset();
    }
}
