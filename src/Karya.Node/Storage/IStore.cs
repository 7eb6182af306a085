using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;

namespace Karya.Node.Storage;

/// <summary>How a commit ended. There are three answers, never two.</summary>
public enum CommitResult
{
    /// <summary>It is durable.</summary>
    Committed,

    /// <summary>
    /// It is surely not stored, and never will be: stale epoch, store full or read-only, disk error before the commit.
    /// </summary>
    Refused,

    /// <summary>It may or may not be stored. Take a new epoch, read, and go on from what is there.</summary>
    Unknown,
}

/// <summary>
/// The port to a store: journal, projection, loading and search. Two implementations (SQLite, Postgres) and the
/// simulated one pass the same behavioural test suite.
/// </summary>
/// <remarks>
/// Calls block; each group has one caller thread at a time: <see cref="Commit"/> and <see cref="Resolve"/> the journal
/// writer of the stream, <see cref="Project"/> and the pruning methods the projector, <see cref="RenewLease"/> the
/// keeper of the lease. All others may be called from any thread, at any time between <see cref="Open"/> and
/// <c>Dispose</c>. Reading methods throw <see cref="StoreException"/> when the store fails.
/// </remarks>
public interface IStore : IDisposable
{
    /// <summary>
    /// Store time: what due instants are judged by. Its UTC time is never ahead of the store's clock; its timestamps
    /// and timers are the machine's.
    /// </summary>
    TimeProvider Clock { get; }

    /// <summary>How many journal streams may be written side by side, each by a thread of its own.</summary>
    int StreamCount { get; }

    /// <summary>
    /// How many threads may wait for answers of the store at once; 0 when a question is a call into this process, some
    /// microseconds long, and wants no thread of its own.
    /// </summary>
    int ReaderCount { get; }

    /// <summary>
    /// How long what was claimed stays ours after a renewal was sent; null when nothing has to be renewed.
    /// </summary>
    TimeSpan? LeaseLength { get; }

    /// <summary>
    /// Why this process may not write any more, ever: another owner has its partitions, or only a restart can tell what
    /// is stored. Null while it may.
    /// </summary>
    string? Lost { get; }

    /// <summary>
    /// Opens or creates the store, migrates it, takes it for this process alone and raises the epoch of every
    /// partition. Throws <see cref="StoreException"/> with a message for the operator: in use by another process, newer
    /// schema, other partition count, no rights, damaged.
    /// </summary>
    /// <returns>Epoch and projected sequence number per partition.</returns>
    IReadOnlyList<ProjectedMark> Open(int partitionCount);

    /// <summary>
    /// Appends one journal row holding <paramref name="body"/> to a stream; durable (synced) when it returns
    /// <c>Committed</c>. On a refusal <see cref="LastError"/> says why.
    /// </summary>
    /// <param name="stream">Below <see cref="StreamCount"/>.</param>
    /// <param name="partitions">The partitions that have records in it, with the epochs they were made under.</param>
    /// <param name="body">What <see cref="ReadJournal"/> gives back.</param>
    CommitResult Commit(int stream, ReadOnlySpan<ProjectedMark> partitions, ReadOnlyMemory<byte> body);

    /// <summary>
    /// After an unknown commit, and before anything else is written to the stream: takes a new epoch, after which the
    /// commit can no longer come true by itself, and reads whether it is there.
    /// </summary>
    /// <returns>
    /// <c>Committed</c> or <c>Refused</c>: so the commit ended, for certain. <c>Unknown</c>: the store cannot be asked
    /// at present; ask again, unless it is <see cref="Lost"/>.
    /// </returns>
    CommitResult Resolve(int stream);

    /// <summary>Renews the right to fire what <see cref="Open"/> claimed.</summary>
    /// <returns>False: the store could not be asked, or what was claimed is <see cref="Lost"/>.</returns>
    bool RenewLease();

    /// <summary>Writes the batch and its marks in one transaction. Doing it twice changes nothing.</summary>
    CommitResult Project(ProjectionBatch batch);

    /// <summary>Why the last commit or projection was refused or unknown; empty when it was not.</summary>
    string LastError { get; }

    /// <summary>Reads the bodies of all journal rows in the order in which they were committed.</summary>
    void ReadJournal(JournalRowReader reader);

    /// <summary>
    /// Reads the plans whose wake instant lies in [<paramref name="fromMs"/>, <paramref name="toMs"/>).
    /// </summary>
    void LoadDue(long fromMs, long toMs, StoredPlanReader reader);

