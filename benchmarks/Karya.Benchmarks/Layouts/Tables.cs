using System.Globalization;

namespace Karya.Benchmarks.Layouts;

/// <summary>Definitions that layouts have in common. Fixed columns come first, so that nothing is padded.</summary>
internal static class Tables
{
    public const string Plans = """
        CREATE TABLE plans (id uuid NOT NULL, user_id uuid NOT NULL, created_ms bigint NOT NULL,
          updated_ms bigint NOT NULL, wake_ms bigint, partition smallint NOT NULL, status smallint NOT NULL,
          parent_id uuid, memo bytea NOT NULL, body bytea NOT NULL);
        CREATE UNIQUE INDEX plans_id ON plans (id);
        CREATE INDEX plans_user ON plans (user_id, id);
        CREATE INDEX plans_wake ON plans (wake_ms) WHERE wake_ms IS NOT NULL;
        CREATE INDEX plans_parent ON plans (parent_id) WHERE parent_id IS NOT NULL;

        """;

    /// <summary>Ended tasks in a table that is not partitioned.</summary>
    public const string Tasks = $"""
        CREATE TABLE tasks ({TaskColumns});
        CREATE UNIQUE INDEX tasks_key ON tasks (plan_id, occurrence, hook);
        CREATE INDEX tasks_dead ON tasks (plan_id, occurrence, hook) WHERE state = 3;
        CREATE INDEX tasks_finished ON tasks (finished_ms) WHERE occurrence > 1;

        """;

    public const string TaskColumns =
        "plan_id uuid NOT NULL, occurrence bigint NOT NULL, occurrence_to bigint NOT NULL, " +
        "created_ms bigint NOT NULL, due_ms bigint NOT NULL, started_ms bigint NOT NULL, " +
        "finished_ms bigint NOT NULL, attempts integer NOT NULL, hook smallint NOT NULL, state smallint NOT NULL, " +
        "reason smallint NOT NULL";

    public static readonly string TaskHistory = $"""
        CREATE TABLE task_history ({TaskColumns}) PARTITION BY RANGE (finished_ms);
        CREATE INDEX task_history_key ON task_history (plan_id, occurrence, hook);
        CREATE INDEX task_history_dead ON task_history (plan_id, occurrence, hook) WHERE state = 3;
        {Days("task_history")}
        """;

    public static string HistoryColumns(bool tasksInside, bool userNumbers) =>
        $"id uuid NOT NULL, user_id {(userNumbers ? "integer" : "uuid")} NOT NULL, created_ms bigint NOT NULL, " +
        "ended_ms bigint NOT NULL, partition smallint NOT NULL, status smallint NOT NULL, parent_id uuid, " +
        $"memo bytea NOT NULL, body bytea NOT NULL{(tasksInside ? ", tasks bytea NOT NULL" : "")}";

    /// <summary>Partitions for the day of the run and the ones beside it.</summary>
    public static string Days(string table) => string.Join('\n', Enumerable.Range(0, 3).Select(day =>
    {
        long fromMs = LifeSource.StartMs - LifeSource.DayMs / 2 + (day - 1) * LifeSource.DayMs;
        return string.Create(CultureInfo.InvariantCulture, $"""
            CREATE TABLE {table}_{day} PARTITION OF {table} FOR VALUES FROM ({fromMs}) TO ({fromMs + LifeSource.DayMs});
            """);
    }));

    /// <summary>The same for a table that is partitioned by ids of version 7, which begin with their time.</summary>
    public static string DaysOfIds(string table) => string.Join('\n', Enumerable.Range(0, 3).Select(day =>
    {
        long fromMs = LifeSource.StartMs - LifeSource.DayMs / 2 + (day - 1) * LifeSource.DayMs;
        return $"CREATE TABLE {table}_{day} PARTITION OF {table} " +
            $"FOR VALUES FROM ('{FirstIdAt(fromMs)}') TO ('{FirstIdAt(fromMs + LifeSource.DayMs)}');";
    }));

    private static Guid FirstIdAt(long ms)
    {
        string digits = ms.ToString("x12", CultureInfo.InvariantCulture);
        return Guid.ParseExact(digits + new string('0', 20), "N");
    }
}
