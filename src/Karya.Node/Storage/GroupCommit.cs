using System.Buffers;
using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>
/// The writer of one journal stream: whatever its shards handed over while the last batch was being written goes into
/// the next one, as one row. No lingering: the batch grows by itself when the store is slow.
/// </summary>
/// <remarks>
/// <para>One thread of its own. Shards call <see cref="Post"/>; "durable up to n" goes back into their inboxes.</para>
/// <para>What lies here is bounded by water marks: above the high one its shards hold their intake and start no
/// attempts, below the low one they go on.</para>
/// <para>A refused batch (disk full, say) is surely not stored: it is written again until it is, with intake held, so
/// that memory is never ahead of a store that forgot something. After an unknown one the store takes a new epoch and
/// reads whether the batch is there; memory is what the journal makes of it, so that nothing has to be reloaded. When
/// the store is lost to this process, so is what this node does, see <see cref="Failed"/>.</para>
/// </remarks>
internal sealed class GroupCommit : IDisposable
{
    /// <summary>
    /// Bytes of one row: some milliseconds of the store's time, so that nobody waits long behind a large batch.
    /// </summary>
    private const int RowBytesTarget = 2 * 1024 * 1024;

    /// <summary>
    /// Turns of shards in one row, however small they are: what recovery replays between two looks at the clock.
    /// </summary>
    private const int ChunksPerRowMax = 4096;

    private const long BacklogBytesHigh = 16L * 1024 * 1024;
    private const long BacklogBytesLow = BacklogBytesHigh / 2;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(200);

    private readonly IStore _store;
    private readonly int _stream;
    private readonly ShardInbox?[] _inboxes;
    private readonly Mailbox<JournalChunk> _mailbox = new();
    private readonly ArrayBufferWriter<byte> _row = new(1024 * 1024);
    private readonly Rows<ProjectedMark> _partitions = new();
    private readonly HashSet<(int Partition, long Epoch)> _seen = [];
    private readonly JournalRows _rows = new();
    private readonly Thread _thread;
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _holdLock = new();
    private readonly object _durableLock = new();
    private readonly long[] _durable;
    private long _backlogBytes;
    private bool _isHeld;
    private bool _isDisposed;
    private volatile string? _trouble;

    /// <param name="store">The store.</param>
    /// <param name="stream">Its number.</param>
    /// <param name="inboxes">Of all shards of the node, by their numbers; null for those of other streams.</param>
    public GroupCommit(IStore store, int stream, ShardInbox?[] inboxes)
    {
        _store = store;
        _stream = stream;
        _inboxes = inboxes;
        _durable = new long[inboxes.Length];
        _thread = new Thread(Run) { Name = $"karya-journal-{stream}", IsBackground = true };
    }

    /// <summary>Which of its rows the tables have made superfluous.</summary>
    public JournalRows Rows => _rows;

    /// <summary>Why the journal cannot be written at present; null while it can.</summary>
    public string? Trouble => _trouble;

    /// <summary>Bytes of records that are not durable yet.</summary>
    public long BacklogBytes => Interlocked.Read(ref _backlogBytes);

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
        if (Interlocked.Add(ref _backlogBytes, chunk.RecordBytes) > BacklogBytesHigh)
            HoldIntake(true);
        _mailbox.Post(chunk);
    }

    /// <summary>Waits until the shard's records up to the position are durable.</summary>
    /// <returns>False: the writer has stopped and they are not.</returns>
    public bool WaitDurable(int shard, long position)
    {
        lock (_durableLock)
        {
            while (_durable[shard] < position && !_isDisposed && !_failed.Task.IsCompleted)
                Monitor.Wait(_durableLock);
            return _durable[shard] >= position;
        }
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
        while (_mailbox.TakeAll(chunks))
        {
            for (int first = 0; first < chunks.Count;)
            {
                int end = Fill(chunks, first);
                if (!Commit())
                    return;
                Report(chunks, first, end);
                first = end;
            }

            chunks.Clear();
        }
    }

    /// <summary>Puts chunks into the row until it is large enough, one at least.</summary>
    /// <returns>The first chunk that did not go in.</returns>
    private int Fill(List<JournalChunk> chunks, int first)
    {
        _row.ResetWrittenCount();
        _partitions.Clear();
        _seen.Clear();
        int next = first;
        while (next < chunks.Count && next - first < ChunksPerRowMax
            && (next == first || _row.WrittenCount < RowBytesTarget))
        {
            var chunk = chunks[next++];
            chunk.Seal();
            _row.Write(chunk.SealedBytes);
            foreach (ref readonly var partition in chunk.Partitions)
            {
                if (_seen.Add((partition.Partition, partition.Epoch)))
                    _partitions.Add() = partition;
            }
        }

        return next;
    }

    /// <returns>False: this node must not go on.</returns>
    private bool Commit()
    {
        while (true)
        {
            var result = _store.Commit(_stream, _partitions.Span, _row.WrittenMemory);
            if (result == CommitResult.Unknown)
                result = Resolve();
            switch (result)
            {
                case CommitResult.Committed:
                    _trouble = null;
                    return true;
                case CommitResult.Refused when _store.Lost is { } lost:
                    Fail(lost);
                    return false;
                case CommitResult.Refused:
                    _trouble = $"The journal cannot be written: {_store.LastError}";
                    HoldIntake(true);
                    if (_mailbox.Pause(RetryPause))
                        continue;
                    break;
            }

            Fail(_trouble!);
            return false;
        }
    }

    /// <summary>Asks what has become of the last commit until there is an answer, with intake held.</summary>
    /// <returns>Unknown only when there will be none: the store is lost, or the node stops.</returns>
    private CommitResult Resolve()
    {
        HoldIntake(true);
        while (true)
        {
            _trouble = $"Whether the last journal batch is stored is unknown: {_store.LastError}";
            var result = _store.Resolve(_stream);
            if (result != CommitResult.Unknown || _store.Lost is not null || !_mailbox.Pause(RetryPause))
                return result;
        }
    }

    private void Fail(string reason)
    {
        _trouble = reason;
        HoldIntake(true);
        lock (_durableLock)
        {
            _failed.TrySetResult(reason);
            Monitor.PulseAll(_durableLock);
        }

        foreach (var inbox in _inboxes)
            inbox?.PostJournalLost();
    }

    private void Report(List<JournalChunk> chunks, int first, int end)
    {
        long bytes = 0;
        lock (_durableLock)
        {
            for (int i = first; i < end; i++)
                _durable[chunks[i].Shard] = chunks[i].Position;
            _rows.Add(_durable);
            Monitor.PulseAll(_durableLock);
        }

        for (int i = first; i < end; i++)
        {
            bytes += chunks[i].RecordBytes;
            _inboxes[chunks[i].Shard]!.PostDurable(chunks[i].Position, chunks[i]);
        }

        if (Interlocked.Add(ref _backlogBytes, -bytes) <= BacklogBytesLow)
            HoldIntake(false);
    }

    private void HoldIntake(bool isHeld)
    {
        lock (_holdLock)
        {
            if (isHeld == _isHeld)
                return;
            _isHeld = isHeld;
            foreach (var inbox in _inboxes)
                inbox?.HoldIntake(isHeld);
        }
    }
}
