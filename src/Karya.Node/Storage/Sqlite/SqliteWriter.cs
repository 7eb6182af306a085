using System.Runtime.InteropServices;
using Karya.Engine;
using Karya.Engine.Journal;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Karya.Node.Storage.Sqlite;

/// <summary>
/// Transactions and the hot statements of the write connection: append to the journal, write a projected batch. Used by
/// whoever is inside the <see cref="WriteGate"/>. Nothing here allocates once it has been used with a batch of that
/// size.
/// </summary>
internal sealed class SqliteWriter
{
    private readonly SqliteDatabase _database;
    private readonly SqliteStatement _begin;
    private readonly SqliteStatement _commit;
    private readonly SqliteStatement _rollback;
    private readonly SqliteStatement _appendRow;
    private readonly SqliteStatement _moveMark;
    private readonly SqliteStatement _insertPlan;
    private readonly SqliteStatement _updatePlan;
    private readonly SqliteStatement _updatePlanAndBody;
    private readonly SqliteStatement _writeTask;
    private readonly SqliteStatement _writeError;
    private readonly SqliteStatement _countPlans;

    // Plans by user that a transaction added (or removed, below 0): one update per user, not one per plan.
    private readonly Dictionary<UInt128, int> _planCounts = [];

    // Why nothing may be written any more: a commit ended in the unknown. Empty when it may.
    private string _broken = "";

    public SqliteWriter(SqliteDatabase database)
    {
        _database = database;
        _begin = database.Prepare("BEGIN IMMEDIATE");
        _commit = database.Prepare("COMMIT");
        _rollback = database.Prepare("ROLLBACK");
        _appendRow = database.Prepare("INSERT INTO journal (id, body) VALUES (?1, ?2)");
        _moveMark = database.Prepare(
            "UPDATE partitions SET projected = max(projected, ?3) WHERE partition = ?1 AND epoch = ?2");
        _insertPlan = database.Prepare(
            """
            INSERT INTO plans
              (id, status, updated_ms, wake_ms, memo, body, user_id, parent_id, partition, created_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING
            """);
        _updatePlan = database.Prepare(
            "UPDATE plans SET status = ?2, updated_ms = ?3, wake_ms = ?4, memo = ?5 WHERE id = ?1");
        _updatePlanAndBody = database.Prepare(
            "UPDATE plans SET status = ?2, updated_ms = ?3, wake_ms = ?4, memo = ?5, body = ?6 WHERE id = ?1");
        _writeTask = database.Prepare(
            """
            INSERT INTO tasks
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
            ON CONFLICT (plan_id, occurrence, hook) DO UPDATE SET
              occurrence_to = ?4, state = ?5, reason = ?6, created_ms = ?7, due_ms = ?8,
              started_ms = ?9, finished_ms = ?10, attempts = ?11, result = ?12, failure = ?13
            """);

        // Bound as bytes, which a STRICT table would not take for text.
        _writeError = database.Prepare(
            """
            INSERT INTO errors VALUES (?1, ?2, ?3, ?4, ?5, CAST(?6 AS TEXT), ?7)
            ON CONFLICT (plan_id, occurrence, hook, attempt) DO UPDATE SET
              at_ms = ?5, text = excluded.text, failure = ?7
            """);
        _countPlans = database.Prepare("UPDATE users SET plan_count = plan_count + ?2 WHERE id = ?1");
    }

    /// <summary>Why the last transaction was not committed. Empty when it was.</summary>
    public string Error { get; private set; } = "";

    /// <summary>The store has to be opened again before anything can be written.</summary>
    public bool IsBroken => _broken.Length > 0;

    public CommitResult Append(long id, ReadOnlySpan<byte> body)
    {
        try
        {
            if (!Begin())
                return CommitResult.Refused;
            _appendRow.Bind(1, id).Bind(2, body).Run();
            return Commit();
        }
        catch (SqliteException exception)
        {
            return Refuse(exception.Message);
        }
        finally
        {
            RollBack();
        }
    }

