using System.Collections.Concurrent;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Sqlite;

namespace Karya.Node.Tests.Joined;

/// <summary>How the next commit is to end.</summary>
internal enum CommitFault
{
    Refused,
    UnknownButStored,
    UnknownAndLost,
}

/// <summary>A real SQLite store that fails when told. Faults may be set and cleared from any thread.</summary>
internal sealed class FaultyStore(string path) : IStore
{
    private readonly SqliteStore _inner = new(path, TimeProvider.System);
    private readonly ConcurrentQueue<CommitFault> _faults = new();
    private readonly object _gate = new(); // Not a Lock: commits wait on it.
    private readonly ConcurrentQueue<byte[]> _rows = new();
    private volatile string _error = "";
    private bool _isBlocked;
    private int _failures;
    private int _commitsTried;
    private int _commitsBegun;
    private int _projectionsTried;
    private int _projectionsBegun;

    /// <summary>While true every commit is refused.</summary>
    public bool RefusesCommits { get; set; }

    /// <summary>While true every projection is refused.</summary>
    public bool RefusesProjections { get; set; }

    /// <summary>How often it has thrown since it was told to.</summary>
    public int Failures => Volatile.Read(ref _failures);

    /// <summary>While true everything that reads, or removes old rows, throws.</summary>
    public bool FailsReads { get; set; }

    /// <summary>While true loading plans throws.</summary>
    public bool FailsLoads { get; set; }

    /// <summary>While true removing old rows throws.</summary>
    public bool FailsPruning { get; set; }

    /// <summary>Commits that came in, those that wait at the gate included.</summary>
    public int CommitsBegun => Volatile.Read(ref _commitsBegun);

    /// <summary>Commits that were answered, whatever the answer was.</summary>
    public int CommitsTried => Volatile.Read(ref _commitsTried);

    public int ProjectionsBegun => Volatile.Read(ref _projectionsBegun);

    public int ProjectionsTried => Volatile.Read(ref _projectionsTried);

    /// <summary>The most rows of history that one call was asked to remove; 0 before the first.</summary>
    public int HistoryRowsAsked { get; private set; }

    /// <summary>The rows that were handed to the real store, in order.</summary>
    public IReadOnlyList<byte[]> Rows => [.. _rows];

    public string LastError => _error.Length > 0 ? _error : _inner.LastError;

    public TimeProvider Clock => _inner.Clock;

    public int StreamCount => _inner.StreamCount;

    public int ReaderCount { get; set; }

    public TimeSpan? LeaseLength => _inner.LeaseLength;

    public string? Lost { get; private set; }

    public void NextCommits(CommitFault fault, int count = 1)
    {
        for (int i = 0; i < count; i++)
            _faults.Enqueue(fault);
    }

    /// <summary>Commits wait at a gate until <see cref="ReleaseCommits"/>.</summary>
    public void BlockCommits()
    {
        lock (_gate)
            _isBlocked = true;
    }

    public void ReleaseCommits()
    {
        lock (_gate)
        {
            _isBlocked = false;
            Monitor.PulseAll(_gate);
        }
    }

    public IReadOnlyList<ProjectedMark> Open(int partitionCount) => _inner.Open(partitionCount);

    public CommitResult Commit(int stream, ReadOnlySpan<ProjectedMark> partitions, ReadOnlyMemory<byte> body)
    {
        Interlocked.Increment(ref _commitsBegun);
        lock (_gate)
        {
            while (_isBlocked)
                Monitor.Wait(_gate);
        }

        var result = CommitOrFail(body);
        Interlocked.Increment(ref _commitsTried);
        return result;
    }

    public CommitResult Resolve(int stream) => CommitResult.Unknown;

    public bool RenewLease() => _inner.RenewLease();

    public CommitResult Project(ProjectionBatch batch)
    {
        Interlocked.Increment(ref _projectionsBegun);
        var result = CommitResult.Refused;
        if (RefusesProjections)
            _error = "Tables are told to be full.";
        else
            result = _inner.Project(batch);
        Interlocked.Increment(ref _projectionsTried);
        return result;
    }

    public void PruneJournal(int stream, long rowCount)
    {
        Check(FailsPruning);
        _inner.PruneJournal(stream, rowCount);
    }

    public int PruneHistory(long cutoffMs, int rowsMax)
    {
        Check(FailsPruning);
        HistoryRowsAsked = Math.Max(HistoryRowsAsked, rowsMax);
        return _inner.PruneHistory(cutoffMs, rowsMax);
    }

    public void ReadJournal(JournalRowReader reader)
    {
        Check(FailsReads);
        _inner.ReadJournal(reader);
    }

