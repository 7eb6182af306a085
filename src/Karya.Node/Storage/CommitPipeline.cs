using System.Buffers;
using Karya.Engine.Journal;
using Karya.Engine.Shards;

namespace Karya.Node.Storage;

/// <summary>What the driver of a <see cref="CommitPipeline"/> has to do next.</summary>
internal enum CommitStep
{
    /// <summary>Wait until there are chunks, and hand them in.</summary>
    Idle,

    /// <summary>Write the row to the store, and say how that ended.</summary>
    Write,

    /// <summary>Ask the store what has become of the row, under a new epoch, and say what it said.</summary>
    Resolve,

    /// <summary>Wait a moment, then end the pause.</summary>
    Pause,

    /// <summary>Stop: this process may not write any more.</summary>
    Stop,
}

/// <summary>
/// The policy of one journal stream: whatever shards handed over while the last batch was being written goes into the
/// next one, as one row. No lingering: the batch grows by itself when the store is slow. It decides; whoever drives it
/// waits, writes and asks.
/// </summary>
/// <remarks>
/// <code>
///   Idle ── chunks ──► Write ── committed ──► reports "durable up to n" ──► Write or Idle
///                      ▲  │ │
///                      │  │ └── unknown ──► Resolve ── unknown ──► Pause ──► Resolve
///                      │  │                   └── committed or refused, as below
///                      │  └── refused ──► Pause, with intake held
///                      └──────────────────┘
/// </code>
/// <para>A refused batch (disk full, say) is surely not stored: it is written again until it is, with intake held, so
/// that memory is never ahead of a store that forgot something. Before each write the records of partitions that are no
/// longer ours are taken out: the others must not wait for ever because of them, and their own replies have been failed
/// by then. After an unknown one the store takes a new epoch and reads whether the batch is there; memory is what the
/// journal makes of it, so that nothing has to be reloaded.</para>
/// <para>One thread at a time.</para>
/// </remarks>
/// <param name="inboxes">Of all shards of the node, by their numbers; null for those of other streams.</param>
/// <param name="gate">Holds their intake.</param>
/// <param name="isOurs">
/// Whether what was decided under a partition's epoch may be written; null when the store alone decides on it.
/// </param>
internal sealed class CommitPipeline(ShardInbox?[] inboxes, IntakeGate gate, Predicate<ProjectedMark>? isOurs = null)
{
    /// <summary>
    /// Bytes of one row: some milliseconds of the store's time, so that nobody waits long behind a large batch.
    /// </summary>
    private const int RowBytesTarget = 2 * 1024 * 1024;

    /// <summary>
    /// Turns of shards in one row, however small they are: what recovery replays between two looks at the clock.
    /// </summary>
    private const int ChunksPerRowMax = 4096;

    private readonly Queue<JournalChunk> _waiting = new();
    private readonly List<JournalChunk> _inRow = [];
    private readonly ArrayBufferWriter<byte> _row = new(4096);
    private readonly Rows<ProjectedMark> _partitions = new();
    private readonly HashSet<(int Partition, long Epoch)> _seen = [];
    private readonly long[] _durable = new long[inboxes.Length];
    private readonly Dictionary<int, long> _committed = [];
    private bool _isResolving;

    public CommitStep Step { get; private set; }

    /// <summary>The row to write, and the epochs that its records were decided under.</summary>
    public ReadOnlyMemory<byte> Row => _row.WrittenMemory;

    public ReadOnlySpan<ProjectedMark> Partitions => _partitions.Span;

    /// <summary>Which of its rows the tables have made superfluous.</summary>
    public JournalRows Rows { get; } = new();

    /// <summary>Why the journal cannot be written at present; null while it can.</summary>
    public string? Trouble { get; private set; }

    public long DurableOf(int shard) => _durable[shard];

    /// <summary>
    /// The number of the last record of a partition that this stream has stored, or may be storing; 0 for none.
    /// </summary>
    public long LastOf(int partition)
    {
        long last = _committed.GetValueOrDefault(partition);
        foreach (var chunk in _inRow)
        {
            foreach (ref readonly var mark in chunk.Partitions)
            {
                if (mark.Partition == partition)
                    last = Math.Max(last, mark.Sequence);
            }
        }

        return last;
    }

    /// <summary>Takes chunks over, in the order in which their shards filled them.</summary>
    public void Add(IReadOnlyList<JournalChunk> chunks)
    {
        foreach (var chunk in chunks)
            _waiting.Enqueue(chunk);
        if (Step == CommitStep.Idle)
            Advance();
    }

