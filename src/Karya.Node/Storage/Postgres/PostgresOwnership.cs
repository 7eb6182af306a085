using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// Which partitions are this process's, under which epochs: claims, renews and releases the leases of record, and knows
/// what a batch may be written under.
/// </summary>
/// <remarks>
/// <code>
/// lease:  released ── claim (epoch + 1) ──► ours ── renew, renew, ... ──► released
///         another's ── the same (epoch, renew_seq) for its whole lease length on our clock ── claim ──► ours
///         ours ── a commit ended unknown: claim once more (epoch + 1) ──► ours, and nothing from before can commit
/// </code>
/// A single node has all partitions or none. One of several has some, which come and go one by one: then the node's
/// reconciler decides which, and this carries it out. Thread-safe.
/// </remarks>
internal sealed class PostgresOwnership
{
    private const string ReadLeasesSql =
        "SELECT partition, epoch, renew_seq, owner, lease_ms, released FROM partition_lease ORDER BY partition";

    // Of a key of two parts, the first is in classid and the second in objid, without their signs.
    private const string EndSessionsSql =
        """
        SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2 AND classid::bigint = hashtext('karya')::bigint & 4294967295
          AND objid::bigint = hashtext($1)::bigint & 4294967295
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND $2 IN (0, pid)
        """;

    private static readonly TimeSpan WatchPause = TimeSpan.FromMilliseconds(100);

    private readonly PostgresSettings _settings;
    private readonly StoreClock _clock;
    private readonly object _pause = new(); // Nobody signals it: a sleep that wants no other clock.
    private readonly int[] _streams;
    private OwnedPartitions _owned = new(0);
    private volatile string? _lost;

    public PostgresOwnership(PostgresSettings settings, StoreClock clock)
    {
        _settings = settings;
        _clock = clock;
        _streams = new int[settings.StreamCount];
        Identity = settings.Identity ?? NodeIdentity.OfProcess();
        Owner = Identity.Owner;
    }

    /// <summary>This process, and no other one before or after it, on no machine.</summary>
    public NodeIdentity Identity { get; }

    /// <summary>The same, as leases name it.</summary>
    public string Owner { get; }

    /// <summary>What is this process's. Empty until <see cref="Open"/>.</summary>
    public OwnedPartitions Owned => _owned;

    /// <summary>
    /// Hears of a partition that was found to be another's, from any thread. Null: this process has all or nothing, and
    /// is <see cref="Lost"/> when one is another's.
    /// </summary>
    public Action<int>? PartitionLost { get; set; }

    /// <summary>
    /// Marks a session as this process's until it ends: a lock that everybody can see and nobody waits for.
    /// </summary>
    public string MarkSql =>
        "SELECT pg_advisory_lock_shared(hashtext('karya'), hashtext('"
            + Owner.Replace("'", "''", StringComparison.Ordinal) + "'))";

    /// <summary>Who has what was ours; null while it is ours.</summary>
    public string? Lost => _lost;

    /// <summary>Before all else.</summary>
    public void Open(int partitionCount) => _owned = new OwnedPartitions(partitionCount);

    /// <summary>The number in the store of one of this process's streams.</summary>
    public int NumberOf(int stream) => _streams[stream];

    /// <summary>The number in the store of the stream that has a partition's records.</summary>
    public int NumberOfPartition(int partition) => _streams[partition % _streams.Length];

    /// <summary>
    /// Takes all partitions, once they are released or their owner has not renewed them for its whole lease length, and
    /// with them the first streams: what is in them is this process's now.
    /// </summary>
    /// <exception cref="StoreException">Their owner is alive.</exception>
    public void ClaimAll(NpgsqlConnection connection)
    {
        for (int stream = 0; stream < _streams.Length; stream++)
            _streams[stream] = stream;
        while (true)
        {
            var leases = WatchUntilFree(connection);
            EndSessions(connection, leases);
            var claimed = Claim(connection, leases.ConvertAll(Seen));
            foreach (var (partition, epoch) in claimed)
                _owned.Take(partition, epoch);
            if (claimed.Count == leases.Count)
                break; // Else somebody else watched as well and was faster: look at what it does.
        }

        using var command = new NpgsqlCommand(
            "UPDATE journal_stream SET writer = $1 WHERE stream = ANY ($2)", connection);
        command.Parameters.AddWithValue(Owner);
        command.Parameters.AddWithValue(_streams);
        command.ExecuteNonQuery();
    }

