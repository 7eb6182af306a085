using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Storage;
using Karya.Simulation.Kernel;
using Karya.Simulation.Stores;

namespace Karya.Simulation.Nodes;

/// <summary>
/// Writes one journal stream of a node: does what its <see cref="CommitPipeline"/> decides, against the database.
/// </summary>
internal sealed class JournalDriver
{
    private const long RetryPauseUs = 200_000;

    private readonly NodeProcess _process;
    private readonly SimNode _node;
    private readonly DatabaseServer _database;
    private readonly int _stream;
    private readonly IntakeGate _gate;
    private readonly CommitPipeline _pipeline;
    private readonly JournalHolds _holds = new();
    private readonly List<int> _partitions = [];
    private readonly List<long> _epochs = [];
    private long _rowLast;
    private long _pruned = -1;
    private bool _isBusy;

    public JournalDriver(
        NodeProcess process, SimNode node, DatabaseServer database, int stream, ShardInbox?[] inboxes)
    {
        _process = process;
        _node = node;
        _database = database;
        _stream = stream;
        _gate = new IntakeGate(inboxes);
        _pipeline = new CommitPipeline(
            inboxes, _gate, mark => process.Owned.Covers(mark.Partition, mark.Epoch));
    }

    public int Stream => _stream;

    public long DurableOf(int shard) => _pipeline.DurableOf(shard);

    public bool IsIdle => _pipeline.Step == CommitStep.Idle;

    public void Post(JournalChunk chunk)
    {
        _gate.Add(chunk.RecordBytes);
        _pipeline.Add([chunk]);
        Drive();
    }

    /// <summary>A partition was lost: its next owner may need rows of this stream.</summary>
    public void Hold(int partition) => _holds.Add(partition, _pipeline.LastOf(partition));

    /// <summary>It is this process's again, which knows by itself what of it the tables lack.</summary>
    public void LetGo(int partition) => _holds.Remove(partition);

    /// <summary>Removes what the tables have made superfluous.</summary>
    public void Prune(ReadOnlySpan<long> projected)
    {
        if (_holds.IsHeld)
        {
            _database.Counters.Count(Happening.PruneHeld);
            AskForMarks();
            return;
        }

        long superfluous = _pipeline.Rows.TakeSuperfluous(projected);
        if (superfluous <= _pruned)
            return;
        _pruned = superfluous;
        _database.Ask(
            _node, NodeProcess.ReadTimeoutUs,
            data =>
            {
                data.PruneJournal(_stream, superfluous);
                return true;
            },
            asked =>
            {
                if (asked.End == AskedEnd.Answered)
                    _database.Counters.Count(Happening.JournalPruned);
                else
                    _pruned = -1; // Once more, the next time.
            });
    }

    private void AskForMarks()
    {
        int[] held = [.. _holds.Partitions];
        _database.Ask(
            _node, NodeProcess.ReadTimeoutUs, data => Array.ConvertAll(held, data.ReadMark),
            asked =>
            {
                for (int i = 0; i < held.Length && asked.End == AskedEnd.Answered; i++)
                    _holds.Note(held[i], asked.Value![i], _pipeline.LastOf(held[i]));
            });
    }

    private void Drive()
    {
        _process.JournalMoved(); // Also by what was lost and is not written.
        if (_isBusy)
            return;
        switch (_pipeline.Step)
        {
            case CommitStep.Write:
                Write();
                break;
            case CommitStep.Resolve:
                Resolve();
                break;
            case CommitStep.Pause:
                _isBusy = true;
                _node.After(RetryPauseUs, () =>
                {
                    _isBusy = false;
                    _pipeline.EndPause();
                    Drive();
                });
                break;
        }
    }

    private void Write()
    {
        if (!_process.Owned.TryMap(_pipeline.Partitions, _partitions, _epochs))
        {
            Answer(CommitResult.Refused, "It was decided under an epoch that is over.");
            return;
        }

        _isBusy = true;
        var marks = new ProjectedMark[_partitions.Count];
        for (int i = 0; i < marks.Length; i++)
            marks[i] = new ProjectedMark { Partition = _partitions[i], Epoch = _epochs[i] };
        byte[] body = _pipeline.Row.ToArray();
        long row = _rowLast + 1;
        int[] streams = [_stream];
        _database.Transact<SimTransaction, SimTransaction>(
            _node, _process.CommitTimeoutUs, () => streams, isExclusive: false,
            data => data.Begin(_stream, marks),
            (data, begun) => data.Append(begun, row, body),
            EndWrite);
    }

    private void EndWrite(Asked<SimTransaction> asked)
    {
        _isBusy = false;
        switch (asked.End)
        {
            case AskedEnd.Answered when asked.Value!.IsCommitted:
                _rowLast++;
                Answer(CommitResult.Committed, "");
                break;
            case AskedEnd.Answered:
                _database.Counters.Count(
                    asked.Value!.Stale.Count > 0 ? Happening.StaleCommit : Happening.RefusedCommit);
                _process.LookAgain(asked.Value.Stale);
                Answer(CommitResult.Refused, "stale or full");
                break;
            case AskedEnd.NotDone:
                Answer(CommitResult.Refused, "no connection");
                break;
            default:
                Answer(CommitResult.Unknown, "no answer");
                break;
        }
    }

    /// <summary>
    /// Takes new epochs, after which the row that was sent can no longer come true, and looks for it.
    /// </summary>
    private void Resolve()
    {
        _isBusy = true;
        var owned = _process.OwnedOf(_stream);
        long row = _rowLast + 1;
        int[] streams = [_stream];
        _database.Transact(
            _node, NodeProcess.ReadTimeoutUs, () => streams, isExclusive: true,
            data => data.Resolve(_process.Identity.Owner, _process.LeaseMs, _stream, owned, row),
            (_, resolved) => resolved,
            asked =>
            {
                _isBusy = false;
                if (asked.End != AskedEnd.Answered)
                {
                    Answer(CommitResult.Unknown, "no answer");
                    return;
                }

                bool isThere = asked.Value!.IsRowThere;
                _database.Counters.Count(
                    isThere ? Happening.UnknownCommitStored : Happening.UnknownCommitNotStored);
                _process.Resolved(asked.Value.Epochs);
                if (isThere)
                    _rowLast++;
                Answer(isThere ? CommitResult.Committed : CommitResult.Refused, "it was not stored");
            });
    }

    private void Answer(CommitResult result, string error)
    {
        _pipeline.Answer(result, error, lost: null);
        Drive();
    }
}