    public void LoadDue(long fromMs, long toMs, StoredPlanReader reader)
    {
        Check(FailsLoads);
        _inner.LoadDue(fromMs, toMs, reader);
    }

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader)
    {
        Check(FailsLoads);
        _inner.LoadPlan(id, withDescendants, reader);
    }

    public void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader)
    {
        Check(FailsLoads);
        _inner.LoadPlans(ids, reader);
    }

    public void AddUser(UserView user)
    {
        Check(FailsReads);
        _inner.AddUser(user);
    }

    public UserView? FindUser(string name)
    {
        Check(FailsReads);
        return _inner.FindUser(name);
    }

    public bool UserExists(UserId id)
    {
        Check(FailsReads);
        return _inner.UserExists(id);
    }

    public StoredPlan? FindPlan(PlanId id)
    {
        Check(FailsReads);
        return _inner.FindPlan(id);
    }

    public IReadOnlyList<StoredPlan> ListPlans(UserId user, int skip, int take)
    {
        Check(FailsReads);
        return _inner.ListPlans(user, skip, take);
    }

    public IReadOnlyList<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take)
    {
        Check(FailsReads);
        return _inner.ListPlansBelow(user, below, take);
    }

    public long CountPlans(UserId user)
    {
        Check(FailsReads);
        return _inner.CountPlans(user);
    }

    public IReadOnlyList<StoredTask> ListTasks(PlanId id, int take)
    {
        Check(FailsReads);
        return _inner.ListTasks(id, take);
    }

    public IReadOnlyList<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take)
    {
        Check(FailsReads);
        return _inner.ListTasksBelow(id, below, take);
    }

    public IReadOnlyList<StoredError> ListErrors(PlanId id, int take)
    {
        Check(FailsReads);
        return _inner.ListErrors(id, take);
    }

    public IReadOnlyList<StoredError> ListErrorsBelow(
        PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take)
    {
        Check(FailsReads);
        return _inner.ListErrorsBelow(id, below, take);
    }

    public StoredTask? FindTask(TaskKey key)
    {
        Check(FailsReads);
        return _inner.FindTask(key);
    }

    public byte[]? FindResult(TaskKey key)
    {
        Check(FailsReads);
        return _inner.FindResult(key);
    }

    public IReadOnlyList<StoredTask> ListDead(TaskKey? below, int take)
    {
        Check(FailsReads);
        return _inner.ListDead(below, take);
    }

    public int DropDead(IReadOnlyCollection<TaskKey> keys)
    {
        Check(FailsReads);
        return _inner.DropDead(keys);
    }

    public StoredOperation? PutOperation(StoredOperation operation)
    {
        Check(FailsReads);
        return _inner.PutOperation(operation);
    }

    public StoredOperation? StopOperation(Guid id)
    {
        Check(FailsReads);
        return _inner.StopOperation(id);
    }

    public StoredOperation? FindOperation(Guid id)
    {
        Check(FailsReads);
        return _inner.FindOperation(id);
    }

    public IReadOnlyList<StoredOperation> ListOperations(int take)
    {
        Check(FailsReads);
        return _inner.ListOperations(take);
    }

    public void Ping()
    {
        Check(FailsReads);
        _inner.Ping();
    }

    public void Dispose()
    {
        ReleaseCommits();
        _inner.Dispose();
    }

    private CommitResult CommitOrFail(ReadOnlyMemory<byte> body)
    {
        if (RefusesCommits)
            return Fail(CommitResult.Refused, "Disk is told to be full.");
        if (!_faults.TryDequeue(out var fault))
            return Store(body);

        if (fault != CommitFault.Refused)
            Lost = "Sync is told to fail.";
        switch (fault)
        {
            case CommitFault.Refused:
                return Fail(CommitResult.Refused, "Disk is told to be full.");
            case CommitFault.UnknownButStored:
                Store(body);
                return Fail(CommitResult.Unknown, "Sync is told to fail.");
            default:
                return Fail(CommitResult.Unknown, "Sync is told to fail.");
        }
    }

    private CommitResult Store(ReadOnlyMemory<byte> body)
    {
        _error = "";
        var result = _inner.Commit(0, [], body);
        if (result == CommitResult.Committed)
            _rows.Enqueue(body.ToArray());
        return result;
    }

    private CommitResult Fail(CommitResult result, string error)
    {
        _error = error;
        return result;
    }

    private void Check(bool fails)
    {
        if (!fails)
            return;
        Interlocked.Increment(ref _failures);
        throw new StoreException("Store is told to fail.");
    }
}
