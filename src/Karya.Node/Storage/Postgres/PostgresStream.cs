using System.Globalization;
using Karya.Engine.Journal;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// One journal stream: a connection that appends rows, and two segments (tables) that take turns, so that what is no
/// longer needed is truncated as a whole.
/// </summary>
/// <remarks>
/// <code>
/// row ids:  generation of the last claim (24 bits) | number of the row since then (40 bits): what a partition's owners
///           wrote is in their order, whatever streams they wrote it to
///
/// journal_S_0  [ in the tables │ needed ]          journal_S_1  [ needed, being written ]
///                              └ pruned                  when it is large, and 0 was all pruned and truncated: go on
///                                                        there
/// </code>
/// <see cref="Append"/> and <see cref="Resolve"/> belong to the writer's thread, <see cref="Prune"/> to the
/// projector's.
/// </remarks>
internal sealed class PostgresStream : IDisposable
{
    public const int SegmentCount = 2;

    /// <summary>Rows of one claim: at a million a second, for twelve days; the next claim starts anew.</summary>
    private const int RowBits = 40;

    /// <summary>When the other segment is free, the one that has grown this large is left.</summary>
    private const long SegmentBytesTarget = 64L * 1024 * 1024;

    private readonly int _stream;
    private readonly PostgresOwnership _ownership;
    private readonly StoreClock _clock;
    private readonly ILogger _log;
    private readonly PostgresLink _link;
    private readonly int _timeoutSeconds;
    private readonly Lock _lock = new();
    private readonly List<int> _partitions = [];
    private readonly List<long> _epochs = [];
    private readonly NpgsqlBatch?[] _batches = new NpgsqlBatch?[SegmentCount];
    private int _batchesOf;
    private int _number;
    private long _sentId;

    // The rest is shared with the pruning, under the lock.
    private readonly List<(long Count, long Base)> _bases = [];
    private long _generation; // That the next row begins; 0 for none.
    private long _rowCount;
    private long _lastId;
    private int _segment;
    private long _segmentBytes;
    private long _otherLast;
    private bool _isOtherEmpty;

    public PostgresStream(
        int stream, PostgresSettings settings, PostgresOwnership ownership, StoreClock clock, NpgsqlDataSource source)
    {
        _stream = stream;
        _ownership = ownership;
        _clock = clock;
        _log = settings.Log;
        _link = new PostgresLink(source);
        _timeoutSeconds = PostgresSource.SecondsOf(settings.Lease / 2);
    }

    /// <summary>Why the last commit was not done; empty when it was.</summary>
    public string Error { get; private set; } = "";

    /// <summary>Finds out where the stream is. Before the first row, and when it is known which stream it is.</summary>
    public void Open(NpgsqlConnection connection, long generation)
    {
        _number = _ownership.NumberOf(_stream);
        long[] last = new long[SegmentCount];
        for (int segment = 0; segment < SegmentCount; segment++)
        {
            using var command = new NpgsqlCommand(
                $"SELECT coalesce(max(id), 0) FROM {TableOf(_number, segment)}", connection);
            last[segment] = (long)command.ExecuteScalar()!;
        }

        _bases.Add((0, generation << RowBits));
        _segment = last[1] > last[0] ? 1 : 0;
        _otherLast = last[1 - _segment];
        _isOtherEmpty = _otherLast == 0;
        using var size = new NpgsqlCommand("SELECT pg_table_size($1::regclass)", connection);
        size.Parameters.AddWithValue(TableOf(_number, _segment));
        _segmentBytes = (long)size.ExecuteScalar()!;
    }

    /// <summary>
    /// Numbers the rows from the next one on above all that anybody has written before: after a claim, and before the
    /// first row with records of what was claimed. Any thread.
    /// </summary>
    public void BeginGeneration(long generation)
    {
        lock (_lock)
            _generation = generation;
    }