    /// <summary>Takes streams that are nobody's, and no partitions.</summary>
    public void TakeStreams(NpgsqlConnection connection)
    {
        for (int stream = 0; stream < _streams.Length; stream++)
        {
            using var command = new NpgsqlCommand("SELECT take_stream($1)", connection);
            command.Parameters.AddWithValue(Owner);
            _streams[stream] = (int)command.ExecuteScalar()!;
        }
    }

    /// <summary>
    /// Takes those that still look as they were seen. When it returns, no batch that their owners sent before can
    /// commit any more, and all that did are visible. What was taken is to be added to <see cref="Owned"/>.
    /// </summary>
    public IReadOnlyList<ClaimedPartition> Claim(NpgsqlConnection connection, IReadOnlyList<SeenLease> wanted)
    {
        using var command = new NpgsqlCommand(
            "SELECT claimed, new_epoch FROM claim($1, $2, $3, $4, $5, $6)", connection);
        command.Parameters.AddWithValue(Owner);
        command.Parameters.AddWithValue((int)_settings.Lease.TotalMilliseconds);
        command.Parameters.AddWithValue(wanted.Select(lease => lease.Partition).ToArray());
        command.Parameters.AddWithValue(wanted.Select(lease => lease.Epoch).ToArray());
        command.Parameters.AddWithValue(wanted.Select(lease => lease.RenewSeq).ToArray());
        command.Parameters.AddWithValue(wanted.Select(lease => NumberOfPartition(lease.Partition)).ToArray());
        var claimed = new List<ClaimedPartition>();
        using var reader = command.ExecuteReader();
        while (reader.Read())
            claimed.Add(new ClaimedPartition(reader.GetInt32(0), reader.GetInt64(1)));
        return claimed;
    }

    /// <summary>
    /// Takes a new epoch for the partitions of a stream. When it returns, no batch that was sent before can commit any
    /// more, and all that did are visible.
    /// </summary>
    /// <returns>False: the store is lost to this process, see <see cref="Lost"/>.</returns>
    public bool ClaimAgain(NpgsqlConnection connection, int stream)
    {
        var leases = LookAgain(connection).FindAll(lease => lease.Partition % _streams.Length == stream);
        if (_lost is not null)
            return false;
        var claimed = Claim(connection, leases.ConvertAll(Seen));
        foreach (var (partition, epoch) in claimed)
            _owned.Raise(partition, epoch);
        if (claimed.Count < leases.Count)
            LookAgain(connection); // The others were claimed in between: by whom?
        return _lost is null;
    }

    /// <summary>
    /// Whose is what this process believes to have? Learns epochs that it has taken without hearing of it.
    /// </summary>
    /// <returns>Leases of what is its own.</returns>
    public List<LeaseRow> LookAgain(NpgsqlConnection connection)
    {
        var ours = new List<LeaseRow>();
        foreach (var lease in ReadLeases(connection))
        {
            if (_owned.EpochOf(lease.Partition) == 0)
                continue;
            if (lease.Owner != Owner)
            {
                Lose(lease);
                continue;
            }

            _owned.Raise(lease.Partition, lease.Epoch);
            ours.Add(lease);
        }

        return ours;
    }

    /// <returns>The partitions that were renewed. Fewer than <see cref="Owned"/>: others have claimed those.</returns>
    public IReadOnlyList<int> Renew(NpgsqlConnection connection, int timeoutSeconds)
    {
        using var command = new NpgsqlCommand("SELECT renewed, clock_us FROM renew($1)", connection);
        command.CommandTimeout = timeoutSeconds;
        command.Parameters.AddWithValue(Owner);
        long sent = _clock.GetTimestamp();
        using var reader = command.ExecuteReader();
        reader.Read();
        int[] renewed = reader.GetFieldValue<int[]>(0);
        _clock.Learn(sent, _clock.GetTimestamp(), reader.GetInt64(1));
        if (PartitionLost is null && renewed.Length != _owned.Count)
            Lose($"{_owned.Count - renewed.Length} of {_owned.Count} partitions");
        return renewed;
    }

    /// <summary>Lets all go, so that the next owner need not wait.</summary>
    public void ReleaseAll(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(
            "UPDATE partition_lease SET released = true WHERE owner = $1", connection);
        command.Parameters.AddWithValue(Owner);
        command.ExecuteNonQuery();
    }

