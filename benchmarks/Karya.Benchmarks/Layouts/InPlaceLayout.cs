namespace Karya.Benchmarks.Layouts;

/// <summary>One row for each plan, updated when the plan ends; its task beside it.</summary>
internal sealed class InPlaceLayout : ITableLayout
{
    public string Name => "A in-place";

    public string Schema => Tables.Plans + Tables.Tasks +
        "CREATE INDEX plans_ended ON plans (updated_ms) WHERE status >= 2 AND wake_ms IS NULL;";

    public IReadOnlyList<string> Churned => ["plans"];

    public string LateIndex => "";

    public int UserCount => 1000;

    public bool WritesTwice => true;

    public void WriteFinal(RowWriter rows, Life[] ended)
    {
        rows.CopyPlans(ended, ended: true);
        rows.CopyTasks("tasks", ended);
    }

    public void WriteWaiting(RowWriter rows, Life[] waiting) => rows.CopyPlans(waiting, ended: false);

    public void WriteEnd(RowWriter rows, Life[] ended)
    {
        rows.Execute("""
            UPDATE plans SET status = e.status, updated_ms = e.ended_ms, wake_ms = NULL, memo = e.memo
            FROM unnest($1, $2, $3, $4) AS e (id, status, ended_ms, memo) WHERE plans.id = e.id
            """, ended, parameterCount: 4);
        rows.CopyTasks("tasks", ended);
    }
}
