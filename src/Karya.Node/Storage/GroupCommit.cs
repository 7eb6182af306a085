using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>
/// The writer of one journal stream: does what its <see cref="CommitPipeline"/> decides.
/// </summary>
/// <remarks>
/// One thread of its own. Shards call <see cref="Post"/>; "durable up to n" goes back into their inboxes. When the
/// store is lost to this process, so is what this node does, see <see cref="Failed"/>.
/// </remarks>
internal sealed class GroupCommit : IDisposable
{
    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    private readonly IStore _store;
    private readonly int _stream;
    private readonly IntakeGate _gate;
    private readonly CommitPipeline _pipeline;
    private readonly JournalHolds _holds = new(); // Under the lock below.
    private readonly Mailbox<JournalChunk> _mailbox = new();
    private readonly Thread _thread;
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _durableLock = new(); // Not a Lock: the projector waits on it.
    private bool _isDisposed;
    private volatile string? _trouble;

    /// <param name="store">The store.</param>
    /// <param name="stream">Its number.</param>
    /// <param name="inboxes">Of all shards of the node, by their numbers; null for those of other streams.</param>
    /// <param name="isOurs">As <see cref="CommitPipeline"/> takes it.</param>
    public GroupCommit(
        IStore store, int stream, ShardInbox?[] inboxes, Predicate<ProjectedMark>? isOurs = null)
    {
        _store = store;
        _stream = stream;
        _gate = new IntakeGate(inboxes);
        _pipeline = new CommitPipeline(inboxes, _gate, isOurs);
        _thread = new Thread(Run) { Name = $"karya-journal-{stream}", IsBackground = true };
    }

    /// <summary>Which of its rows the tables have made superfluous.</summary>
    public JournalRows Rows => _pipeline.Rows;

    /// <summary>Why the journal cannot be written at present; null while it can.</summary>
    public string? Trouble => _trouble;

    /// <summary>Bytes of records that are not durable yet.</summary>
    public long BacklogBytes => _gate.Bytes;

    /// <summary>
    /// Completes with the reason when the store is lost to this process and the node has to start over.
    /// </summary>
    public Task<string> Failed => _failed.Task;

    public void Start() => _thread.Start();

    /// <summary>Takes a chunk over from a shard's thread.</summary>
    public void Post(JournalChunk chunk)
    {
        // Here and not by the writer, which may hang in a commit. Before the chunk can be written, so that the writer's
        // report of it, which lets intake go on, comes after.
        _gate.Add(chunk.RecordBytes);
        _mailbox.Post(chunk);
    }

    /// <summary>Waits until the shard's records up to the position are durable.</summary>
    /// <returns>False: the writer has stopped and they are not.</returns>
    public bool WaitDurable(int shard, long position)
    {
        lock (_durableLock)
        {
            while (_pipeline.DurableOf(shard) < position && !_isDisposed && !_failed.Task.IsCompleted)
                Monitor.Wait(_durableLock);
            return _pipeline.DurableOf(shard) >= position;
        }
    }

    /// <summary>A partition was lost: its next owner may need rows of this stream. Any thread.</summary>
    public void Hold(int partition)
    {
        lock (_durableLock)
            _holds.Add(partition, _pipeline.LastOf(partition));
    }

    /// <summary>It is this process's again, and its shard has it. Any thread.</summary>
    public void LetGo(int partition)
    {
        lock (_durableLock)
            _holds.Remove(partition);
    }

    /// <summary>Partitions because of which no row may be removed.</summary>
    public int[] Held()
    {
        lock (_durableLock)
            return [.. _holds.Partitions];
    }

    /// <summary>The tables have a partition's records up to a number.</summary>
    public void NoteProjected(int partition, long projected)
    {
        lock (_durableLock)
            _holds.Note(partition, projected, _pipeline.LastOf(partition));
    }

    /// <summary>Writes what is there, then stops.</summary>
    public void Dispose()
    {
        _mailbox.Close();
        if (_thread.IsAlive)
            _thread.Join();
        lock (_durableLock)
        {
            _isDisposed = true;
            Monitor.PulseAll(_durableLock);
        }
    }

    private void Run()
    {
        var chunks = new List<JournalChunk>();
        while (true)
        {
            switch (_pipeline.Step)
            {
                case CommitStep.Idle:
                    chunks.Clear();
                    if (!_mailbox.TakeAll(chunks))
                        return;
                    lock (_durableLock)
                    {
                        _pipeline.Add(chunks);
                        Monitor.PulseAll(_durableLock); // What is lost is done with, without being written.
                    }

                    break;
                case CommitStep.Write:
                    Answer(_store.Commit(_stream, _pipeline.Partitions, _pipeline.Row));
                    break;
                case CommitStep.Resolve:
                    Answer(_store.Resolve(_stream));
                    break;
                case CommitStep.Pause when _mailbox.Pause(RetryPause):
                    lock (_durableLock)
                    {
                        _pipeline.EndPause();
                        Monitor.PulseAll(_durableLock);
                    }

                    break;
                case CommitStep.Pause:
                    lock (_durableLock)
                        _pipeline.Stop();
                    break;
                case CommitStep.Stop:
                    End();
                    return;
            }
        }
    }

    private void Answer(CommitResult result)
    {
        lock (_durableLock)
        {
            _pipeline.Answer(result, _store.LastError, _store.Lost);
            _trouble = _pipeline.Trouble;
            Monitor.PulseAll(_durableLock);
        }
    }

    private void End()
    {
        lock (_durableLock)
        {
            _trouble = _pipeline.Trouble;
            _failed.TrySetResult(_trouble!);
            Monitor.PulseAll(_durableLock);
        }
    }
}
