using Karya.Node.Storage;
using Karya.Node.Storage.Sqlite;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage;

public sealed class SqliteAnswersTests : StoreAnswersSuite
{
    private readonly string _folder = Directory.CreateTempSubdirectory("karya-").FullName;

    private string File => Path.Combine(_folder, "karya.db");

    protected override IStore Create() => new SqliteStore(File, new FakeTimeProvider());

    protected override IStore Reopen() => Create();

    protected override void CleanUp() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_file_from_before_there_were_results_is_migrated_and_its_tasks_have_none()
    {
        Project(new Engine.Journal.ProjectionBatch().NewPlan(1, wakeMs: 9000).EndedTask(Key(1)));
        Store.Dispose();
        Change(
            """
            ALTER TABLE tasks DROP COLUMN result; ALTER TABLE tasks DROP COLUMN failure;
            ALTER TABLE errors DROP COLUMN failure; DROP TABLE operations;
            UPDATE meta SET value = 1 WHERE key = 'schema'
            """);
        Restart();
        Assert.Null(Store.FindTask(Key(1))!.ResultBytes);
        Project(new Engine.Journal.ProjectionBatch().EndedTaskWithResult(Key(1, 2), [1, 2]));
        Assert.Equal([1, 2], Store.FindResult(Key(1, 2)));
    }

    private void Change(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
