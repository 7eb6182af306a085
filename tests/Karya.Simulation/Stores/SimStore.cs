using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node;
using Karya.Node.Plans;
using Karya.Node.Storage;

namespace Karya.Simulation.Stores;

/// <summary>
/// A simulated database as one node sees it that has all partitions: so that the tests of all stores run against it,
/// and
/// it cannot be kinder than a real one. Thread-safe.
/// </summary>
internal sealed class SimStore(SimDatabase database, string owner, TimeProvider clock) : IStore
{
    private const long LeaseMs = 5000;

    private readonly Lock _lock = new();
    private SeenEpoch[] _owned = [];
    private int _stream;
    private long _rowLast;
    private bool _isOpen;

    public TimeProvider Clock => clock;

    public int StreamCount => 1;

    public int ReaderCount => 0;

    public TimeSpan? LeaseLength => TimeSpan.FromMilliseconds(LeaseMs);

    public string? Lost { get; private set; }

    public string LastError { get; private set; } = "";

    public IReadOnlyList<ProjectedMark> Open(int partitionCount)
    {
        lock (_lock)
        {
            if (partitionCount != database.PartitionCount)
                throw new StoreException($"This store was created with {database.PartitionCount} partitions.");
            foreach (var lease in database.ReadLeases())
            {
                if (!lease.IsReleased)
                    throw new StoreException($"Partition {lease.Partition} is in use by {lease.Owner}.");
            }

            _stream = database.NewStream();
            var wanted = Array.ConvertAll(
                database.ReadLeases(), lease => new SeenLease(lease.Partition, lease.Epoch, lease.RenewSeq));
            int[] streams = new int[wanted.Length];
            Array.Fill(streams, _stream);
            var claimed = database.Claim(owner, LeaseMs, wanted, streams);
            _owned = [.. claimed.Select(partition => new SeenEpoch(partition.Partition, partition.Epoch))];
            _isOpen = true;
            return [.. claimed.Select(partition => new ProjectedMark
            {
                Partition = partition.Partition,
                Epoch = partition.Epoch,
                Sequence = database.ReadMark(partition.Partition),
            })];
        }
    }

    public CommitResult Commit(int stream, ReadOnlySpan<ProjectedMark> partitions, ReadOnlyMemory<byte> body)
    {
        lock (_lock)
        {
            var transaction = database.Begin(_stream, partitions);
            if (transaction.Stale.Count == 0)
                database.Append(transaction, _rowLast + 1, body.ToArray());
            if (transaction.IsCommitted)
                _rowLast++;
            return End(transaction);
        }
    }

    public CommitResult Resolve(int stream)
    {
        lock (_lock)
        {
            var resolution = database.Resolve(owner, LeaseMs, _stream, _owned, _rowLast + 1);
            _owned = [.. resolution.Epochs];
            if (Array.Exists(_owned, partition => partition.Epoch == 0))
                Lost = "Another node has claimed partitions.";
            if (resolution.IsRowThere)
                _rowLast++;
            return resolution.IsRowThere ? CommitResult.Committed : CommitResult.Refused;
        }
    }

    public bool RenewLease()
    {
        lock (_lock)
        {
            bool isOurs = database.Renew(owner).Length == _owned.Length;
            if (!isOurs)
                Lost = "Another node has claimed partitions.";
            return isOurs;
        }
    }

    public CommitResult Project(ProjectionBatch batch)
    {
        lock (_lock)
        {
            var transaction = database.Begin(_stream, batch.Marks.Span);
            if (transaction.Stale.Count == 0)
                database.Project(transaction, batch);
            return End(transaction);
        }
    }

    public void ReadJournal(JournalRowReader reader)
    {
        lock (_lock)
            database.ReadJournal(reader);
    }

    public void LoadDue(long fromMs, long toMs, StoredPlanReader reader)
    {
        lock (_lock)
            database.Tables.LoadDue(fromMs, toMs, _ => true, reader);
    }

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader)
    {
        lock (_lock)
            database.Tables.LoadPlan(id, withDescendants, reader);
    }

    public void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader)
    {
        lock (_lock)
            database.Tables.LoadPlans(ids, reader);
    }

    public void PruneJournal(int stream, long rowCount)
    {
        lock (_lock)
        {
            database.PruneBefore(old => old < _stream);
            database.PruneJournal(_stream, rowCount);
        }
    }

    public int PruneHistory(long cutoffMs, int rowsMax) => Ask(tables => tables.Prune(cutoffMs, rowsMax));

    public void AddUser(UserView user) => Ask(tables =>
    {
        tables.AddUser(user);
        return true;
    });

    public UserView? FindUser(string name) => Ask(tables => tables.FindUser(name));

    public bool UserExists(UserId id) => Ask(tables => tables.HasUser(id));

    public StoredPlan? FindPlan(PlanId id) => Ask(tables => tables.FindPlan(id));

    public IReadOnlyList<StoredPlan> ListPlans(UserId user, int skip, int take) =>
        Ask(tables => tables.ListPlansBelow(user, below: null, skip, take));

    public IReadOnlyList<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take) =>
        Ask(tables => tables.ListPlansBelow(user, below, 0, take));

    public long CountPlans(UserId user) => Ask(tables => tables.CountPlans(user));

    public IReadOnlyList<StoredTask> ListTasks(PlanId id, int take) =>
        [.. ListTasksBelow(id, below: null, take).Reverse()];

    public IReadOnlyList<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take) =>
        Ask(tables => tables.ListTasksBelow(id, below, take));

    public IReadOnlyList<StoredError> ListErrors(PlanId id, int take) =>
        [.. ListErrorsBelow(id, below: null, take).Reverse()];

    public IReadOnlyList<StoredError> ListErrorsBelow(
        PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take) =>
        Ask(tables => tables.ListErrorsBelow(id, below, take));

    public StoredTask? FindTask(TaskKey key) => Ask(tables => tables.FindTask(key));

    public byte[]? FindResult(TaskKey key) => Ask(tables => tables.FindResult(key));

    public IReadOnlyList<StoredTask> ListDead(TaskKey? below, int take) => Ask(tables => tables.ListDead(below, take));

    public int DropDead(IReadOnlyCollection<TaskKey> keys) => Ask(tables => tables.DropDead(keys));

    public StoredOperation? PutOperation(StoredOperation operation) => Ask(tables => tables.Operations.Put(operation));

    public StoredOperation? StopOperation(Guid id) => Ask(tables => tables.Operations.Stop(id));

    public StoredOperation? FindOperation(Guid id) => Ask(tables => tables.Operations.Find(id));

    public IReadOnlyList<StoredOperation> ListOperations(int take) => Ask(tables => tables.Operations.List(take));

    public void Ping()
    {
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (!_isOpen)
                return;
            _isOpen = false;
            foreach (var (partition, epoch) in _owned)
                database.Release(owner, partition, epoch);
        }
    }

    private CommitResult End(SimTransaction transaction)
    {
        LastError = transaction.IsCommitted ? ""
            : transaction.Stale.Count > 0 ? $"Epoch of partition {transaction.Stale[0].Partition} is stale."
            : "The database is full.";
        return transaction.IsCommitted ? CommitResult.Committed : CommitResult.Refused;
    }

    private T Ask<T>(Func<SimTables, T> question)
    {
        lock (_lock)
            return question(database.Tables);
    }
}
