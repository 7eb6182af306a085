namespace Karya.Benchmarks.Layouts;

/// <summary>
/// Append-only, and a plan that ended before it was written has its end and its tasks in its row. Only the end of a
/// plan that was written while it waited is a row of its own. Both tables are partitioned by the time in the id, so
/// that the key is unique and the plans of a user are read partition by partition.
/// </summary>
internal sealed class SelfContainedLayout(string name) : ITableLayout
{
    public string Name => name;

    public bool SortByUser { get; init; }

    public UserIndex UserIndex { get; init; }

    public string Schema => $"""
        CREATE TABLE plans (id uuid NOT NULL, user_id uuid NOT NULL, created_ms bigint NOT NULL,
          updated_ms bigint NOT NULL, wake_ms bigint, partition smallint NOT NULL, status smallint NOT NULL,
          parent_id uuid, memo bytea NOT NULL, body bytea NOT NULL, tasks bytea) PARTITION BY RANGE (id);
        CREATE UNIQUE INDEX plans_id ON plans (id);
        {(UserIndex == UserIndex.Late ? "" : "CREATE INDEX plans_user ON plans (user_id, id);")}
        CREATE INDEX plans_wake ON plans (wake_ms) WHERE wake_ms IS NOT NULL;
        CREATE INDEX plans_parent ON plans (parent_id) WHERE parent_id IS NOT NULL;
        {Tables.DaysOfIds("plans")}
        CREATE TABLE plan_ends (plan_id uuid NOT NULL, ended_ms bigint NOT NULL, status smallint NOT NULL,
          memo bytea NOT NULL, tasks bytea NOT NULL) PARTITION BY RANGE (plan_id);
        CREATE UNIQUE INDEX plan_ends_plan ON plan_ends (plan_id);
        {Tables.DaysOfIds("plan_ends")}
        """;

    public IReadOnlyList<string> Churned => [];

    public string LateIndex => UserIndex == UserIndex.Late ? "CREATE INDEX plans_user ON plans (user_id, id)" : "";

    public int UserCount => 1000;

    public bool WritesTwice => true;

    public void WriteFinal(RowWriter rows, Life[] ended) => CopyPlans(rows, ended, ended: true);

    public void WriteWaiting(RowWriter rows, Life[] waiting) => CopyPlans(rows, waiting, ended: false);

    public void WriteEnd(RowWriter rows, Life[] ended) => rows.CopyEnds(ended, tasksInside: true);

    private void CopyPlans(RowWriter rows, Life[] lives, bool ended)
    {
        if (SortByUser)
            Array.Sort(lives, (one, other) => (one.User, one.Id).CompareTo((other.User, other.Id)));
        rows.CopyPlans(lives, ended, tasksInside: ended);
    }
}
