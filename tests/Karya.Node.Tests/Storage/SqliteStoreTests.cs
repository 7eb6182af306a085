using System.Diagnostics;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Sqlite;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Time.Testing;
using SQLitePCL;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage;

public sealed class SqliteStoreTests : StoreSuite
{
    private readonly string _folder = Directory.CreateTempSubdirectory("karya-").FullName;

    // The store's own write connection, for making it fail.
    private SqliteConnection? _connection;

    private string File => Path.Combine(_folder, "data", "karya.db");

    protected override IStore Create() =>
        new SqliteStore(File, new FakeTimeProvider(), connection => _connection = connection);

    protected override IStore Reopen() => Create();

    protected override void CleanUp() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_second_open_in_the_same_process_is_refused_and_names_the_holder()
    {
        _ = Store;
        using var second = Create();
        var exception = Assert.Throws<StoreException>(() => second.Open(4));
        Assert.Contains(File, exception.Message, StringComparison.Ordinal);
        Assert.Contains($"process {Environment.ProcessId}.", exception.Message, StringComparison.Ordinal);
        Store.Ping();
    }

    [Fact]
    public void Another_process_cannot_take_the_lock_while_the_store_is_open()
    {
        _ = Store;
        Assert.Equal(1, TryLockInAnotherProcess());
        Store.Dispose();
        Assert.Equal(0, TryLockInAnotherProcess());
    }

    [Fact]
    public void A_newer_schema_is_refused_with_both_versions()
    {
        Store.Dispose();
        Change("UPDATE meta SET value = 999 WHERE key = 'schema'");
        using var store = Create();
        var exception = Assert.Throws<StoreException>(() => store.Open(4));
        Assert.Contains("999", exception.Message, StringComparison.Ordinal);
        Assert.Contains("up to 3.", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_partition_count_is_refused_with_both_numbers_and_changes_nothing()
    {
        long epoch = EpochAfter(Store);
        Store.Dispose();
        using (var other = Create())
        {
            var exception = Assert.Throws<StoreException>(() => other.Open(8));
            Assert.Contains("4 partitions", exception.Message, StringComparison.Ordinal);
            Assert.Contains("set to 8", exception.Message, StringComparison.Ordinal);
        }

        Restart();
        Assert.Equal(epoch + 1, EpochAfter(Store));
    }

    [Fact]
    public void A_file_that_is_no_database_is_refused_with_advice()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        System.IO.File.WriteAllText(File, new string('x', 10_000));
        using var store = Create();
        var exception = Assert.Throws<StoreException>(() => store.Open(4));
        Assert.Contains("not an SQLite database", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_database_of_another_program_is_left_alone()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        Change("CREATE TABLE theirs (x)");
        using var store = Create();
        Assert.Contains(
            "another program", Assert.Throws<StoreException>(() => store.Open(4)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_path_that_cannot_be_opened_is_refused_by_name()
    {
        Directory.CreateDirectory(File);
        using var store = Create();
        Assert.Contains(File, Assert.Throws<StoreException>(() => store.Open(4)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_refuses_and_the_store_works_again_when_there_is_room()
    {
        Assert.Equal(CommitResult.Committed, Store.Commit(BitConverter.GetBytes(1)));
        Limit("PRAGMA max_page_count = 1");   // No more than what it has.
        Assert.Equal(CommitResult.Refused, Store.Commit(new byte[100_000]));
        Assert.Contains("full", Store.LastError, StringComparison.Ordinal);
        var large = new ProjectionBatch().NewPlan(1, body: new string('x', 99_999));
        Assert.Equal(CommitResult.Refused, Store.Project(large));
        Assert.Null(Store.FindPlan(Plan(1)));

        Limit("PRAGMA max_page_count = 1000000");
        Project(new ProjectionBatch().NewPlan(1));
        Assert.Equal(CommitResult.Committed, Store.Commit(BitConverter.GetBytes(2)));
        Assert.Equal("", Store.LastError);
        Assert.Equal([1, 2], ReadJournal());
    }

    [Fact]
    public void A_store_that_became_read_only_refuses()
    {
        _ = Store;
        Limit("PRAGMA query_only = 1");
        Assert.Equal(CommitResult.Refused, Store.Commit([1]));
        Assert.Throws<StoreException>(() => Store.AddUser(new UserView(Ann, "x", 1)));
        Limit("PRAGMA query_only = 0");
        Assert.Equal(CommitResult.Committed, Store.Commit([1]));
    }

    [Fact]
    public void After_a_commit_that_failed_halfway_nothing_is_written_until_a_reopen()
    {
        Assert.Equal(CommitResult.Committed, Store.Commit(BitConverter.GetBytes(1)));
        raw.sqlite3_commit_hook(_connection!.Handle, _ => 1, null);   // COMMIT fails, with the transaction gone.
        Assert.Equal(CommitResult.Unknown, Store.Commit(BitConverter.GetBytes(2)));
        raw.sqlite3_commit_hook(_connection.Handle, null, null);

        Assert.Equal(CommitResult.Refused, Store.Commit(BitConverter.GetBytes(3)));
        Assert.Contains("opened again", Store.LastError, StringComparison.Ordinal);
        Assert.Throws<StoreException>(Store.Ping);
        Restart();
        Assert.Equal([1], ReadJournal());
        Assert.Equal(CommitResult.Committed, Store.Commit(BitConverter.GetBytes(3)));
    }

    [Fact]
    public void A_reader_that_stops_in_the_middle_leaves_the_store_usable()
    {
        for (int row = 0; row < 10; row++)
            Store.Commit([1]);
        for (int time = 0; time < 10; time++)
            Assert.Throws<TimeoutException>(() => Store.ReadJournal(_ => throw new TimeoutException()));
        Store.PruneJournal(10);
        Assert.Empty(ReadJournal());
    }

    [Fact]
    public void Committing_and_projecting_allocate_nothing_once_warm()
    {
        _ = Store;
        byte[] body = new byte[100_000];
        var batch = new ProjectionBatch().Mark(1, Marks[1].Epoch, 5);
        for (ulong number = 1; number <= 200; number++)
        {
            batch.NewPlan(number, parent: number % 2).EndedTask(Key(number)).Error(Key(number), 1, "no")
                .LaterPlan(number, Engine.PlanState.Running, 2000, body: "")
                .EndedTaskWithResult(Key(number, 2), body.AsSpan(0, (int)number % 3 * 500));
        }

        Assert.Equal(0, AllocatedBytes(() => Store.Commit(body)));
        Assert.Equal(0, AllocatedBytes(() => Store.Project(batch)));
    }

    private static long AllocatedBytes(Func<CommitResult> write)
    {
        for (int time = 0; time < 3; time++)
            Assert.Equal(CommitResult.Committed, write());
        long before = GC.GetAllocatedBytesForCurrentThread();
        var result = write();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(CommitResult.Committed, result);
        return allocated;
    }

    private long EpochAfter(IStore opened)
    {
        opened.Ping();
        return Marks[0].Epoch;
    }

    private void Limit(string pragma) => Assert.Equal(0, raw.sqlite3_exec(_connection!.Handle, pragma));

    private void Change(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>The exit code of <c>flock</c> (util-linux): 1 when somebody else has the lock.</summary>
    private int TryLockInAnotherProcess()
    {
        using var process = Process.Start("flock", ["--nonblock", File + ".lock", "true"]);
        process.WaitForExit();
        return process.ExitCode;
    }
}
