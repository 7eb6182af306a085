namespace Karya.Benchmarks.Layouts;

/// <summary>Live plans in one table, finished ones in another that is partitioned by the time of their end.</summary>
internal sealed class HistoryLayout(string name) : ITableLayout
{
    public string Name => name;

    /// <summary>The ended tasks of a plan are a column of its row, not rows of their own.</summary>
    public bool TasksInside { get; init; }

    public UserIndex UserIndex { get; init; }

    public bool SortByUser { get; init; }

    public int UserCount { get; init; } = 1000;

    public PlanEnd End { get; init; }

    public IReadOnlyList<string> Churned => End == PlanEnd.LeftBehind ? [] : ["plans"];

    // The server moves rows as they are: in its own order, and without looking up the numbers of users.
    public bool WritesTwice => UserIndex != UserIndex.Number && !SortByUser;

    public string LateIndex =>
        UserIndex == UserIndex.Late ? "CREATE INDEX plan_history_user ON plan_history (user_id, id)" : "";

    public string Schema => $"""
        {Tables.Plans}
        CREATE TABLE plan_history ({Tables.HistoryColumns(TasksInside, UserIndex == UserIndex.Number)})
          PARTITION BY RANGE (ended_ms);
        CREATE INDEX plan_history_id ON plan_history (id);
        {(UserIndex == UserIndex.Late ? "" : "CREATE INDEX plan_history_user ON plan_history (user_id, id);")}
        CREATE INDEX plan_history_parent ON plan_history (parent_id) WHERE parent_id IS NOT NULL;
        {Tables.Days("plan_history")}
        {Tables.TaskHistory}
        """;

    private string Move => $"""
        WITH gone AS (
          DELETE FROM plans USING unnest($1, $2, $3, $4{(TasksInside ? ", $5" : "")})
            AS e (id, status, ended_ms, memo{(TasksInside ? ", tasks" : "")})
          WHERE plans.id = e.id
          RETURNING plans.id, user_id, created_ms, e.ended_ms, partition, e.status, parent_id, e.memo,
            body{(TasksInside ? ", tasks" : "")})
        INSERT INTO plan_history SELECT * FROM gone
        """;

    public void WriteFinal(RowWriter rows, Life[] ended)
    {
        if (SortByUser)
            Array.Sort(ended, (one, other) => (one.User, one.Id).CompareTo((other.User, other.Id)));
        rows.CopyPlanHistory(ended, TasksInside, UserIndex == UserIndex.Number);
        if (!TasksInside)
            rows.CopyTasks("task_history", ended);
    }

    public void WriteWaiting(RowWriter rows, Life[] waiting) => rows.CopyPlans(waiting, ended: false);

    public void WriteEnd(RowWriter rows, Life[] ended)
    {
        if (End != PlanEnd.Moved)
        {
            if (End == PlanEnd.SentAgain)
                rows.Execute("DELETE FROM plans WHERE id = ANY($1)", ended, parameterCount: 1);
            WriteFinal(rows, ended);
            return;
        }

        rows.Execute(Move, ended, TasksInside ? 5 : 4);
        if (!TasksInside)
            rows.CopyTasks("task_history", ended);
    }
}
