namespace Karya.Benchmarks.Layouts;

/// <summary>The limit: final rows by COPY into plain tables, with no index or with the key alone.</summary>
internal sealed class RawLayout(string name, bool tasksInside, bool hasKey) : ITableLayout
{
    public string Name => name;

    public string Schema => $"""
        CREATE TABLE plan_history ({Tables.HistoryColumns(tasksInside, userNumbers: false)});
        {(hasKey ? "CREATE UNIQUE INDEX plan_history_id ON plan_history (id);" : "")}
        CREATE TABLE task_history ({Tables.TaskColumns});
        """;

    public IReadOnlyList<string> Churned => [];

    public string LateIndex => "";

    public int UserCount => 1000;

    public bool WritesTwice => false;

    public void WriteFinal(RowWriter rows, Life[] ended)
    {
        rows.CopyPlanHistory(ended, tasksInside, userNumbers: false);
        if (!tasksInside)
            rows.CopyTasks("task_history", ended);
    }

    public void WriteWaiting(RowWriter rows, Life[] waiting) => throw new NotSupportedException(Name);

    public void WriteEnd(RowWriter rows, Life[] ended) => throw new NotSupportedException(Name);
}
