using System.Data;
using Karya.Engine;
using Karya.Engine.Journal;
using Npgsql;

namespace Karya.Node.Storage.Postgres;

/// <summary>Writes projected batches to the tables. One thread: the projector's.</summary>
/// <remarks>
/// <code>
/// BEGIN, were the marks moved before? ─► COPY ... ─► UPDATE, move ─► fence, marks, COMMIT
///                                                                   └ one round trip: the lock is held for no longer
/// </code>
/// The fence comes last: before it nobody sees what was written, and the marks make a second writing of the same batch
/// (after an unknown commit, say) impossible. What a transaction of ours that was cut off has locked is released when
/// the server ends its session.
/// </remarks>
internal sealed class PostgresProjection : IDisposable
{
    private const string PlansSql =
        """
        COPY plans (id, user_id, parent_id, partition, status, created_ms, updated_ms, wake_ms, memo, body)
        FROM STDIN (FORMAT BINARY)
        """;

    private const string HistorySql =
        """
        COPY plan_history (id, user_id, parent_id, partition, status, created_ms, updated_ms, memo, body, tasks)
        FROM STDIN (FORMAT BINARY)
        """;

    private const string TasksSql =
        """
        COPY task_history (plan_id, occurrence, hook, state, reason, occurrence_to, created_ms, due_ms, started_ms,
          finished_ms, attempts, result, failure)
        FROM STDIN (FORMAT BINARY)
        """;

    private const string ErrorsSql =
        "COPY errors (plan_id, occurrence, hook, attempt, at_ms, text, failure) FROM STDIN (FORMAT BINARY)";

    private readonly PostgresOwnership _ownership;
    private readonly PostgresLink _link;
    private readonly ProjectionSorter _sorter = new();
    private readonly CopyWriter _copy = new();
    private readonly ProjectionUpdates _updates = new();
    private readonly List<int> _partitions = [];
    private readonly List<long> _epochs = [];
    private readonly List<long> _sequences = [];
    private readonly HashSet<PlanId> _known = [];
    private bool _isKnownAskedFor;

    public PostgresProjection(PostgresOwnership ownership, NpgsqlDataSource source)
    {
        _ownership = ownership;
        _link = new PostgresLink(source);
    }

    /// <summary>Why the last batch was not written; empty when it was.</summary>
    public string Error { get; private set; } = "";

    public CommitResult Write(ProjectionBatch batch)
    {
        if (!_ownership.Owned.TryMap(batch.Marks.Span, _partitions, _epochs))
            return Refuse("A mark was made under an epoch that is not the current one.");

        NpgsqlConnection connection;
        try
        {
            connection = _link.Open();
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            return Refuse(PostgresFailure.Describe(e)); // Nothing was sent.
        }

        try
        {
            return Write(connection, batch);
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            return Fail(connection, e);
        }
    }

    public void Dispose() => _link.Dispose();

    private CommitResult Write(NpgsqlConnection connection, ProjectionBatch batch)
    {
        _sequences.Clear();
        foreach (ref readonly var mark in batch.Marks.Span)
            _sequences.Add(mark.Sequence);
        Error = "";
        if (Begin(connection))
        {
            Run(connection, "ROLLBACK");
            return CommitResult.Committed;
        }

        _known.Clear();
        if (_isKnownAskedFor)
            FindKnown(connection, batch);
        _sorter.Sort(batch, _known);
        if (_sorter.Replaced.Count > 0)
            _updates.RemoveReplaced(connection, batch, _sorter.Replaced);
        CopyPlans(connection, batch);
        CopyHistory(connection, batch);
        CopyTasks(connection, batch);
        CopyErrors(connection, batch);
        _updates.Write(connection, batch, _sorter);
        Commit(connection);
        _isKnownAskedFor = false;
        return CommitResult.Committed;
    }

    /// <summary>
    /// The last try met a plan that was said to be new. None should be, but a batch that can never be written would
    /// stop the tables for good.
    /// </summary>
    private void FindKnown(NpgsqlConnection connection, ProjectionBatch batch)
    {
        var ids = new List<Guid>();
        foreach (ref readonly var plan in batch.Plans.Span)
        {
            if (plan.IsNew)
                ids.Add(plan.Id.ToGuid());
        }

        using var command = new NpgsqlCommand("SELECT id FROM plans WHERE id = ANY ($1)", connection);
        command.Parameters.Add(Lists.OfUuid(ids));
        using var reader = command.ExecuteReader();
        while (reader.Read())
            _known.Add(PlanId.From(reader.GetGuid(0)));
    }