    public CommitResult Write(ProjectionBatch batch)
    {
        try
        {
            if (!Begin())
                return CommitResult.Refused;
            foreach (ref var mark in batch.Marks.Span)
            {
                _moveMark.Bind(1, mark.Partition).Bind(2, mark.Epoch).Bind(3, mark.Sequence).Run();
                if (_database.Changes == 0)
                    return Refuse($"Epoch {mark.Epoch} of partition {mark.Partition} is not the current one.");
            }

            foreach (ref var plan in batch.Plans.Span)
                WritePlan(batch, plan);
            foreach (ref var task in batch.Tasks.Span)
                WriteTask(batch, task);
            foreach (ref var error in batch.Errors.Span)
            {
                _writeError.Bind(1, error.Key).Bind(4, error.Attempt).Bind(5, error.AtMs)
                    .Bind(6, batch.Slice(error.Text)).Bind(7, (long)error.Failure).Run();
            }

            return Commit();
        }
        catch (SqliteException exception)
        {
            return Refuse(exception.Message);
        }
        finally
        {
            RollBack();
        }
    }

    /// <summary>Begins a transaction; false, and an <see cref="Error"/>, when the store is broken.</summary>
    public bool Begin()
    {
        Error = _broken;
        _planCounts.Clear();
        if (IsBroken)
            return false;
        _begin.Run();
        return true;
    }

    /// <summary>Adds to a user's number of plans, in this transaction.</summary>
    public void CountPlans(UInt128 user, int added) =>
        CollectionsMarshal.GetValueRefOrAddDefault(_planCounts, user, out _) += added;

    /// <summary>Commits, and says what is known when that fails.</summary>
    public CommitResult Commit()
    {
        foreach (var (user, added) in _planCounts)
            _countPlans.Bind(1, user).Bind(2, added).Run();

        try
        {
            _commit.Run();
            return CommitResult.Committed;
        }
        catch (SqliteException exception)
        {
            // While the transaction is open it can be rolled back: surely not stored. A full disk is as sure, although
            // SQLite has rolled back by itself: what it could not write is part of the transaction or the mark of
            // its end. All else may have failed after the mark was written, in the sync say: the transaction is gone
            // for this process, but a crash might bring it back.
            if (_database.InTransaction || exception.SqliteErrorCode == raw.SQLITE_FULL)
                return Refuse(exception.Message);
            _broken = $"A commit failed halfway ({exception.Message}); the store has to be opened again.";
            Error = _broken;
            return CommitResult.Unknown;
        }
    }

    /// <summary>Ends a transaction that was not committed; nothing when there is none.</summary>
    public void RollBack()
    {
        if (_database.InTransaction)
            _rollback.Run();
    }

    private CommitResult Refuse(string why)
    {
        Error = why;
        return CommitResult.Refused;
    }

    private void WritePlan(ProjectionBatch batch, in PlanRow plan)
    {
        if (plan.IsNew)
        {
            BindState(_insertPlan, batch, plan);
            _insertPlan.Bind(6, batch.Slice(plan.Body)).Bind(7, plan.User.Value)
                .Bind(9, plan.Partition).Bind(10, plan.CreatedMs);
            if (plan.Parent == PlanId.None)
                _insertPlan.BindNull(8);
            else
                _insertPlan.Bind(8, plan.Parent.Value);
            _insertPlan.Run();

            // Counted when the row really is new: the same batch may come a second time.
            if (_database.Changes == 1)
            {
                CountPlans(plan.User.Value, 1);
                return;
            }
        }

        var update = plan.HasBody ? _updatePlanAndBody : _updatePlan;
        BindState(update, batch, plan);
        if (plan.HasBody)
            update.Bind(6, batch.Slice(plan.Body));
        update.Run();
    }

    private static void BindState(SqliteStatement statement, ProjectionBatch batch, in PlanRow plan)
    {
        statement.Bind(1, plan.Id.Value).Bind(2, (long)plan.State).Bind(3, plan.UpdatedMs)
            .Bind(5, batch.Slice(plan.Memo));
        if (plan.WakeMs == PlanSpec.NoEnd)
            statement.BindNull(4);
        else
            statement.Bind(4, plan.WakeMs);
    }

    private void WriteTask(ProjectionBatch batch, in TaskRow task)
    {
        _writeTask.Bind(1, task.Key).Bind(4, task.OccurrenceTo).Bind(5, (long)task.State).Bind(6, (long)task.Reason)
            .Bind(7, task.CreatedMs).Bind(8, task.DueMs).Bind(9, task.StartedMs).Bind(10, task.FinishedMs)
            .Bind(11, task.Attempts);
        if (task.HasResult)
            _writeTask.Bind(12, batch.Slice(task.Result));
        else
            _writeTask.BindNull(12);
        _writeTask.Bind(13, (long)task.Failure);
        _writeTask.Run();
    }
}