    /// <summary>
    /// Reads one plan and, when asked, all its descendants that have not ended or that have ended with open tasks (they
    /// have a wake instant). Nothing when it does not exist.
    /// </summary>
    void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader);

    /// <summary>Reads these plans, in no particular order. Those that do not exist are left out.</summary>
    void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader);

    /// <summary>
    /// Removes journal rows of a stream that are no longer needed: all up to and including the row that was committed
    /// to it as number <paramref name="rowCount"/> since <see cref="Open"/>, those from before it included.
    /// </summary>
    void PruneJournal(int stream, long rowCount);

    /// <summary>
    /// Removes ended plans with their tasks and errors, and tasks and errors of plans that go on, that ended before the
    /// cutoff; at most about <paramref name="rowsMax"/> rows a call. Returns how many; 0 when nothing is left to
    /// remove.
    /// </summary>
    int PruneHistory(long cutoffMs, int rowsMax);

    void AddUser(UserView user);

    /// <summary>The oldest user of that exact name.</summary>
    UserView? FindUser(string name);

    bool UserExists(UserId id);

    StoredPlan? FindPlan(PlanId id);

    /// <summary>A user's plans, newest (highest id) first.</summary>
    IReadOnlyList<StoredPlan> ListPlans(UserId user, int skip, int take);

    /// <summary>
    /// A user's plans in descending order of their ids, those below <paramref name="below"/> only; from the highest
    /// when it is null. The next page is below the last plan of this one: page by page to the end, every plan that was
    /// there all the time comes exactly once. So do the rows of the other lists below something.
    /// </summary>
    IReadOnlyList<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take);

    /// <summary>How many plans of a user are stored; a kept counter, not a count.</summary>
    long CountPlans(UserId user);

    /// <summary>
    /// The plan's ended tasks, occurrences by number and hooks after their occurrence; the last <paramref name="take"/>
    /// of them.
    /// </summary>
    IReadOnlyList<StoredTask> ListTasks(PlanId id, int take);

    /// <summary>
    /// The plan's ended tasks, the latest first, those before <paramref name="below"/> in the order of <see
    /// cref="ListTasks"/> only.
    /// </summary>
    IReadOnlyList<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take);

    IReadOnlyList<StoredError> ListErrors(PlanId id, int take);

    /// <summary>
    /// The plan's errors, those of the latest task first and of one task the last attempt first, those before <paramref
    /// name="below"/> only.
    /// </summary>
    IReadOnlyList<StoredError> ListErrorsBelow(PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take);

    /// <summary>One ended task; null when it is not there.</summary>
    StoredTask? FindTask(TaskKey key);

    /// <summary>The result of an ended task; null when it has none or is not there.</summary>
    byte[]? FindResult(TaskKey key);

    /// <summary>Dead letters in descending order of their key, those below <paramref name="below"/> only.</summary>
    IReadOnlyList<StoredTask> ListDead(TaskKey? below, int take);

    /// <summary>
    /// Takes these out of the dead letters; their tasks stay as failed. Those that are none are left out. Returns how
    /// many were taken out.
    /// </summary>
    int DropDead(IReadOnlyCollection<TaskKey> keys);

    /// <summary>
    /// Stores an operation, or its new state. A stop that was asked for stays so. Returns it as it is now; null, and
    /// nothing is stored, when the stored one has another version.
    /// </summary>
    StoredOperation? PutOperation(StoredOperation operation);

    /// <summary>Asks whoever carries it out to stop. Null: there is no such operation.</summary>
    StoredOperation? StopOperation(Guid id);

    /// <summary>One operation; null when it is not there.</summary>
    StoredOperation? FindOperation(Guid id);

    /// <summary>Those that run first, and of each kind the one that was written last first.</summary>
    IReadOnlyList<StoredOperation> ListOperations(int take);

    /// <summary>Answers when the store works; throws <see cref="StoreException"/> when it does not.</summary>
    void Ping();
}

/// <summary>Gets the body of one journal row; the bytes are valid during the call only.</summary>
public delegate void JournalRowReader(ReadOnlySpan<byte> body);

/// <summary>Gets one stored plan; the bytes are valid during the call only.</summary>
public delegate void StoredPlanReader(PlanId id, ReadOnlySpan<byte> memo, ReadOnlySpan<byte> body);

/// <summary>A plan's row as the tables have it, for answers.</summary>
public sealed record StoredPlan(
    PlanId Id, UserId User, PlanId Parent, int Partition, PlanState State, long CreatedMs, long UpdatedMs,
    byte[] Memo, byte[] Body);

/// <summary>
/// An ended task's row as the tables have it, for answers; its fields are those of <see cref="TaskRow"/>.
/// </summary>
/// <param name="ResultBytes">
/// How long its result is, which <see cref="IStore.FindResult"/> reads: lists would be large with it. Null when it has
/// none.
/// </param>
public sealed record StoredTask(
    TaskKey Key, PlanTaskState State, SkipReason Reason, long OccurrenceTo, long CreatedMs, long DueMs, long StartedMs,
    long FinishedMs, int Attempts, int? ResultBytes)
{
    public FailureClass Failure { get; init; }
}

public sealed record StoredError(
    TaskKey Key, int Attempt, long AtMs, string Text, FailureClass Failure = FailureClass.Other);

/// <summary>The store failed; the message is for the operator.</summary>
public sealed class StoreException : Exception
{
    public StoreException(string message) : base(message)
    {
    }

    public StoreException()
    {
    }

    public StoreException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