    /// <returns>True: the batch is in the tables already. Its first writing had an unknown end.</returns>
    private bool Begin(NpgsqlConnection connection)
    {
        using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("BEGIN"));
        var look = new NpgsqlBatchCommand(
            """
            SELECT count(*) FROM unnest($1, $2) AS mine (partition, sequence)
            JOIN partition_projection p ON p.partition = mine.partition AND p.projected >= mine.sequence
            """);
        look.Parameters.Add(Lists.OfInt32(_partitions));
        look.Parameters.Add(Lists.OfInt64(_sequences));
        batch.BatchCommands.Add(look);
        long written = (long)batch.ExecuteScalar()!;
        return written > 0 && written == _partitions.Count;
    }

    private void CopyPlans(NpgsqlConnection connection, ProjectionBatch batch)
    {
        if (_sorter.NewOnes.Count == 0)
            return;
        _copy.Begin(connection, PlansSql);
        foreach (int index in _sorter.NewOnes)
        {
            ref readonly var plan = ref batch.Plans.Span[index];
            _copy.Row(10);
            CopyHead(plan);
            if (plan.WakeMs == PlanSpec.NoEnd)
                _copy.Null();
            else
                _copy.Int64(plan.WakeMs);
            _copy.Bytes(batch.Slice(plan.Memo));
            _copy.Bytes(batch.Slice(plan.Body));
        }

        _copy.End();
    }

    private void CopyHistory(NpgsqlConnection connection, ProjectionBatch batch)
    {
        if (_sorter.NewEnded.Count == 0)
            return;
        _copy.Begin(connection, HistorySql);
        foreach (int index in _sorter.NewEnded)
        {
            ref readonly var plan = ref batch.Plans.Span[index];
            _copy.Row(10);
            CopyHead(plan);
            _copy.Bytes(batch.Slice(plan.Memo));
            _copy.Bytes(batch.Slice(plan.Body));
            var inside = _sorter.Inside[index];
            if (inside.Length == 0)
                _copy.Null();
            else
                _copy.Bytes(_sorter.InsideBytes.Slice(inside.Offset, inside.Length));
        }

        _copy.End();
    }

    private void CopyHead(in PlanRow plan)
    {
        _copy.Uuid(plan.Id.Value);
        _copy.Uuid(plan.User.Value);
        if (plan.Parent == PlanId.None)
            _copy.Null();
        else
            _copy.Uuid(plan.Parent.Value);
        _copy.Int32(plan.Partition);
        _copy.Int16((short)plan.State);
        _copy.Int64(plan.CreatedMs);
        _copy.Int64(plan.UpdatedMs);
    }

    private void CopyTasks(NpgsqlConnection connection, ProjectionBatch batch)
    {
        if (_sorter.TaskRows.Count == 0)
            return;
        _copy.Begin(connection, TasksSql);
        foreach (int index in _sorter.TaskRows)
        {
            ref readonly var task = ref batch.Tasks.Span[index];
            _copy.Row(13);
            CopyKey(task.Key);
            _copy.Int16((short)task.State);
            _copy.Int16((short)task.Reason);
            _copy.Int64(task.OccurrenceTo);
            _copy.Int64(task.CreatedMs);
            _copy.Int64(task.DueMs);
            _copy.Int64(task.StartedMs);
            _copy.Int64(task.FinishedMs);
            _copy.Int32(task.Attempts);
            if (task.HasResult)
                _copy.Bytes(batch.Slice(task.Result));
            else
                _copy.Null();
            _copy.Int16((short)task.Failure);
        }

        _copy.End();
    }

    private void CopyErrors(NpgsqlConnection connection, ProjectionBatch batch)
    {
        if (batch.Errors.Count == 0)
            return;
        _copy.Begin(connection, ErrorsSql);
        foreach (ref readonly var error in batch.Errors.Span)
        {
            _copy.Row(7);
            CopyKey(error.Key);
            _copy.Int32(error.Attempt);
            _copy.Int64(error.AtMs);
            _copy.Bytes(batch.Slice(error.Text));
            _copy.Int16((short)error.Failure);
        }

        _copy.End();
    }

    private void CopyKey(TaskKey key)
    {
        _copy.Uuid(key.Plan.Value);
        _copy.Int64(key.Occurrence);
        _copy.Int32(key.Hook);
    }

    private void Commit(NpgsqlConnection connection)
    {
        using var batch = new NpgsqlBatch(connection);
        if (_partitions.Count > 0)
        {
            var fence = new NpgsqlBatchCommand("SELECT fence($1, $2, $3, $4)");
            fence.Parameters.Add(new NpgsqlParameter<int>
            {
                TypedValue = _ownership.NumberOfPartition(_partitions[0]),
            });
            fence.Parameters.Add(new NpgsqlParameter<string> { TypedValue = _ownership.Owner });
            fence.Parameters.Add(Lists.OfInt32(_partitions));
            fence.Parameters.Add(Lists.OfInt64(_epochs));
            batch.BatchCommands.Add(fence);
            var mark = new NpgsqlBatchCommand("SELECT mark($1, $2)");
            mark.Parameters.Add(Lists.OfInt32(_partitions));
            mark.Parameters.Add(Lists.OfInt64(_sequences));
            batch.BatchCommands.Add(mark);
        }

        batch.BatchCommands.Add(new NpgsqlBatchCommand("COMMIT"));
        batch.ExecuteNonQuery();
    }

    /// <summary>
    /// Until the last round trip everything that fails is surely undone; in it, only what the server says is.
    /// </summary>
    private CommitResult Fail(NpgsqlConnection connection, Exception failure)
    {
        _copy.Cancel();
        _isKnownAskedFor |= PostgresFailure.Is(failure, PostgresErrorCodes.UniqueViolation);
        Error = PostgresFailure.Describe(failure);
        if (!PostgresFailure.IsSurelyUndone(failure))
        {
            _link.Drop();
            return CommitResult.Unknown;
        }

        try
        {
            if (connection.State == ConnectionState.Open)
                Run(connection, "ROLLBACK");
            if (PostgresFailure.Is(failure, PostgresFailure.StaleEpoch))
                _ownership.LookAgain(_link.Open());
        }
        catch (Exception e) when (PostgresFailure.IsOne(e))
        {
            _link.Drop();
        }

        return Refuse(_ownership.Lost ?? Error);
    }

    private CommitResult Refuse(string why)
    {
        Error = why;
        return CommitResult.Refused;
    }

    private static void Run(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }
}
