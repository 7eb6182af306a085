using Npgsql;
using NpgsqlTypes;

namespace Karya.Benchmarks.Layouts;

/// <summary>Writes the rows that layouts have in common: by COPY what is new, by arrays what changes.</summary>
internal sealed class RowWriter(NpgsqlConnection connection, byte[] noise)
{
    public const short Waiting = 1;
    public const short Completed = 2;
    private const int TasksBytes = 25; // Times as differences, state and attempts of the one task.

    private readonly CopyEncoder _encoder = new();

    /// <summary>Plans as they are while they wait, or, when <paramref name="ended"/>, as they stay.</summary>
    public void CopyPlans(ReadOnlySpan<Life> lives, bool ended, bool tasksInside = false)
    {
        _encoder.Begin();
        foreach (ref readonly var life in lives)
        {
            _encoder.Row((short)(tasksInside ? 11 : 10));
            PlanStart(life);
            _encoder.Int64(ended ? life.EndedMs : life.CreatedMs);
            _encoder.Int16(life.Partition);
            _encoder.Int16(ended ? Completed : Waiting);
            if (ended)
                _encoder.Null();
            else
                _encoder.Int64(life.EndedMs);
            _encoder.Bytes(Memo(ended ? life.FinalMemo : life.WaitingMemo));
            _encoder.Bytes(Body(life));
            if (tasksInside)
                _encoder.Bytes(Tasks(life));
        }

        _encoder.Send(connection, "COPY plans (id, user_id, parent_id, created_ms, updated_ms, partition, status, " +
            $"wake_ms, memo, body{(tasksInside ? ", tasks" : "")}) FROM STDIN BINARY");
    }

    public void CopyPlanHistory(ReadOnlySpan<Life> lives, bool tasksInside, bool userNumbers)
    {
        _encoder.Begin();
        foreach (ref readonly var life in lives)
        {
            _encoder.Row((short)(tasksInside ? 10 : 9));
            PlanStart(life, userNumbers);
            _encoder.Int64(life.EndedMs);
            _encoder.Int16(life.Partition);
            _encoder.Int16(Completed);
            _encoder.Bytes(Memo(life.FinalMemo));
            _encoder.Bytes(Body(life));
            if (tasksInside)
                _encoder.Bytes(Tasks(life));
        }

        _encoder.Send(connection, "COPY plan_history (id, user_id, parent_id, created_ms, ended_ms, partition, " +
            $"status, memo, body{(tasksInside ? ", tasks" : "")}) FROM STDIN BINARY");
    }

    public void CopyEnds(ReadOnlySpan<Life> lives, bool tasksInside)
    {
        _encoder.Begin();
        foreach (ref readonly var life in lives)
        {
            _encoder.Row((short)(tasksInside ? 5 : 4));
            _encoder.Uuid(life.Id);
            _encoder.Int64(life.EndedMs);
            _encoder.Int16(Completed);
            _encoder.Bytes(Memo(life.FinalMemo));
            if (tasksInside)
                _encoder.Bytes(Tasks(life));
        }

        _encoder.Send(connection,
            $"COPY plan_ends (plan_id, ended_ms, status, memo{(tasksInside ? ", tasks" : "")}) FROM STDIN BINARY");
    }

    public void CopyTasks(string table, ReadOnlySpan<Life> lives)
    {
        _encoder.Begin();
        foreach (ref readonly var life in lives)
        {
            _encoder.Row(11);
            _encoder.Uuid(life.Id);
            _encoder.Int64(1);
            _encoder.Int64(1);
            _encoder.Int64(life.CreatedMs);
            _encoder.Int64(life.EndedMs);
            _encoder.Int64(life.EndedMs);
            _encoder.Int64(life.EndedMs);
            _encoder.Int32(1);
            _encoder.Int16(0);
            _encoder.Int16(2);
            _encoder.Int16(0);
        }

        _encoder.Send(connection, $"COPY {table} (plan_id, occurrence, occurrence_to, created_ms, due_ms, " +
            "started_ms, finished_ms, attempts, hook, state, reason) FROM STDIN BINARY");
    }

    /// <summary>
    /// Runs a statement over the arrays of a batch: $1 ids, $2 statuses, $3 times of the end, $4 memos, $5 tasks.
    /// </summary>
    public void Execute(string statement, ReadOnlySpan<Life> lives, int parameterCount)
    {
        var ids = new Guid[lives.Length];
        var statuses = new short[lives.Length];
        var times = new long[lives.Length];
        var memos = new byte[lives.Length][];
        var tasks = new byte[lives.Length][];
        for (int i = 0; i < lives.Length; i++)
        {
            ids[i] = lives[i].Id;
            statuses[i] = Completed;
            times[i] = lives[i].EndedMs;
            memos[i] = Memo(lives[i].FinalMemo).ToArray();
            tasks[i] = Tasks(lives[i]).ToArray();
        }

        NpgsqlParameter[] parameters =
        [
            Array(ids, NpgsqlDbType.Uuid), Array(statuses, NpgsqlDbType.Smallint), Array(times, NpgsqlDbType.Bigint),
            Array(memos, NpgsqlDbType.Bytea), Array(tasks, NpgsqlDbType.Bytea),
        ];
        using var command = new NpgsqlCommand(statement, connection);
        command.Parameters.AddRange(parameters[..parameterCount]);
        command.ExecuteNonQuery();
    }

    private ReadOnlySpan<byte> Memo(int offset) => noise.AsSpan(offset, LifeSource.MemoBytes);

    private ReadOnlySpan<byte> Body(in Life life) => noise.AsSpan(life.Body, LifeSource.BodyBytes);

    private ReadOnlySpan<byte> Tasks(in Life life) => noise.AsSpan(life.Body, TasksBytes);

    private void PlanStart(in Life life, bool userNumbers = false)
    {
        _encoder.Uuid(life.Id);
        if (userNumbers)
            _encoder.Int32(life.UserNumber);
        else
            _encoder.Uuid(life.User);
        _encoder.Null();
        _encoder.Int64(life.CreatedMs);
    }

    private static NpgsqlParameter Array<T>(T[] values, NpgsqlDbType type) =>
        new() { Value = values, NpgsqlDbType = NpgsqlDbType.Array | type };
}