    public CommitResult Append(ReadOnlySpan<ProjectedMark> partitions, ReadOnlyMemory<byte> body)
    {
        if (!_ownership.Owned.TryMap(partitions, _partitions, _epochs))
            return Refuse("It was decided under an epoch that is over.");

        NpgsqlBatch batch;
        try
        {
            batch = BatchFor(ChooseSegment());
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            _link.Drop();
            return Refuse(PostgresFailure.Describe(e)); // Nothing was sent.
        }

        _sentId = NextId();
        ((NpgsqlParameter<long>)batch.BatchCommands[1].Parameters[0]).TypedValue = _sentId;
        ((NpgsqlParameter<ReadOnlyMemory<byte>>)batch.BatchCommands[1].Parameters[1]).TypedValue = body;
        try
        {
            Run(batch);
        }
        catch (Exception e) when (PostgresFailure.IsSurelyUndone(e))
        {
            return RefuseAndLook(e);
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            Error = PostgresFailure.Describe(e);
            return CommitResult.Unknown;
        }

        Count(body.Length);

        Error = "";
        return CommitResult.Committed;
    }

    /// <summary>Takes a new epoch, and then reads whether the row that was sent last is there.</summary>
    public CommitResult Resolve()
    {
        var outcome = FindOut();
        if (outcome != CommitResult.Unknown)
            PostgresLog.CommitResolved(_log, _number, outcome);
        return outcome;
    }

    private CommitResult FindOut()
    {
        int givenUp = _link.SessionId;
        _link.Drop();
        try
        {
            var connection = _link.Open();
            if (givenUp != 0)
                _ownership.EndSession(connection, givenUp);
            if (!_ownership.ClaimAgain(connection, _stream))
                return Refuse(_ownership.Lost!);
            using var command = new NpgsqlCommand(
                $"SELECT EXISTS (SELECT FROM {TableOf(_number, 0)} WHERE id = $1) "
                + $"OR EXISTS (SELECT FROM {TableOf(_number, 1)} WHERE id = $1)",
                connection);
            command.CommandTimeout = _timeoutSeconds;
            command.Parameters.AddWithValue(_sentId);
            if (!(bool)command.ExecuteScalar()!)
                return Refuse("The connection broke before the batch was stored.");
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            _link.Drop();
            Error = PostgresFailure.Describe(e);
            return CommitResult.Unknown;
        }

        Count(bytes: 0);
        Error = "";
        return CommitResult.Committed;
    }

    /// <summary>
    /// Notes that rows up to a number since the claim are not needed, and truncates the segment that is not being
    /// written once all of it is.
    /// </summary>
    public void Prune(NpgsqlConnection connection, long rowCount)
    {
        long pruned = IdOf(rowCount);
        using (var mark = new NpgsqlCommand(
            "UPDATE journal_pruned SET id = $2 WHERE stream = $1 AND id < $2", connection))
        {
            mark.Parameters.AddWithValue(_number);
            mark.Parameters.AddWithValue(pruned);
            mark.ExecuteNonQuery();
        }

        int other;
        lock (_lock)
        {
            if (_isOtherEmpty || _otherLast > pruned)
                return;
            other = 1 - _segment;
        }

        if (!Truncate(connection, other))
            return;
        lock (_lock)
            _isOtherEmpty = true;
    }

    public static string TableOf(int stream, int segment) =>
        string.Create(CultureInfo.InvariantCulture, $"journal_{stream}_{segment}");

    public void Dispose() => _link.Dispose();

    /// <summary>Not what another process has written to a stream that was taken from this one.</summary>
    private bool Truncate(NpgsqlConnection connection, int segment)
    {
        using var transaction = connection.BeginTransaction();
        using var look = new NpgsqlCommand(
            "SELECT 1 FROM journal_stream WHERE stream = $1 AND writer = $2 FOR SHARE", connection, transaction);
        look.Parameters.AddWithValue(_number);
        look.Parameters.AddWithValue(_ownership.Owner);
        if (look.ExecuteScalar() is null)
            return false;
        using var truncate = new NpgsqlCommand($"TRUNCATE {TableOf(_number, segment)}", connection, transaction);
        truncate.ExecuteNonQuery();
        transaction.Commit();
        return true;
    }

