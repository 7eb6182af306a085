using System.Diagnostics;
using System.Globalization;
using Karya.Benchmarks.Figures;
using Npgsql;

namespace Karya.Benchmarks.Layouts;

/// <summary>
/// One layout under one workload in a fresh schema: warm up, then count. Vacuum is done by hand at fixed points and
/// counted on its own, because when the server would do it depends on the clock.
/// </summary>
internal sealed class LayoutRun(NpgsqlConnection connection, ITableLayout layout, int batchSize)
{
    private const int WarmUpLives = 200_000;
    private const int MeasuredLives = 200_000;
    private const int LivesBetweenVacuums = 100_000;
    private const string InSchema = "relnamespace = 'karya_layouts'::regnamespace";

    private readonly LifeSource _source = new(layout.UserCount);
    private readonly Life[] _batch = new Life[batchSize];
    private readonly ServerMeter _writes = new(connection);
    private readonly ServerMeter _vacuums = new(connection);
    private readonly ServerMeter _lateIndex = new(connection);

    /// <summary>What ends with the next batch, with the one after it, and so on.</summary>
    private readonly List<List<Life>> _pending = [];

    private double _clientNanoseconds;
    private double _seconds;

    public LayoutResult Measure(bool twoStep)
    {
        CreateSchema();
        var rows = new RowWriter(connection, _source.Noise);
        for (int i = 0; i < WarmUpLives / batchSize; i++)
            _pending.Add([]);

        Write(rows, twoStep, WarmUpLives);
        Execute("VACUUM ANALYZE");
        Execute("CHECKPOINT");
        double bytesBefore = DiskBytes();
        _clientNanoseconds = _seconds = 0;
        for (int written = 0; written < MeasuredLives; written += LivesBetweenVacuums)
        {
            _writes.Start();
            Write(rows, twoStep, LivesBetweenVacuums);
            _writes.Stop();
            if (twoStep && layout.Churned.Count > 0)
                Vacuum(string.Join(", ", layout.Churned));
        }

        double disk = DiskBytes() - bytesBefore;
        Vacuum(Text("SELECT string_agg(relname, ', ') FROM pg_class WHERE relkind = 'r' AND " + InSchema));
        if (layout.LateIndex.Length > 0)
        {
            _lateIndex.Start();
            Execute(layout.LateIndex);
            _lateIndex.Stop();
        }

        Execute("DROP SCHEMA karya_layouts CASCADE");
        return new LayoutResult(
            _writes.WalBytes / MeasuredLives, _writes.IndexInsertions / MeasuredLives,
            _writes.HeapRecords / MeasuredLives, _writes.OtherRecords / MeasuredLives,
            _writes.ImageBytes / MeasuredLives, _writes.CpuMicroseconds / MeasuredLives,
            _clientNanoseconds / 1000 / MeasuredLives, MeasuredLives / _seconds, disk / MeasuredLives,
            (_vacuums.WalBytes + _vacuums.ImageBytes) / MeasuredLives, _vacuums.CpuMicroseconds / MeasuredLives,
            // The index is over all rows there are.
            (_lateIndex.WalBytes + _lateIndex.ImageBytes) / (MeasuredLives + WarmUpLives),
            _lateIndex.CpuMicroseconds / (MeasuredLives + WarmUpLives));
    }

    private void CreateSchema()
    {
        Execute("DROP SCHEMA IF EXISTS karya_layouts CASCADE; CREATE SCHEMA karya_layouts");
        Execute("SET search_path = karya_layouts, public");
        // Small tables would be scanned as a whole for each batch, which large ones never are.
        Execute("SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off");
        Execute(layout.Schema);
        Execute("""
            DO $$ DECLARE name text; BEGIN
              FOR name IN SELECT relname FROM pg_class
                WHERE relkind = 'r' AND relnamespace = 'karya_layouts'::regnamespace
              LOOP EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', name); END LOOP;
            END $$
            """);
    }

    private void Write(RowWriter rows, bool twoStep, int lives)
    {
        for (int written = 0; written < lives; written += batchSize)
        {
            if (twoStep)
                WriteTwice(rows);
            else
                WriteOnce(rows);
        }
    }

    private void WriteOnce(RowWriter rows)
    {
        for (int i = 0; i < _batch.Length; i++)
            _batch[i] = _source.Next(waitMs: 5);
        Time(() =>
        {
            Sort(_batch);
            layout.WriteFinal(rows, _batch);
        });
    }

    /// <summary>
    /// Plans wait for up to 40 batches of 5,000 (10 of 20,000), each as long as chance has it, so that about 100,000
    /// are waiting at any time and each batch ends as many as it begins.
    /// </summary>
    private void WriteTwice(RowWriter rows)
    {
        Life[] ended = [.. _pending[0]];
        _pending.RemoveAt(0);
        _pending.Add([]);
        for (int i = 0; i < _batch.Length; i++)
        {
            int batches = _source.Random(_pending.Count);
            _batch[i] = _source.Next(waitMs: (batches + 1L) * batchSize / LifeSource.LivesPerMs);
            _pending[batches].Add(_batch[i]);
        }

        Time(() =>
        {
            Sort(_batch);
            layout.WriteWaiting(rows, _batch);
            if (ended.Length == 0)
                return;
            Sort(ended);
            layout.WriteEnd(rows, ended);
        });
    }

    private void Time(Action write)
    {
        long started = Stopwatch.GetTimestamp();
        double cpu = ThreadClock.Nanoseconds();
        using (var transaction = connection.BeginTransaction())
        {
            write();
            transaction.Commit();
        }

        _clientNanoseconds += ThreadClock.Nanoseconds() - cpu;
        _seconds += Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static void Sort(Life[] lives) => Array.Sort(lives, (one, other) => one.Id.CompareTo(other.Id));

    private void Vacuum(string tables)
    {
        _vacuums.Start();
        Execute($"VACUUM {tables}");
        _vacuums.Stop();
    }

    private double DiskBytes()
    {
        string bytes = Text(
            "SELECT sum(pg_total_relation_size(oid))::text FROM pg_class WHERE relkind = 'r' AND " + InSchema);
        return double.Parse(bytes, CultureInfo.InvariantCulture);
    }

    private string Text(string query)
    {
        using var command = new NpgsqlCommand(query, connection);
        return (string)command.ExecuteScalar()!;
    }

    private void Execute(string statement)
    {
        using var command = new NpgsqlCommand(statement, connection);
        command.ExecuteNonQuery();
    }
}
