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
/// Calls block; each group has one caller thread at a time: <see cref="Commit"/> the journal writer,
/// <see cref="Project"/> the projector. All others may be called from any thread, at any time between
/// <see cref="Open"/> and <c>Dispose</c>. Reading methods throw <see cref="StoreException"/> when the store fails.
/// </remarks>
public interface IStore : IDisposable
{
    /// <summary>
    /// Opens or creates the store, migrates it, takes it for this process alone and raises the epoch of every
    /// partition. Throws <see cref="StoreException"/> with a message for the operator: in use by another process, newer
    /// schema, other partition count, no rights, damaged.
    /// </summary>
    /// <returns>Epoch and projected sequence number per partition.</returns>
    IReadOnlyList<ProjectedMark> Open(int partitionCount);

    /// <summary>
    /// Appends one journal row holding <paramref name="body"/>; durable (synced) when it returns <c>Committed</c>. On a
    /// refusal <see cref="LastError"/> says why.
    /// </summary>
    CommitResult Commit(ReadOnlySpan<byte> body);

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

    /// <summary>
    /// Removes journal rows that are no longer needed: all up to and including the row that was committed as number
    /// <paramref name="rowCount"/> since <see cref="Open"/>, those from before it included.
    /// </summary>
    void PruneJournal(long rowCount);

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

    /// <summary>How many plans of a user are stored; a kept counter, not a count.</summary>
    long CountPlans(UserId user);

    /// <summary>
    /// The plan's ended tasks, occurrences by number and hooks after their occurrence; the last <paramref name="take"/>
    /// of them.
    /// </summary>
    IReadOnlyList<TaskRow> ListTasks(PlanId id, int take);

    IReadOnlyList<StoredError> ListErrors(PlanId id, int take);

    /// <summary>One ended task; null when it is not there.</summary>
    TaskRow? FindTask(TaskKey key);

    /// <summary>Dead letters in descending order of their key, those below <paramref name="below"/> only.</summary>
    IReadOnlyList<TaskRow> ListDead(TaskKey? below, int take);

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

public sealed record StoredError(TaskKey Key, int Attempt, long AtMs, string Text);

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
