using System.Globalization;
using System.Security.Cryptography;
using Karya.Engine.Journal;
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
/// Epochs under which this process has owned a partition without a break are as good as the current one: what was
/// decided under them is still true. Thread-safe.
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
    private readonly Lock _lock = new();
    private readonly object _pause = new(); // Nobody signals it: a sleep that wants no other clock.
    private long[] _epochs = [];
    private long[] _since = [];
    private volatile string? _lost;

    public PostgresOwnership(PostgresSettings settings, StoreClock clock)
    {
        _settings = settings;
        _clock = clock;
        Owner = string.Create(
            CultureInfo.InvariantCulture,
            $"{Environment.MachineName}/{Environment.ProcessId}/{RandomNumberGenerator.GetHexString(8, true)}");
    }

    /// <summary>This process, and no other one before or after it, on no machine.</summary>
    public string Owner { get; }

    /// <summary>
    /// Marks a session as this process's until it ends: a lock that everybody can see and nobody waits for.
    /// </summary>
    public string MarkSql =>
        "SELECT pg_advisory_lock_shared(hashtext('karya'), hashtext('"
            + Owner.Replace("'", "''", StringComparison.Ordinal) + "'))";

    /// <summary>Who has what was ours; null while it is ours.</summary>
    public string? Lost => _lost;

    public int StreamOf(int partition) => partition % _settings.StreamCount;

    /// <summary>
    /// Takes all partitions, once they are released or their owner has not renewed them for its whole lease length.
    /// </summary>
    /// <exception cref="StoreException">Their owner is alive.</exception>
    public void Claim(NpgsqlConnection connection)
    {
        while (true)
        {
            var leases = WatchUntilFree(connection);
            foreach (string owner in leases.FindAll(lease => !lease.IsReleased).Select(lease => lease.Owner).Distinct())
                EndSessions(connection, owner);
            try
            {
                var claimed = Claim(connection, leases);
                lock (_lock)
                {
                    _epochs = new long[leases.Count];
                    foreach (var (partition, epoch) in claimed)
                        _epochs[partition] = epoch;
                    _since = (long[])_epochs.Clone();
                }

                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresFailure.ClaimedMeanwhile)
            {
                // Somebody else watched as well and was faster: look at what it does.
            }
        }
    }

    /// <summary>
    /// Takes a new epoch for the partitions of a stream. When it returns, no batch that was sent before can commit any
    /// more, and all that did are visible.
    /// </summary>
    /// <returns>False: they are another's, see <see cref="Lost"/>.</returns>
    public bool ClaimAgain(NpgsqlConnection connection, int stream)
    {
        var leases = ReadLeases(connection).FindAll(lease => StreamOf(lease.Partition) == stream);
        if (!Check(leases))
            return false;
        foreach (var (partition, epoch) in Claim(connection, leases))
        {
            lock (_lock)
                _epochs[partition] = epoch;
        }

        return true;
    }

    /// <summary>
    /// After a stale epoch was refused: whose are the partitions? Learns epochs that this process itself has taken
    /// without hearing of it.
    /// </summary>
    public void LookAgain(NpgsqlConnection connection)
    {
        var leases = ReadLeases(connection);
        if (!Check(leases))
            return;
        lock (_lock)
        {
            foreach (var lease in leases)
                _epochs[lease.Partition] = Math.Max(_epochs[lease.Partition], lease.Epoch);
        }
    }

    /// <returns>False: some are another's.</returns>
    public bool Renew(NpgsqlConnection connection, int timeoutSeconds)
    {
        using var command = new NpgsqlCommand("SELECT renewed, clock_us FROM renew($1)", connection);
        command.CommandTimeout = timeoutSeconds;
        command.Parameters.AddWithValue(Owner);
        long sent = _clock.GetTimestamp();
        using var reader = command.ExecuteReader();
        reader.Read();
        int renewed = reader.GetInt32(0);
        _clock.Learn(sent, _clock.GetTimestamp(), reader.GetInt64(1));
        if (renewed == _epochs.Length)
            return true;
        Lose($"{_epochs.Length - renewed} of {_epochs.Length} partitions");
        return false;
    }

    /// <summary>Lets all go, so that the next owner need not wait.</summary>
    public void Release(NpgsqlConnection connection)
    {
        using var command = new NpgsqlCommand(
            "UPDATE partition_lease SET released = true WHERE owner = $1", connection);
        command.Parameters.AddWithValue(Owner);
        command.ExecuteNonQuery();
    }

    /// <summary>
    /// The current epochs for what was decided under these. Empty lists for no partitions.
    /// </summary>
    /// <returns>False: one of them was lost in between, and what was decided must not be written.</returns>
    public bool TryMap(ReadOnlySpan<ProjectedMark> marks, List<int> partitions, List<long> epochs)
    {
        partitions.Clear();
        epochs.Clear();
        lock (_lock)
        {
            foreach (ref readonly var mark in marks)
            {
                if (mark.Epoch < _since[mark.Partition] || mark.Epoch > _epochs[mark.Partition])
                    return false;
                partitions.Add(mark.Partition);
                epochs.Add(_epochs[mark.Partition]);
            }
        }

        return true;
    }

    /// <summary>Epochs as they are now.</summary>
    public long EpochOf(int partition)
    {
        lock (_lock)
            return _epochs[partition];
    }

    private bool Check(List<Lease> leases)
    {
        if (leases.Find(lease => lease.Owner != Owner) is not { } foreign)
            return true;
        Lose($"partition {foreign.Partition}: it is {foreign.Owner}'s, epoch {foreign.Epoch},");
        return false;
    }

    private void Lose(string what) =>
        _lost = $"Another node has claimed {what} while this one did not renew its lease. It goes on with what is "
            + "stored; this one must stop.";

    private List<Lease> WatchUntilFree(NpgsqlConnection connection)
    {
        var first = ReadLeases(connection);
        long since = _clock.GetTimestamp();
        bool hasRenewed = false;
        if (first.Find(lease => !lease.IsReleased) is not { } holder)
            return first;
        PostgresLog.WaitingForLease(_settings.Log, holder.Owner, holder.LeaseMs);

        while (true)
        {
            var leases = ReadLeases(connection);
            var live = leases.Find(lease => !lease.IsReleased && lease.RenewSeq != first[lease.Partition].RenewSeq);
            if (live is not null && hasRenewed)
            {
                throw new StoreException(
                    $"The schema {_settings.Schema} of this database is in use by node {live.Owner}, which has just "
                    + "renewed its lease. Stop that node first, or name another schema or database.");
            }

            if (live is not null)
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

    private List<(int Partition, long Epoch)> Claim(NpgsqlConnection connection, List<Lease> leases)
    {
        using var command = new NpgsqlCommand(
            "SELECT claimed, new_epoch FROM claim($1, $2, $3, $4, $5, $6)", connection);
        command.Parameters.AddWithValue(Owner);
        command.Parameters.AddWithValue((int)_settings.Lease.TotalMilliseconds);
        command.Parameters.AddWithValue(leases.ConvertAll(lease => lease.Partition));
        command.Parameters.AddWithValue(leases.ConvertAll(lease => lease.Epoch));
        command.Parameters.AddWithValue(leases.ConvertAll(lease => lease.RenewSeq));
        command.Parameters.AddWithValue(leases.ConvertAll(lease => StreamOf(lease.Partition)));
        var claimed = new List<(int, long)>();
        using var reader = command.ExecuteReader();
        while (reader.Read())
            claimed.Add((reader.GetInt32(0), reader.GetInt64(1)));
        return claimed;
    }

    private static List<Lease> ReadLeases(NpgsqlConnection connection)
    {
        var leases = new List<Lease>();
        using var command = new NpgsqlCommand(ReadLeasesSql, connection);
        using var reader = command.ExecuteReader();
        while (reader.Read())
        {
            leases.Add(new Lease(
                reader.GetInt32(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetString(3), reader.GetInt32(4),
                reader.GetBoolean(5)));
        }

        return leases;
    }

    private sealed record Lease(
        int Partition, long Epoch, long RenewSeq, string Owner, int LeaseMs, bool IsReleased);
}