    /// <summary>Lets one go; nothing when it was claimed since.</summary>
    public void Release(NpgsqlConnection connection, int partition, long epoch)
    {
        using var command = new NpgsqlCommand(
            "UPDATE partition_lease SET released = true WHERE partition = $1 AND owner = $2 AND epoch = $3",
            connection);
        command.Parameters.AddWithValue(partition);
        command.Parameters.AddWithValue(Owner);
        command.Parameters.AddWithValue(epoch);
        command.ExecuteNonQuery();
    }

    public static List<LeaseRow> ReadLeases(NpgsqlConnection connection)
    {
        var leases = new List<LeaseRow>();
        using var command = new NpgsqlCommand(ReadLeasesSql, connection);
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            leases.Add(new LeaseRow(
                reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetString(3), reader.GetInt32(4),
                reader.GetBoolean(5)));
        }

        return leases;
    }

    /// <summary>Somebody else writes what was this process's stream: it was taken for dead.</summary>
    public void LoseStream(int stream) => _lost =
        $"Another node has taken journal stream {_streams[stream]} over while this one had neither a session nor a "
            + "lease. Nothing that it acknowledged is lost; it must be started again.";

    public static SeenLease Seen(LeaseRow lease) => new(lease.Partition, lease.Epoch, lease.RenewSeq);

    private void Lose(in LeaseRow lease)
    {
        if (PartitionLost is { } lost)
            lost(lease.Partition);
        else
            Lose($"partition {lease.Partition}: it is {lease.Owner}'s, epoch {lease.Epoch},");
    }

    private void Lose(string what) =>
        _lost = $"Another node has claimed {what} while this one did not renew its lease. It goes on with what is "
            + "stored; this one must stop.";

    private List<LeaseRow> WatchUntilFree(NpgsqlConnection connection)
    {
        var first = ReadLeases(connection);
        long since = _clock.GetTimestamp();
        bool hasRenewed = false;
        if (first.TrueForAll(lease => lease.IsReleased))
            return first;
        var holder = first.Find(lease => !lease.IsReleased);
        PostgresLog.WaitingForLease(_settings.Log, holder.Owner, (int)holder.LeaseMs);

        while (true)
        {
            var leases = ReadLeases(connection);
            int live = leases.FindIndex(
                lease => !lease.IsReleased && lease.RenewSeq != first[lease.Partition].RenewSeq);
            if (live >= 0 && hasRenewed)
            {
                throw new StoreException(
                    $"The schema {_settings.Schema} of this database is in use by node {leases[live].Owner}, which has "
                    + "just renewed its lease. Stop that node first, or name another schema or database.");
            }

            if (live >= 0)
            {
                // Once may be what a node had sent before it died. Whoever does it again is alive.
                hasRenewed = true;
                first = leases;
                since = _clock.GetTimestamp();
            }

            var waited = _clock.GetElapsedTime(since);
            if (leases.TrueForAll(lease => lease.IsReleased || waited.TotalMilliseconds >= lease.LeaseMs))
                return leases;
            lock (_pause)
                Monitor.Wait(_pause, WatchPause);
        }
    }

    /// <summary>
    /// Ends a session of this process whose connection was given up. The server may not know that yet, and it keeps the
    /// locks of a batch that it has not got to the end of.
    /// </summary>
    public void EndSession(NpgsqlConnection connection, int sessionId) => EndSessions(connection, Owner, sessionId);

    /// <summary>Ends what the owners of these have left on the server.</summary>
    public static void EndSessions(NpgsqlConnection connection, IEnumerable<LeaseRow> leases)
    {
        foreach (string owner in leases.Where(lease => !lease.IsReleased).Select(lease => lease.Owner).Distinct())
            EndSessions(connection, owner);
    }

    /// <summary>
    /// Ends what the previous owner has left on the server. A session that waits for the rest of a batch keeps its
    /// locks for as long as its client is silent: no time-out of the server covers that.
    /// </summary>
    /// <param name="connection">Another session.</param>
    /// <param name="owner">Whose sessions.</param>
    /// <param name="sessionId">One of them; 0 for all.</param>
    private static void EndSessions(NpgsqlConnection connection, string owner, int sessionId = 0)
    {
        try
        {
            using var command = new NpgsqlCommand(EndSessionsSql, connection);
            command.Parameters.AddWithValue(owner);
            command.Parameters.AddWithValue(sessionId);
            command.ExecuteNonQuery();
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            // It ran under a role that ours may not touch: then what it has locked is waited for.
        }
    }
}
