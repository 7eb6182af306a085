using System.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// The embedded store: one file, for one node, with nothing to install. Construct it, <see cref="Open"/> it once,
/// dispose it; after an <see cref="CommitResult.Unknown"/> dispose it and open a new one on the same file.
/// </summary>
/// <remarks>
/// <para>
/// Write-ahead log and <c>synchronous=FULL</c>: a commit is one sequential write and one sync, 0.2 to 0.5 ms, and what
/// was answered survives a power cut. One connection writes, under a gate at which the journal goes first; readers have
/// connections of their own and block nobody. Hot statements go straight to SQLite's functions: ADO costs 1.3 times
/// that.
/// </para>
/// <para>
/// It is fenced by the lock on the file: who holds it is the only writer there is. Epochs grow all the same, because
/// what this process was doing before a reopen must not be written after it.
/// </para>
/// </remarks>
internal sealed class SqliteStore(string path, TimeProvider clock, Action<SqliteConnection>? whenOpened = null) : IStore
{
    /// <summary>Most of what a batch touches. With SQLite's default of 2 MB a third fewer rows are written.</summary>
    private const int WriterCacheKib = 24 * 1024;

    /// <summary>
    /// Journal rows removed in one transaction. At 100 kB each some 6 MB of pages, a few milliseconds.
    /// </summary>
    private const int RowsPerPrune = 64;

    private readonly WriteGate _gate = new();
    private readonly SqliteReaderPool _readers = new(path);

    private SqliteFileLock? _lock;
    private SqliteDatabase? _database;
    private SqliteWriter? _writer;
    private SqliteHistory? _history;
    private SqliteDesk? _desk;
    private SqliteStatement? _removeRows;

    private string _commitError = "";
    private string _projectError = "";

    // Ids of journal rows: the last one from before this open, the oldest that is stored, the last one.
    private long _rowBefore;
    private long _rowFirst;
    private long _rowLast;

    public TimeProvider Clock => clock;

    /// <summary>One file, one writer: what several shards decided meanwhile goes into one row and one sync.</summary>
    public int StreamCount => 1;

    public int ReaderCount => 0;

    /// <summary>The lock on the file is held until the process ends, however long it sleeps.</summary>
    public TimeSpan? LeaseLength => null;

    public string? Lost => _writer is { IsBroken: true } ? _writer.Error : null;

    /// <summary>
    /// The journal's error first: the two are written by different threads, and it is the graver one.
    /// </summary>
    public string LastError => _commitError.Length > 0 ? _commitError : _projectError;

