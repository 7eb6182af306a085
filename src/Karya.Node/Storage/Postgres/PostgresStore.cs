using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Node.Plans;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// The store for everybody who cannot afford to lose a file: a Postgres database, 14 or newer. Construct it,
/// <see cref="Open"/> it once, dispose it.
/// </summary>
/// <remarks>
/// <para>
/// Each journal stream, the projection and the lease have a connection and a thread of their own; questions share a
/// pool. What was answered is in the database's log on its disk (<c>synchronous_commit</c> is on in our sessions).
/// </para>
/// <para>
/// It is fenced by epochs that the database issues: a batch that was decided under another one commits nothing, whoever
/// sends it and however late it comes, see <see cref="PostgresOwnership"/>.
/// </para>
/// </remarks>
internal sealed class PostgresStore : IClusterStore
{
    private readonly PostgresSettings _settings;
    private readonly StoreClock _clock;
    private readonly NpgsqlDataSource _pool;
    private readonly NpgsqlDataSource _links;
    private readonly PostgresOwnership _ownership;
    private readonly PostgresStream[] _streams;
    private readonly PostgresProjection _projection;
    private readonly PostgresLink _leaseLink;
    private readonly PostgresReader _reader;
    private readonly PostgresDesk _desk;
    private readonly PostgresHistory _history;
    private readonly PostgresPartitions _partitions;
    private readonly int _leaseSeconds;
    private bool _isOpen;
    private bool _isDisposed;
    private bool _areOldStreamsPruned;

    public PostgresStore(PostgresSettings settings, TimeProvider machine)
    {
        _settings = settings;
        _clock = new StoreClock(machine);
        _ownership = new PostgresOwnership(settings, _clock);
        _pool = PostgresSource.Create(settings, _ownership.MarkSql, isPooled: true);
        _links = PostgresSource.Create(settings, _ownership.MarkSql, isPooled: false);
        _streams = new PostgresStream[settings.StreamCount];
        for (int stream = 0; stream < _streams.Length; stream++)
            _streams[stream] = new PostgresStream(stream, settings, _ownership, _clock, _links);
        _projection = new PostgresProjection(_ownership, _links);
        _leaseLink = new PostgresLink(_links);
        _reader = new PostgresReader(_pool);
        _desk = new PostgresDesk(_pool);
        _partitions = new PostgresPartitions(_reader);
        _history = new PostgresHistory(_pool, settings.Retention);
        _leaseSeconds = PostgresSource.SecondsOf(settings.Lease / 4);
    }

    public TimeProvider Clock => _clock;

    public int StreamCount => _settings.StreamCount;

    public int ReaderCount => _settings.ReaderCount;

    public TimeSpan? LeaseLength => _settings.Lease;

    public string? Lost => _ownership.Lost;

    /// <summary>
    /// The journal's error first: the two are written by different threads, and it is the graver one.
    /// </summary>
    public string LastError =>
        Array.Find(_streams, stream => stream.Error.Length > 0)?.Error ?? _projection.Error;

    public NodeIdentity Identity => _ownership.Identity;

    public string Secret { get; private set; } = "";

    public OwnedPartitions Owned => _ownership.Owned;

    public Action<int>? PartitionLost
    {
        get => _ownership.PartitionLost;
        set => _ownership.PartitionLost = value;
    }

    public IReadOnlyList<ProjectedMark> Open(int partitionCount) => Open(partitionCount, connection =>
    {
        for (int stream = 0; stream < _streams.Length; stream++)
            Run(connection, "SELECT open_stream($1)", stream);
        _ownership.ClaimAll(connection);
        OpenStreams(connection);
        return ReadAllMarks(connection);
    });

    public void Join(int partitionCount) => Open(partitionCount, connection =>
    {
        _areOldStreamsPruned = true; // They are others', see EmptyOldStreams.
        _ownership.TakeStreams(connection);
        OpenStreams(connection);
        Secret = PostgresPartitions.ReadSecret(connection);
        return true;
    });

    public CommitResult Commit(int stream, ReadOnlySpan<ProjectedMark> partitions, ReadOnlyMemory<byte> body) =>
        _streams[stream].Append(partitions, body);

    public CommitResult Resolve(int stream) => _streams[stream].Resolve();

    public CommitResult Project(ProjectionBatch batch) => _projection.Write(batch);

    public bool RenewLease()
    {
        try
        {
            RenewLeases();
            return Lost is null;
        }
        catch (StoreException)
        {
            return false;
        }
    }

    public IReadOnlyList<int> RenewLeases() => AskOnce(() =>
    {
        try
        {
            return _ownership.Renew(_leaseLink.Open(), _leaseSeconds);
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            _leaseLink.Drop();
            throw;
        }
    });