    /// <summary>How writing the row ended.</summary>
    /// <param name="result">As the store says it.</param>
    /// <param name="error">Why it was not committed.</param>
    /// <param name="lost">Why this process may never write again; null while it may.</param>
    public void Answer(CommitResult result, string error, string? lost)
    {
        switch (result)
        {
            case CommitResult.Committed:
                _isResolving = false;
                Trouble = null;
                Report();
                Advance();
                break;
            case CommitResult.Refused when lost is not null:
                Fail(lost);
                break;
            case CommitResult.Refused:
                _isResolving = false;
                Trouble = $"The journal cannot be written: {error}";
                gate.Hold(true);
                if (HoldsWhatIsLost())
                    WriteAgain();
                else
                    Step = CommitStep.Pause;
                break;
            default:
                AnswerUnknown(error, lost);
                break;
        }
    }

    public void EndPause()
    {
        if (_isResolving)
            Step = CommitStep.Resolve;
        else
            WriteAgain();
    }

    /// <summary>Nobody waits for the rest: the process ends, or must.</summary>
    public void Stop()
    {
        if (Step == CommitStep.Pause)
            Fail(Trouble!);
    }

    private void AnswerUnknown(string error, string? lost)
    {
        gate.Hold(true);
        Trouble = $"Whether the last journal batch is stored is unknown: {error}";
        bool hasAsked = _isResolving;
        _isResolving = true;
        if (hasAsked && lost is not null)
            Fail(Trouble);
        else
            Step = hasAsked ? CommitStep.Pause : CommitStep.Resolve;
    }

    /// <summary>Goes on with the next row, if there is something to write.</summary>
    private void Advance()
    {
        Step = CommitStep.Idle;
        while (Step == CommitStep.Idle && _waiting.Count > 0)
        {
            int bytes = 0;
            while (_waiting.Count > 0 && _inRow.Count < ChunksPerRowMax && (bytes == 0 || bytes < RowBytesTarget))
            {
                var chunk = _waiting.Dequeue();
                bytes += chunk.RecordBytes;
                _inRow.Add(chunk);
            }

            Step = Refill();
        }
    }

    private void WriteAgain()
    {
        Step = Refill();
        if (Step != CommitStep.Idle)
            return;
        Trouble = null; // It was about what is lost now; what waited behind it will show whether more is wrong.
        Advance();
    }

    /// <summary>Fills the row from its chunks, without what is no longer ours.</summary>
    private CommitStep Refill()
    {
        _row.ResetWrittenCount();
        _partitions.Clear();
        _seen.Clear();
        foreach (var chunk in _inRow)
        {
            if (HoldsWhatIsLost(chunk))
                RemoveLost(chunk);
            chunk.Seal();
            _row.Write(chunk.SealedBytes);
            foreach (ref readonly var partition in chunk.Partitions)
            {
                if (_seen.Add((partition.Partition, partition.Epoch)))
                    _partitions.Add() = partition;
            }
        }

        if (_partitions.Count > 0)
            return CommitStep.Write;
        Trouble = null;
        Report(); // All of it was lost: there is nothing to write.
        return CommitStep.Idle;
    }

    private bool HoldsWhatIsLost()
    {
        foreach (var chunk in _inRow)
        {
            if (HoldsWhatIsLost(chunk))
                return true;
        }

        return false;
    }

    private bool HoldsWhatIsLost(JournalChunk chunk)
    {
        if (isOurs is null)
            return false;
        foreach (ref readonly var mark in chunk.Partitions)
        {
            if (!isOurs(mark))
                return true;
        }

        return false;
    }

    private void RemoveLost(JournalChunk chunk)
    {
        int before = chunk.RecordBytes;
        chunk.Remove(mark => !isOurs!(mark));
        gate.Remove(before - chunk.RecordBytes);
    }

    private void Fail(string reason)
    {
        Trouble = reason;
        Step = CommitStep.Stop;
        gate.Hold(true);
        foreach (var inbox in inboxes)
            inbox?.PostJournalLost();
    }

    private void Report()
    {
        long bytes = 0;
        foreach (var chunk in _inRow)
        {
            _durable[chunk.Shard] = chunk.Position;
            bytes += chunk.RecordBytes;
            foreach (ref readonly var mark in chunk.Partitions)
                _committed[mark.Partition] = mark.Sequence;
        }

        if (_partitions.Count > 0)
            Rows.Add(_durable);
        foreach (var chunk in _inRow)
            inboxes[chunk.Shard]!.PostDurable(chunk.Position, chunk);
        _inRow.Clear();
        gate.Remove(bytes);
    }
}
