using Karya.Engine.Journal;
using Karya.Node;
using Karya.Node.Storage;
using Karya.Simulation.Judging;

namespace Karya.Simulation.Stores;

/// <summary>A partition under an epoch.</summary>
internal readonly record struct SeenEpoch(int Partition, long Epoch);

/// <summary>A partition whose epoch was raised by somebody since.</summary>
internal readonly record struct StaleEpoch(int Partition, long Epoch, string Owner);

/// <summary>
/// What has become of an unknown commit, and under which epochs its owner may go on; 0 for what it lost.
/// </summary>
internal sealed record Resolution(IReadOnlyList<SeenEpoch> Epochs, bool IsRowThere);

/// <summary>
/// The database of a simulated cluster: leases, fences, journal streams and tables, and who may change them. Each call
/// is one moment; when moments happen, and which answers arrive, is decided elsewhere.
/// </summary>
/// <remarks>
/// <code>
/// commit:  Begin (checks the epochs, share-locks the fence of its stream) ── time ── Finish (writes, unlocks)
/// claim:   waits until no transaction holds the fences of the streams that the partitions were written to; raises
///          epochs and fences at once, so that what is read afterwards is complete
/// </code>
/// The semantics are those of the schema of <c>PostgresStore</c>, with several owners at once.
/// </remarks>
internal sealed class SimDatabase
{
    private readonly LeaseRow[] _leases;
    private readonly long[] _epochs;
    private readonly int[] _streams;
    private readonly long[] _marks;
    private readonly long[] _written;
    private readonly List<JournalRow> _journal = [];
    private readonly List<SimTransaction> _open = [];
    private int _streamCount;

    public SimDatabase(int partitionCount)
    {
        _leases = new LeaseRow[partitionCount];
        for (int i = 0; i < partitionCount; i++)
            _leases[i] = new LeaseRow(i, 0, 0, "", 0, IsReleased: true);
        _epochs = new long[partitionCount];
        _streams = new int[partitionCount];
        Array.Fill(_streams, -1);
        _marks = new long[partitionCount];
        _written = new long[partitionCount];
    }

    public int PartitionCount => _leases.Length;

    public SimTables Tables { get; } = new();

    /// <summary>What the fence is there to prevent.</summary>
    public List<LateRow> LateRows { get; } = [];

    /// <summary>Nothing more is taken.</summary>
    public bool IsFull { get; set; }

    /// <summary>A journal stream that only this owner writes to.</summary>
    public int NewStream() => _streamCount++;

    public LeaseRow[] ReadLeases() => (LeaseRow[])_leases.Clone();

    /// <summary>Renews all that an owner has, and says what that is.</summary>
    public int[] Renew(string owner)
    {
        var renewed = new List<int>();
        for (int i = 0; i < _leases.Length; i++)
        {
            if (_leases[i].Owner != owner || _leases[i].IsReleased)
                continue;
            _leases[i] = _leases[i] with { RenewSeq = _leases[i].RenewSeq + 1 };
            renewed.Add(i);
        }

        return [.. renewed];
    }

    public bool Release(string owner, int partition, long epoch)
    {
        if (_leases[partition].Owner != owner || _leases[partition].Epoch != epoch)
            return false;
        _leases[partition] = _leases[partition] with { IsReleased = true };
        return true;
    }

    /// <summary>Takes those that still look as they were seen: released, or not renewed since, or one's own.</summary>
    public IReadOnlyList<ClaimedPartition> Claim(
        string owner, long leaseMs, IReadOnlyList<SeenLease> wanted, IReadOnlyList<int> newStreams)
    {
        CheckIsFree(StreamsOf(wanted));
        var claimed = new List<ClaimedPartition>();
        for (int i = 0; i < wanted.Count; i++)
        {
            var (partition, epoch, renewSeq) = wanted[i];
            var lease = _leases[partition];
            bool isFree = lease.IsReleased || lease.RenewSeq == renewSeq || lease.Owner == owner;
            if (lease.Epoch == epoch && isFree)
                claimed.Add(Take(partition, owner, leaseMs, newStreams[i]));
        }

        return claimed;
    }

    /// <summary>
    /// Takes a new epoch for what is still the owner's, and looks whether a row of its stream is there. No batch that
    /// was sent before can commit afterwards.
    /// </summary>
    public Resolution Resolve(string owner, long leaseMs, int stream, IReadOnlyList<SeenEpoch> owned, long row)
    {
        CheckIsFree([stream]);
        var epochs = new SeenEpoch[owned.Count];
        for (int i = 0; i < epochs.Length; i++)
        {
            var (partition, epoch) = owned[i];
            bool isOurs = _leases[partition].Owner == owner && !_leases[partition].IsReleased;
            long taken = isOurs ? Take(partition, owner, leaseMs, stream).Epoch : 0;
            epochs[i] = new SeenEpoch(partition, taken);
        }

        return new Resolution(epochs, HasRow(stream, row));
    }

    /// <summary>The streams whose fences a claim of these has to lock.</summary>
    public IReadOnlyCollection<int> StreamsOf(IReadOnlyList<SeenLease> wanted)
    {
        var streams = new SortedSet<int>();
        foreach (var lease in wanted)
            streams.Add(_streams[lease.Partition]);
        return streams;
    }

