using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

public sealed class PostgresAnswersTests : StoreAnswersSuite
{
    private readonly StoreSchema _schema = new();

    protected override IStore Create() => new PostgresStore(_schema.Settings, TimeProvider.System);

    protected override IStore Reopen() => Create();

    protected override void CleanUp() => _schema.Dispose();

    [Fact]
    public void Tasks_without_a_result_stay_inside_their_plans_row()
    {
        Project(new ProjectionBatch()
            .NewPlan(1, state: PlanState.Completed).EndedTask(Key(1)).EndedTask(Key(1, 1, 1))
            .NewPlan(2, state: PlanState.Completed).EndedTaskWithResult(Key(2), [1]));
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM plan_history WHERE tasks IS NOT NULL"));
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM task_history"));
    }

    [Fact]
    public void A_schema_from_before_there_were_results_is_migrated_and_its_tasks_have_none()
    {
        using (var connection = _schema.Connect())
            new PostgresSchema(connection, _schema.Name, [.. PostgresMigration.Embedded.Take(2)]).Up();
        long nowMs = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        string plan = Plan(1).ToGuid().ToString();
        _schema.Change($"""
            INSERT INTO plans (id, user_id, partition, status, created_ms, updated_ms, wake_ms, memo, body)
            VALUES ('{plan}', '{Ann.ToGuid()}', 1, 1, 1000, 1000, 9000, 'memo', 'body');
            INSERT INTO task_history SELECT '{plan}', occurrence, 0, 2, 0, occurrence, 1000, 1000, 1000, {nowMs}, 1
            FROM generate_series(1, 2) AS occurrence;
            """);
        Assert.Equal(2, Store.ListTasks(Plan(1), 10).Count);
        Assert.All(Store.ListTasks(Plan(1), 10), task => Assert.Null(task.ResultBytes));

        var batch = new ProjectionBatch().EndedTaskWithResult(Key(1, 3), [1, 2]).EndedTaskWithResult(Key(1, 4), [3]);
        batch.Tasks.Span[1].FinishedMs = nowMs;
        Project(batch);
        Assert.Equal([1, 2], Store.FindResult(Key(1, 3)));
        Assert.Equal([3], Store.FindResult(Key(1, 4)));
    }
}
