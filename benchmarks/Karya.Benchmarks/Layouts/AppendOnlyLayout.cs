namespace Karya.Benchmarks.Layouts;

/// <summary>
/// A plan is written once and never touched; its end is a row of another table. What is pending has no such row.
/// </summary>
internal sealed class AppendOnlyLayout(string name, bool tasksInside) : ITableLayout
{
    public string Name => name;

    public string Schema => $"""
        {Tables.Plans}
        CREATE TABLE plan_ends (plan_id uuid NOT NULL, ended_ms bigint NOT NULL, status smallint NOT NULL,
          memo bytea NOT NULL{(tasksInside ? ", tasks bytea NOT NULL" : "")});
        CREATE INDEX plan_ends_plan ON plan_ends (plan_id);
        {(tasksInside ? "" : Tables.Tasks)}
        """;

    public IReadOnlyList<string> Churned => [];

    public string LateIndex => "";

    public int UserCount => 1000;

    public bool WritesTwice => true;

    public void WriteFinal(RowWriter rows, Life[] ended)
    {
        rows.CopyPlans(ended, ended: true);
        WriteEnd(rows, ended);
    }

    public void WriteWaiting(RowWriter rows, Life[] waiting) => rows.CopyPlans(waiting, ended: false);

    public void WriteEnd(RowWriter rows, Life[] ended)
    {
        rows.CopyEnds(ended, tasksInside);
        if (!tasksInside)
            rows.CopyTasks("tasks", ended);
    }
}