    public IReadOnlyList<ProjectedMark> Open(int partitionCount)
    {
        Invariant.Check(_database is null);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            _lock = SqliteFileLock.Take(path);
            _database = SqliteDatabase.Open(path, SqliteOpenMode.ReadWriteCreate, WriterCacheKib);
            var marks = new SqliteSchema(_database, path).TakeOver(
                partitionCount, clock.GetUtcNow().ToUnixTimeMilliseconds());
            Prepare(_database);
            return marks;
        }
        catch (Exception exception) when (exception is SqliteException or IOException or UnauthorizedAccessException)
        {
            Close();
            throw Explain(exception);
        }
        catch
        {
            Close();
            throw;
        }
    }

    public CommitResult Commit(int stream, ReadOnlySpan<ProjectedMark> partitions, ReadOnlyMemory<byte> body)
    {
        _gate.EnterForJournal();
        try
        {
            var result = _writer!.Append(_rowLast + 1, body.Span);
            if (result == CommitResult.Committed)
                _rowLast++;
            _commitError = _writer.Error;
            return result;
        }
        finally
        {
            _gate.Leave();
        }
    }

    /// <summary>Only opening the file again tells: the store is <see cref="Lost"/> to this process.</summary>
    public CommitResult Resolve(int stream) => CommitResult.Unknown;

    public bool RenewLease() => true;

    public CommitResult Project(ProjectionBatch batch)
    {
        _gate.Enter();
        try
        {
            var result = _writer!.Write(batch);
            _projectError = _writer.Error;
            return result;
        }
        finally
        {
            _gate.Leave();
        }
    }

    public void PruneJournal(int stream, long rowCount)
    {
        // Each chunk is a transaction of its own, so that commits go on in between.
        bool more = true;
        while (more)
        {
            more = Write(() =>
            {
                long last = Math.Min(_rowBefore + rowCount, _rowLast);
                long end = Math.Min(_rowFirst + RowsPerPrune, last + 1);
                if (_rowFirst >= end)
                    return false;
                _removeRows!.Bind(1, end).Run();
                _rowFirst = end;
                return end <= last;
            });
        }
    }

    public int PruneHistory(long cutoffMs, int rowsMax) => Write(() => _history!.Prune(cutoffMs, rowsMax));

    public void AddUser(UserView user)
    {
        byte[] name = Encoding.UTF8.GetBytes(user.Name);
        Write(() =>
        {
            _desk!.AddUser(user.Id, name, user.CreatedMs);
            return true;
        });
    }

    public void ReadJournal(JournalRowReader reader) => Read(connection => connection.ReadJournal(reader));

    public void LoadDue(long fromMs, long toMs, StoredPlanReader reader) =>
        Read(connection => connection.LoadDue(fromMs, toMs, reader));

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader) =>
        Read(connection => connection.LoadPlan(id, withDescendants, reader));

    public void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader) => Read(connection =>
    {
        foreach (var id in ids)
            connection.LoadPlan(id, withDescendants: false, reader);
    });

    public UserView? FindUser(string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        return Ask(reader => reader.FindUser(bytes));
    }

    public bool UserExists(UserId id) => Ask(reader => reader.CountPlans(id)) is not null;

    public StoredPlan? FindPlan(PlanId id) => Ask(reader => reader.FindPlan(id));

    public IReadOnlyList<StoredPlan> ListPlans(UserId user, int skip, int take) =>
        Ask(reader => reader.ListPlans(user, skip, take));

    public IReadOnlyList<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take) =>
        Ask(reader => reader.ListPlansBelow(user, below, take));

    public long CountPlans(UserId user) => Ask(reader => reader.CountPlans(user)) ?? 0;

    public IReadOnlyList<StoredTask> ListTasks(PlanId id, int take) =>
        [.. ListTasksBelow(id, below: null, take).Reverse()];

    public IReadOnlyList<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take) =>
        Ask(reader => reader.ListTasksBelow(id, below, take));

    public IReadOnlyList<StoredError> ListErrors(PlanId id, int take) =>
        [.. ListErrorsBelow(id, below: null, take).Reverse()];

    public IReadOnlyList<StoredError> ListErrorsBelow(
        PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take) =>
        Ask(reader => reader.ListErrorsBelow(id, below, take));

    public StoredTask? FindTask(TaskKey key) => Ask(reader => reader.FindTask(key));

    public byte[]? FindResult(TaskKey key) => Ask(reader => reader.FindResult(key));

    public IReadOnlyList<StoredTask> ListDead(TaskKey? below, int take) => Ask(reader => reader.ListDead(below, take));

    public int DropDead(IReadOnlyCollection<TaskKey> keys) => Write(() => _desk!.DropDead(keys));

    public StoredOperation? PutOperation(StoredOperation operation) => Write(() => _desk!.PutOperation(operation));

    public StoredOperation? StopOperation(Guid id) => Write(() => _desk!.StopOperation(id));

    public StoredOperation? FindOperation(Guid id) => Ask(reader => reader.FindOperation(id));

    public IReadOnlyList<StoredOperation> ListOperations(int take) => Ask(reader => reader.ListOperations(take));

    public void Ping()
    {
        if (_writer!.IsBroken)
            throw new StoreException(_writer.Error);
        Read(reader => reader.Ping());
    }

    public void Dispose()
    {
        _gate.Enter();
        Close();
        _gate.Leave();
    }

    private void Prepare(SqliteDatabase database)
    {
        database.Execute("PRAGMA synchronous = FULL");
        database.Execute("PRAGMA secure_delete = OFF");
        database.Execute("PRAGMA foreign_keys = OFF");

        // 32 MB: larger makes reading and reopening slower, smaller copies the same pages more often.
        database.Execute("PRAGMA wal_autocheckpoint = 4000");
        whenOpened?.Invoke(database.Connection);

        _rowBefore = database.ReadInt64("SELECT max(id) FROM journal");
        _rowFirst = Math.Max(database.ReadInt64("SELECT min(id) FROM journal"), 1);
        _rowLast = _rowBefore;
        _writer = new SqliteWriter(database);
        _history = new SqliteHistory(database, _writer);
        _desk = new SqliteDesk(database);
        _removeRows = database.Prepare("DELETE FROM journal WHERE id < ?1");
    }

    private void Close()
    {
        // The readers first: the last connection to go copies the log into the file.
        _readers.Dispose();
        _database?.Dispose();
        _lock?.Dispose();
    }

    private StoreException Explain(Exception exception) => (exception as SqliteException)?.SqliteErrorCode switch
    {
        raw.SQLITE_NOTADB => new StoreException(
            $"The file {path} is not an SQLite database. Name another file, or restore it from a backup.", exception),
        raw.SQLITE_CORRUPT => new StoreException(
            $"The store {path} is damaged ({exception.Message}). Restore it from a backup; `sqlite3 {path} .recover` "
            + "may save what is readable.",
            exception),
        _ => new StoreException(
            $"The store {path} cannot be opened: {exception.Message} Check the path, the rights and the disk.",
            exception),
    };

    /// <summary>Runs a write that is not hot in a transaction of its own.</summary>
    private T Write<T>(Func<T> write)
    {
        _gate.Enter();
        try
        {
            if (!_writer!.Begin())
                throw new StoreException(_writer.Error);
            var result = write();
            if (_writer.Commit() != CommitResult.Committed)
                throw new StoreException(_writer.Error);
            return result;
        }
        catch (SqliteException exception)
        {
            throw new StoreException($"The store {path} failed: {exception.Message}", exception);
        }
        finally
        {
            _writer!.RollBack();
            _gate.Leave();
        }
    }

    private void Read(Action<SqliteReader> question) => Ask(reader =>
    {
        question(reader);
        return true;
    });

    private T Ask<T>(Func<SqliteReader, T> question)
    {
        try
        {
            var reader = _readers.Rent();
            try
            {
                return question(reader);
            }
            finally
            {
                _readers.Return(reader);
            }
        }
        catch (SqliteException exception)
        {
            throw new StoreException($"The store {path} failed: {exception.Message}", exception);
        }
    }
}
