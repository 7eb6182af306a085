using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>
/// Writes behind: takes the batches that the shards fill, waits until their records are durable in the journal, and
/// writes them to the tables. Also removes journal rows and history that nobody needs any more.
/// </summary>
/// <remarks>
/// One thread of its own. A batch that the store refuses is tried again until it goes in; the journal keeps its content
/// meanwhile.
/// </remarks>
internal sealed class Projector : IDisposable
{
    /// <summary>Some milliseconds of the store's time, for which a commit may have to wait.</summary>
    private const int HistoryRowsPerStep = 200;

    /// <summary>
    /// More than one row of the journal holds while it keeps up, less than it holds when intake is stopped.
    /// </summary>
    private const long BusyJournalBytes = 2 * 1024 * 1024;

    /// <summary>Changed plans that fill the largest batches, with time left until new ones are refused.</summary>
    private const long ChangedPlansMax = 4L * Limits.ProjectionRowsMax;

    private static readonly TimeSpan JournalWaitMax = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan JournalPause = TimeSpan.FromMilliseconds(2);

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    /// <summary>Between two steps, so that removing takes a small part of the store's time.</summary>
    private static readonly TimeSpan HistoryStepPause = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan HistoryPause = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan OldStreamsPause = TimeSpan.FromSeconds(5);

    private readonly IStore _store;
    private readonly IClusterStore? _shared;
    private readonly Journal _journal;
    private readonly IReadOnlyList<Shard> _shards;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _retention;
    private readonly Mailbox<(int Shard, ProjectionBatch? Batch)> _mailbox = new();
    private readonly Thread _thread;
    private readonly long[] _projected;
    private DateTimeOffset _historyDue;
    private DateTimeOffset _oldStreamsDue;
    private volatile string? _trouble;

    /// <param name="store">The store.</param>
    /// <param name="journal">Whose records come first.</param>
    /// <param name="shards">All of them.</param>
    /// <param name="retention">How long what has ended is kept.</param>
    /// <param name="clock">The store's.</param>
    /// <param name="shared">The same store when partitions come and go; null when they do not.</param>
    public Projector(
        IStore store, Journal journal, IReadOnlyList<Shard> shards, TimeSpan retention, TimeProvider clock,
        IClusterStore? shared = null)
    {
        _store = store;
        _shared = shared;
        _journal = journal;
        _shards = shards;
        _retention = retention;
        _clock = clock;
        _projected = new long[shards.Count];
        _historyDue = clock.GetUtcNow();
        _thread = new Thread(Run) { Name = "karya-projector", IsBackground = true };
    }

    /// <summary>Why the tables cannot be written at present; null while they can.</summary>
    public string? Trouble => _trouble;

    public void Start() => _thread.Start();

    public void Post(int shard, ProjectionBatch batch) => _mailbox.Post((shard, batch));

    /// <summary>Looks for history and journal rows to remove; called now and then when nothing else comes in.</summary>
    public void Nudge() => _mailbox.Post((0, null));

    public void Dispose()
    {
        _mailbox.Close();
        if (_thread.IsAlive)
            _thread.Join();
    }

    private void Run()
    {
        var batches = new List<(int Shard, ProjectionBatch? Batch)>();
        while (_mailbox.TakeAll(batches))
        {
            foreach (var (shard, batch) in batches)
            {
                if (batch is not null && !Write(shard, batch))
                    return;
            }

            batches.Clear();
            Prune();
        }
    }

    /// <returns>False: the node is stopping, and the journal keeps what was not written.</returns>
    private bool Write(int shard, ProjectionBatch batch)
    {
        if (!_journal.WaitDurable(shard, batch.DurablePosition))
            return false;

        LetJournalPass(shard);
        while (!IsAllLost(batch) && _store.Project(batch) != CommitResult.Committed)
        {
            _trouble = $"The tables cannot be written: {_store.LastError}";
            if (!_mailbox.Pause(RetryPause))
                return false;
        }

        _trouble = null;
        _shards[shard].Inbox.PostProjected();
        return true;
    }

    /// <summary>Takes out what is another's to write by now.</summary>
    /// <returns>True: nothing is left.</returns>
    private bool IsAllLost(ProjectionBatch batch)
    {
        if (_shared is null || batch.Marks.Count == 0)
            return false;
        var owned = _shared.Owned;
        ProjectionFilter.RemoveLost(
            batch, mark => owned.Covers(mark.Partition, mark.Epoch), owned.PartitionCount);
        return batch.Marks.Count == 0;
    }

    /// <summary>
    /// While the journal is behind, somebody waits for each of its rows; for ours only those who list plans, and the
    /// more changes meet in a batch, the cheaper it is. But not for long, and not when too many changes wait.
    /// </summary>
    private void LetJournalPass(int shard)
    {
        long started = _clock.GetTimestamp();
        while (_journal.BacklogBytes > BusyJournalBytes && _shards[shard].Status.ChangedPlans < ChangedPlansMax
            && _clock.GetElapsedTime(started) < JournalWaitMax && _mailbox.Pause(JournalPause))
        {
        }
    }

    private void Prune()
    {
        for (int i = 0; i < _projected.Length; i++)
            _projected[i] = _shards[i].Status.ProjectedPosition;

        try
        {
            _store.Ping();
            _journal.Prune(_projected);
            EmptyOldStreams();
            if (_clock.GetUtcNow() >= _historyDue)
                PruneHistory();
            _trouble = null;
        }
        catch (StoreException e)
        {
            _trouble = $"The store fails: {e.Message}"; // Nothing is lost by it; the next round tries again.
        }
    }

    private void EmptyOldStreams()
    {
        if (_shared is null || _clock.GetUtcNow() < _oldStreamsDue)
            return;
        _oldStreamsDue = _clock.GetUtcNow() + OldStreamsPause;
        _shared.EmptyOldStreams();
    }

    /// <summary>Goes on for as long as there is something to remove and nothing comes in, which goes first.</summary>
    private void PruneHistory()
    {
        int removed;
        do
        {
            var now = _clock.GetUtcNow();
            removed = _store.PruneHistory((now - _retention).ToUnixTimeMilliseconds(), HistoryRowsPerStep);
            if (removed == 0)
                _historyDue = now + HistoryPause;
        }
        while (removed > 0 && _mailbox.Pause(HistoryStepPause) && _mailbox.IsEmpty);
    }
}