    private long NextId()
    {
        lock (_lock)
        {
            // Here, where no row is under way that would have an id of the last generation and be counted to this one.
            if (_generation != 0)
                _bases.Add((_rowCount, _generation << RowBits));
            _generation = 0;
            return _bases[^1].Base + (_rowCount - _bases[^1].Count) + 1;
        }
    }

    private void Count(int bytes)
    {
        lock (_lock)
        {
            _rowCount++;
            _lastId = _sentId;
            _segmentBytes += bytes;
        }
    }

    /// <summary>
    /// An id that no row up to that number is above, and no later one below. Generations that are not asked for any
    /// more are forgotten.
    /// </summary>
    private long IdOf(long rowCount)
    {
        lock (_lock)
        {
            while (_bases.Count > 1 && _bases[1].Count <= rowCount)
                _bases.RemoveAt(0);
            return _bases[0].Base + (rowCount - _bases[0].Count);
        }
    }

    private int ChooseSegment()
    {
        lock (_lock)
        {
            if (_segmentBytes >= SegmentBytesTarget && _isOtherEmpty)
            {
                _otherLast = _lastId;
                _isOtherEmpty = false;
                _segment = 1 - _segment;
                _segmentBytes = 0;
            }

            return _segment;
        }
    }

    private void Run(NpgsqlBatch batch)
    {
        long sent = _clock.GetTimestamp();
        using var reader = batch.ExecuteReader();
        reader.Read();
        long storeUs = reader.GetInt64(0);
        reader.NextResult();
        _clock.Learn(sent, _clock.GetTimestamp(), storeUs);
    }

    /// <summary>
    /// The fence and the row in one round trip. Without an explicit transaction a batch is one: all of it or nothing.
    /// </summary>
    private NpgsqlBatch BatchFor(int segment)
    {
        var connection = _link.Open();
        if (_batchesOf != _link.Generation)
        {
            Array.Clear(_batches);
            _batchesOf = _link.Generation;
        }

        if (_batches[segment] is { } known)
            return known;

        var batch = new NpgsqlBatch(connection) { Timeout = _timeoutSeconds };
        var fence = new NpgsqlBatchCommand("SELECT fence($1, $2, $3, $4)");
        fence.Parameters.Add(new NpgsqlParameter<int> { TypedValue = _number });
        fence.Parameters.Add(new NpgsqlParameter<string> { TypedValue = _ownership.Owner });
        fence.Parameters.Add(Lists.OfInt32(_partitions));
        fence.Parameters.Add(Lists.OfInt64(_epochs));
        var insert = new NpgsqlBatchCommand($"INSERT INTO {TableOf(_number, segment)} (id, body) VALUES ($1, $2)");
        insert.Parameters.Add(new NpgsqlParameter<long>());
        insert.Parameters.Add(new NpgsqlParameter<ReadOnlyMemory<byte>> { NpgsqlDbType = NpgsqlDbType.Bytea });
        batch.BatchCommands.Add(fence);
        batch.BatchCommands.Add(insert);
        batch.Prepare();
        _batches[segment] = batch;
        return batch;
    }

    private CommitResult Refuse(string why)
    {
        Error = why;
        return CommitResult.Refused;
    }

    private CommitResult RefuseAndLook(Exception refusal)
    {
        if (PostgresFailure.Is(refusal, PostgresFailure.ForeignStream))
            _ownership.LoseStream(_stream);
        if (PostgresFailure.Is(refusal, PostgresFailure.StaleEpoch))
        {
            try
            {
                _ownership.LookAgain(_link.Open());
            }
            catch (Exception e) when (PostgresFailure.IsOne(e))
            {
                _link.Drop(); // The next try finds out.
            }
        }

        return Refuse(_ownership.Lost ?? PostgresFailure.Describe(refusal));
    }
}