    public IReadOnlyList<LeaseRow> ReadLeases() => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        return PostgresOwnership.ReadLeases(connection);
    });

    public IReadOnlyList<ClusterNode> ReadNodes() => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        return PostgresPartitions.ReadNodes(connection);
    });

    public void Announce(ClusterNode me) => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        PostgresPartitions.Announce(connection, me);
        return true;
    });

    public IReadOnlyList<ClaimedPartition> Claim(IReadOnlyList<SeenLease> wanted) => AskOnce(() =>
    {
        using var connection = _pool.OpenConnection();
        var seen = wanted.ToHashSet();
        PostgresOwnership.EndSessions(connection, PostgresOwnership.ReadLeases(connection).Where(
            lease => lease.Owner != Identity.Owner && seen.Contains(PostgresOwnership.Seen(lease))));
        var claimed = _ownership.Claim(connection, wanted);
        if (claimed.Count > 0)
        {
            long generation = NextGeneration(connection);
            foreach (var stream in _streams)
                stream.BeginGeneration(generation);
        }

        return claimed;
    });

    public void Release(int partition, long epoch) => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        _ownership.Release(connection, partition, epoch);
        return true;
    });

    public IReadOnlyList<PartitionImage> LoadPartitions(IReadOnlyList<ClaimedPartition> claimed) => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        return _partitions.Load(connection, claimed, Owned.PartitionCount);
    });

    public IReadOnlyList<long> ReadMarks(IReadOnlyList<int> partitions) => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        return PostgresPartitions.ReadMarks(connection, [.. partitions]);
    });

    public int EmptyOldStreams() => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        try
        {
            return PostgresPartitions.EmptyOldStreams(connection);
        }
        catch (RecordDamagedException e)
        {
            throw new StoreException($"A journal stream that nobody writes any more is damaged: {e.Message}", e);
        }
    });

    public void ReadJournal(JournalRowReader reader) => AskOnce(() =>
    {
        using var connection = _pool.OpenConnection();
        new PostgresJournalReader(connection).Read(reader);
        return true;
    });

    public void PruneJournal(int stream, long rowCount) => Ask(() =>
    {
        using var connection = _pool.OpenConnection();
        _streams[stream].Prune(connection, rowCount);
        if (!_areOldStreamsPruned)
            PruneOldStreams(connection);
        return true;
    });

    public int PruneHistory(long cutoffMs, int rowsMax) => Ask(() =>
    {
        long nowMs = _clock.GetUtcNow().ToUnixTimeMilliseconds();
        _history.EnsureRanges(nowMs);
        return _history.Prune(cutoffMs, rowsMax, nowMs);
    });

    public void AddUser(UserView user) => Ask(() => _desk.AddUser(user));

    public void LoadDue(long fromMs, long toMs, StoredPlanReader reader) => AskOnce(() =>
    {
        _reader.LoadDue(fromMs, toMs, reader);
        return true;
    });

    public void LoadPlan(PlanId id, bool withDescendants, StoredPlanReader reader) => AskOnce(() =>
    {
        _reader.LoadPlan(id, withDescendants, reader);
        return true;
    });

    public void LoadPlans(IReadOnlyCollection<PlanId> ids, StoredPlanReader reader) => AskOnce(() =>
    {
        _reader.LoadPlans(ids, reader);
        return true;
    });

    public UserView? FindUser(string name) => Ask(() => _reader.FindUser(name));

    public bool UserExists(UserId id) => Ask(() => _reader.CountPlans(id)) is not null;

    public StoredPlan? FindPlan(PlanId id) => Ask(() => _reader.FindPlan(id));

    public IReadOnlyList<StoredPlan> ListPlans(UserId user, int skip, int take) =>
        Ask(() => _reader.ListPlans(user, skip, take));

    public IReadOnlyList<StoredPlan> ListPlansBelow(UserId user, PlanId? below, int take) =>
        Ask(() => _reader.ListPlansBelow(user, below, take));

    public long CountPlans(UserId user) => Ask(() => _reader.CountPlans(user)) ?? 0;

    public IReadOnlyList<StoredTask> ListTasks(PlanId id, int take) =>
        [.. ListTasksBelow(id, below: null, take).Reverse()];

    public IReadOnlyList<StoredTask> ListTasksBelow(PlanId id, (long Occurrence, int Hook)? below, int take) =>
        Ask(() => _reader.ListTasksBelow(id, below, take));

    public IReadOnlyList<StoredError> ListErrors(PlanId id, int take) =>
        [.. ListErrorsBelow(id, below: null, take).Reverse()];

    public IReadOnlyList<StoredError> ListErrorsBelow(
        PlanId id, (long Occurrence, int Hook, int Attempt)? below, int take) =>
        Ask(() => _reader.ListErrorsBelow(id, below, take));

    public StoredTask? FindTask(TaskKey key) => Ask(() => _reader.FindTask(key));

    public byte[]? FindResult(TaskKey key) => Ask(() => _reader.FindResult(key));

    public IReadOnlyList<StoredTask> ListDead(TaskKey? below, int take) => Ask(() => _reader.ListDead(below, take));

    public int DropDead(IReadOnlyCollection<TaskKey> keys) => Ask(() => _desk.DropDead(keys));

    public StoredOperation? PutOperation(StoredOperation operation) => Ask(() => _desk.PutOperation(operation));

    public StoredOperation? StopOperation(Guid id) => Ask(() => _desk.StopOperation(id));

    public StoredOperation? FindOperation(Guid id) => Ask(() => _desk.FindOperation(id));

    public IReadOnlyList<StoredOperation> ListOperations(int take) => Ask(() => _desk.ListOperations(take));

    public void Ping() => Ask(() =>
    {
        _reader.Ping();
        return true;
    });

    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        foreach (var stream in _streams)
            stream.Dispose();
        _projection.Dispose();
        if (_isOpen && Lost is null)
            Release();
        _leaseLink.Dispose();
        _links.Dispose();
        _pool.Dispose();
    }

    /// <summary>So that the next owner need not wait. When it fails, it waits.</summary>
    private void Release()
    {
        try
        {
            _ownership.ReleaseAll(_leaseLink.Open());
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            _leaseLink.Drop();
        }
    }

    private T Open<T>(int partitionCount, Func<NpgsqlConnection, T> claim)
    {
        Invariant.Check(!_isOpen);
        try
        {
            using var connection = _links.OpenConnection();
            var schema = new PostgresSchema(connection, _settings.Schema);
            schema.CheckServer();
            schema.Up();
            MatchPartitions(connection, partitionCount);
            _ownership.Open(partitionCount);
            var claimed = claim(connection);
            _isOpen = true;
            ReadClock(connection);
            _history.EnsureRanges(_clock.GetUtcNow().ToUnixTimeMilliseconds());
            return claimed;
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            throw new StoreException($"The database cannot be used: {PostgresFailure.Describe(e)}", e);
        }
    }

    private void OpenStreams(NpgsqlConnection connection)
    {
        long generation = NextGeneration(connection);
        foreach (var stream in _streams)
            stream.Open(connection, generation);
    }

    private static long NextGeneration(NpgsqlConnection connection) =>
        (long)Scalar(connection, "SELECT nextval('journal_generation')")!;

    private void MatchPartitions(NpgsqlConnection connection, int partitionCount)
    {
        // One statement, so that of two first nodes one decides.
        Run(
            connection, "INSERT INTO meta (key, value) VALUES ('partitions', $1) ON CONFLICT (key) DO NOTHING",
            (long)partitionCount);
        long stored = (long)Scalar(connection, "SELECT value FROM meta WHERE key = 'partitions'")!;
        if (stored != partitionCount)
        {
            throw new StoreException(
                $"The schema {_settings.Schema} was created with {stored} partitions and the node is set to "
                + $"{partitionCount}. The number is fixed when a store is created: set it to {stored}.");
        }

        foreach (string row in (string[])["_fence SELECT p, 0, 0", "_lease SELECT p, 0, 0, '', 0, true",
            "_projection SELECT p, 0"])
        {
            Run(
                connection, $"INSERT INTO partition{row} FROM generate_series(0, $1 - 1) AS p ON CONFLICT DO NOTHING",
                partitionCount);
        }
    }

    private void ReadClock(NpgsqlConnection connection)
    {
        long sent = _clock.GetTimestamp();
        long storeUs = (long)Scalar(
            connection, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")!;
        _clock.Learn(sent, _clock.GetTimestamp(), storeUs);
    }

    private List<ProjectedMark> ReadAllMarks(NpgsqlConnection connection)
    {
        var marks = new List<ProjectedMark>();
        using var command = new NpgsqlCommand(
            "SELECT partition, projected FROM partition_projection ORDER BY partition", connection);
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            int partition = reader.GetInt32(0);
            marks.Add(new ProjectedMark
            {
                Partition = partition,
                Epoch = Owned.EpochOf(partition),
                Sequence = reader.GetInt64(1),
            });
        }

        return marks;
    }

    /// <summary>Streams of a process that had more of them: all that they hold is from before.</summary>
    private void PruneOldStreams(NpgsqlConnection connection)
    {
        foreach (int stream in PostgresJournalReader.StreamsOf(connection))
        {
            if (stream < _streams.Length)
                continue;
            for (int segment = 0; segment < PostgresStream.SegmentCount; segment++)
                Run(connection, $"TRUNCATE {PostgresStream.TableOf(stream, segment)}");
        }

        _areOldStreamsPruned = true;
    }

    private static void Run(NpgsqlConnection connection, string sql, params ReadOnlySpan<object> parameters)
    {
        using var command = new NpgsqlCommand(sql, connection);
        foreach (object parameter in parameters)
            command.Parameters.AddWithValue(parameter);
        command.ExecuteNonQuery();
    }

    private static object? Scalar(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar();
    }

    /// <summary>
    /// A question that may be asked twice: once more on a new connection when the one from the pool was broken, as all
    /// of them are after a restart of the database.
    /// </summary>
    private T Ask<T>(Func<T> question) => AskOnce(() =>
    {
        try
        {
            return question();
        }
        catch (Exception e) when (PostgresFailure.IsOne(e) && !PostgresFailure.IsSurelyUndone(e))
        {
            _pool.Clear();
            return question();
        }
    });

    private static T AskOnce<T>(Func<T> question)
    {
        try
        {
            return question();
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            throw new StoreException($"The database failed: {PostgresFailure.Describe(e)}", e);
        }
    }
}
