namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// Removes history that is old enough. Used inside the <see cref="WriteGate"/>, a bounded number of rows at a time.
/// </summary>
/// <remarks>
/// Two small indexes lead to what can go, so that nothing is scanned: ended plans by the instant of their end, and
/// tasks by theirs. An ended plan stays while plans that it started are stored, as cancelling it walks through to
/// them. Such plans would be looked at again and again, so the walk goes round: it goes on behind the last plan it
/// saw, and starts over at the end. A round in which nothing went means that nothing is left.
/// </remarks>
internal sealed class SqliteHistory
{
    private readonly SqliteDatabase _database;
    private readonly SqliteWriter _writer;
    private readonly SqliteStatement _endedPlans;
    private readonly SqliteStatement _oldTasks;
    private readonly SqliteStatement _removeTasks;
    private readonly SqliteStatement _removeErrors;
    private readonly SqliteStatement _removePlan;
    private readonly SqliteStatement _removeTasksUpTo;
    private readonly SqliteStatement _removeErrorsUpTo;
    private readonly SqliteStatement _removeOperations;

    // Found first and removed then: a statement must not walk an index that others change under it.
    private readonly List<(long Row, long EndedMs, UInt128 Plan, UInt128 User)> _found = [];
    private readonly List<(UInt128 Plan, long Occurrence)> _foundTasks = [];

    private (long EndedMs, long Row) _cursor;

    public SqliteHistory(SqliteDatabase database, SqliteWriter writer)
    {
        _database = database;
        _writer = writer;
        _endedPlans = database.Prepare(
            """
            SELECT rowid, updated_ms, id, user_id FROM plans INDEXED BY plans_ended
            WHERE status >= 2 AND wake_ms IS NULL AND (updated_ms, rowid) > (?1, ?2) AND updated_ms < ?3
              AND NOT EXISTS (SELECT 1 FROM plans AS child WHERE child.parent_id = plans.id)
            ORDER BY updated_ms, rowid LIMIT ?4
            """);

        // Not of a plan that has ended its last tasks: they are what an answer about it shows, and go with it.
        _oldTasks = database.Prepare(
            """
            SELECT plan_id, occurrence FROM tasks INDEXED BY tasks_finished
            WHERE occurrence > 1 AND finished_ms > 0 AND finished_ms < ?1 AND NOT EXISTS (
              SELECT 1 FROM plans WHERE id = plan_id AND status >= 2 AND NOT EXISTS (
                SELECT 1 FROM tasks AS later
                WHERE later.plan_id = tasks.plan_id AND later.occurrence > tasks.occurrence))
            ORDER BY finished_ms LIMIT ?2
            """);
        _removeTasks = database.Prepare(
            """
            DELETE FROM tasks WHERE plan_id = ?1 AND (occurrence, hook) IN (
              SELECT occurrence, hook FROM tasks WHERE plan_id = ?1 LIMIT ?2)
            """);
        _removeErrors = database.Prepare(
            """
            DELETE FROM errors WHERE plan_id = ?1 AND (occurrence, hook, attempt) IN (
              SELECT occurrence, hook, attempt FROM errors WHERE plan_id = ?1 LIMIT ?2)
            """);
        _removePlan = database.Prepare("DELETE FROM plans WHERE rowid = ?1");
        _removeTasksUpTo = database.Prepare(
            "DELETE FROM tasks WHERE plan_id = ?1 AND occurrence <= ?2 AND finished_ms > 0 AND finished_ms < ?3");
        _removeErrorsUpTo = database.Prepare(
            "DELETE FROM errors WHERE plan_id = ?1 AND occurrence <= ?2 AND at_ms < ?3");
        _removeOperations = database.Prepare("DELETE FROM operations WHERE running = 0 AND updated_ms < ?1");
    }

    /// <summary>Removes rows within the transaction that the caller has begun. Returns how many.</summary>
    public int Prune(long cutoffMs, int rowsMax)
    {
        bool isWholeRound = _cursor == default;
        int removed = PrunePlans(cutoffMs, rowsMax);
        if (removed == 0 && !isWholeRound)
            removed = PrunePlans(cutoffMs, rowsMax);
        if (removed < rowsMax)
            removed += PruneTasks(cutoffMs, rowsMax - removed);
        return removed < rowsMax ? removed + Run(_removeOperations.Bind(1, cutoffMs)) : removed;
    }

    private int PrunePlans(long cutoffMs, int rowsMax)
    {
        _found.Clear();
        _endedPlans.Bind(1, _cursor.EndedMs).Bind(2, _cursor.Row).Bind(3, cutoffMs).Bind(4, rowsMax);
        while (_endedPlans.Step())
            _found.Add((_endedPlans.Int64(0), _endedPlans.Int64(1), _endedPlans.Key(2), _endedPlans.Key(3)));

        int removed = 0;
        foreach (var (row, endedMs, plan, user) in _found)
        {
            removed += Run(_removeTasks.Bind(1, plan).Bind(2, rowsMax - removed));
            removed += Run(_removeErrors.Bind(1, plan).Bind(2, rowsMax - removed));
            if (removed >= rowsMax)
                return removed;   // Its tasks may be many: the plan goes when they are gone.

            removed += Run(_removePlan.Bind(1, row));
            _writer.CountPlans(user, -1);
            _cursor = (endedMs, row);
        }

        if (_found.Count < rowsMax)
            _cursor = default;
        return removed;
    }

    private int PruneTasks(long cutoffMs, int rowsMax)
    {
        _foundTasks.Clear();
        _oldTasks.Bind(1, cutoffMs).Bind(2, rowsMax);
        while (_oldTasks.Step())
            _foundTasks.Add((_oldTasks.Key(0), _oldTasks.Int64(1)));

        int removed = 0;
        foreach (var (plan, occurrence) in _foundTasks)
        {
            if (removed >= rowsMax)
                break;

            // With everything before it: earlier occurrences are rarely left, and the first one is in no index.
            removed += Run(_removeTasksUpTo.Bind(1, plan).Bind(2, occurrence).Bind(3, cutoffMs));
            removed += Run(_removeErrorsUpTo.Bind(1, plan).Bind(2, occurrence).Bind(3, cutoffMs));
        }

        return removed;
    }

    private int Run(SqliteStatement statement)
    {
        statement.Run();
        return _database.Changes;
    }
}