    public bool HasOpenTransactions(IReadOnlyCollection<int> streams)
    {
        foreach (var transaction in _open)
        {
            if (streams.Contains(transaction.Stream))
                return true;
        }

        return false;
    }

    /// <summary>Begins a transaction: an append to the journal, or a projection.</summary>
    /// <param name="stream">Of the writer; its fence is share-locked until the end.</param>
    /// <param name="marks">Partitions and the epochs that the batch is written under.</param>
    public SimTransaction Begin(int stream, ReadOnlySpan<ProjectedMark> marks)
    {
        var stale = new List<StaleEpoch>();
        foreach (ref readonly var mark in marks)
        {
            bool isStale = _epochs[mark.Partition] != mark.Epoch;
            if (isStale)
            {
                stale.Add(new StaleEpoch(
                    mark.Partition, _leases[mark.Partition].Epoch, _leases[mark.Partition].Owner));
            }
        }

        var transaction = new SimTransaction(stream, marks.ToArray(), stale);
        if (stale.Count == 0)
            _open.Add(transaction);
        return transaction;
    }

    /// <summary>Ends an append.</summary>
    public SimTransaction Append(SimTransaction transaction, long number, byte[] body)
    {
        if (!_open.Remove(transaction) || IsFull || HasRow(transaction.Stream, number))
            return transaction;
        _journal.Add(new JournalRow(transaction.Stream, number, transaction.Marks, body));
        NoteEpochs(transaction.Marks);
        transaction.IsCommitted = true;
        return transaction;
    }

    /// <summary>Ends a projection. What is there already is not written twice, and no mark goes back.</summary>
    public SimTransaction Project(SimTransaction transaction, ProjectionBatch batch)
    {
        if (!_open.Remove(transaction) || IsFull)
            return transaction;
        transaction.IsCommitted = true;
        if (transaction.Marks.Length > 0
            && Array.TrueForAll(transaction.Marks, mark => _marks[mark.Partition] >= mark.Sequence))
        {
            return transaction;
        }

        Tables.Write(batch);
        foreach (ref readonly var mark in batch.Marks.Span)
            _marks[mark.Partition] = Math.Max(_marks[mark.Partition], mark.Sequence);
        return transaction;
    }

    /// <summary>The database went down: whatever was open is undone.</summary>
    public void AbortAll() => _open.Clear();

    public long ReadMark(int partition) => _marks[partition];

    /// <summary>All rows, in the order in which they were committed.</summary>
    public void ReadJournal(JournalRowReader reader)
    {
        foreach (var row in _journal)
            reader(row.Body);
    }

    /// <summary>The rows that have records of a partition.</summary>
    public void ReadJournalOf(int partition, JournalRowReader reader)
    {
        foreach (var row in _journal)
        {
            if (Array.Exists(row.Marks, mark => mark.Partition == partition))
                reader(row.Body);
        }
    }

    /// <summary>Removes a stream's rows up to a number.</summary>
    public void PruneJournal(int stream, long number) =>
        _journal.RemoveAll(row => row.Stream == stream && row.Number <= number);

    /// <summary>
    /// Removes the rows of other streams, whose writers are gone, that hold nothing which the tables lack.
    /// </summary>
    public void PruneBefore(Predicate<int> isOld) => _journal.RemoveAll(row => isOld(row.Stream));

    private void NoteEpochs(ProjectedMark[] marks)
    {
        foreach (var mark in marks)
        {
            if (mark.Epoch < _written[mark.Partition])
                LateRows.Add(new LateRow(mark.Partition, mark.Epoch, _written[mark.Partition]));
            _written[mark.Partition] = Math.Max(_written[mark.Partition], mark.Epoch);
        }
    }

    private bool HasRow(int stream, long number) =>
        _journal.Exists(stored => stored.Stream == stream && stored.Number == number);

    private ClaimedPartition Take(int partition, string owner, long leaseMs, int stream)
    {
        var lease = _leases[partition];
        _leases[partition] = new LeaseRow(
            partition, lease.Epoch + 1, lease.RenewSeq + 1, owner, leaseMs, IsReleased: false);
        _epochs[partition] = lease.Epoch + 1;
        _streams[partition] = stream;
        return new ClaimedPartition(partition, lease.Epoch + 1);
    }

    private void CheckIsFree(IReadOnlyCollection<int> streams)
    {
        if (HasOpenTransactions(streams))
            throw new InvalidOperationException("A claim has to wait for the transactions that hold the fence.");
    }

    private sealed record JournalRow(int Stream, long Number, ProjectedMark[] Marks, byte[] Body);
}

/// <summary>A transaction that was begun; refused when something was stale.</summary>
internal sealed class SimTransaction(int stream, ProjectedMark[] marks, IReadOnlyList<StaleEpoch> stale)
{
    public int Stream => stream;

    public ProjectedMark[] Marks => marks;

    public IReadOnlyList<StaleEpoch> Stale => stale;

    public bool IsCommitted { get; set; }
}
