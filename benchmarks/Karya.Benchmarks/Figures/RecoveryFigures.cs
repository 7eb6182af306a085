using System.Diagnostics;
using Karya.Node.Execution;

namespace Karya.Benchmarks.Figures;

/// <summary>How a node comes up on a Postgres that has plans.</summary>
internal static class RecoveryFigures
{
    private const int Repetitions = 5;
    private const int LoadCount = 1_000_000;
    private const int FarCount = 10_000_000;
    private const long FarDelayMs = 30L * 24 * 3_600_000;
    private const int OverdueCount = 1000;
    private const int OverdueDelayMs = 5000; // Time enough to stop before they are due.
    private const int UnderWayMax = 4096;
    private const int ChangedMax = 100_000;

    // Within the horizon of ten minutes, and after the measurement.
    private const int NearDelayMsMin = 400_000;
    private const int NearDelayMsMax = 590_000;

    private static readonly Lazy<LoadRun> Loads = new(RunLoads);

    /// <summary>
    /// Plans per second from the start of the load until all of a million are in the wheel; the limit is a raw COPY of
    /// these rows to a client that throws them away.
    /// </summary>
    public static Measurement Load() => new(Loads.Value.PerSecond, Measurement.MedianOf(Loads.Value.RawPerSecond));

    /// <summary>From the start of that load until the first overdue task starts, in ms.</summary>
    public static Measurement FirstStart() => new(Loads.Value.FirstMs, Measurement.NoLimit);

    /// <summary>
    /// From opening the store until the first overdue task starts, in ms, with ten million plans beyond the horizon;
    /// the limit is the same without them, in turn.
    /// </summary>
    public static Measurement StartUp()
    {
        using var small = new PostgresDatabase();
        using var large = new PostgresDatabase();
        small.NewRig().DisposeAsync().AsTask().Wait();
        large.NewRig().DisposeAsync().AsTask().Wait();
        using (var connection = large.Connect())
        {
            RawCopy.AddPlans(connection, FarCount, FarDelayMs);
            PostgresDatabase.Run(connection, "VACUUM (ANALYZE) plans");
            PostgresDatabase.Run(connection, "CHECKPOINT");
        }

        double[] without = new double[Repetitions];
        double[] with = new double[Repetitions];
        for (int repetition = -1; repetition < Repetitions; repetition++) // The first one warms up.
        {
            double smallMs = MeasureStart(small);
            double largeMs = MeasureStart(large);
            if (repetition < 0)
                continue;
            without[repetition] = smallMs;
            with[repetition] = largeMs;
        }

        return new Measurement(with, Measurement.MedianOf(without));
    }

    private static double MeasureStart(PostgresDatabase database)
    {
        AddOverdue(database);
        var first = new FirstStartWatch();
        var rig = new NodeRig(database.NewStore(), first.Started);
        double milliseconds = first.WaitSince(rig.OpenSent);
        rig.WaitUntilIdle();
        rig.DisposeAsync().AsTask().Wait();
        return milliseconds;
    }

    private static LoadRun RunLoads()
    {
        using var database = new PostgresDatabase();
        using var connection = database.Connect();
        var filled = Stopwatch.StartNew();
        var filler = database.NewRig();
        var random = new Random(1);
        Submit(filler, LoadCount, () => random.Next(NearDelayMsMin, NearDelayMsMax));
        filler.DisposeAsync().AsTask().Wait();

        var run = new LoadRun(new double[Repetitions], new double[Repetitions], new double[Repetitions]);
        for (int repetition = 0; repetition < Repetitions; repetition++)
        {
            AddOverdue(database);
            run.RawPerSecond[repetition] = RawCopy.ReadPlans(connection, LoadCount + OverdueCount);
            var first = new FirstStartWatch();
            var rig = new NodeRig(database.NewStore(), first.Started);
            while (rig.Status.Scheduled < LoadCount)
                Thread.Sleep(1);
            run.PerSecond[repetition] = LoadCount / Stopwatch.GetElapsedTime(rig.LoadSent).TotalSeconds;
            run.FirstMs[repetition] = first.WaitSince(rig.LoadSent);
            rig.WaitForTables();
            rig.DisposeAsync().AsTask().Wait();
        }

        if (filled.ElapsedMilliseconds > NearDelayMsMin)
            throw new InvalidOperationException($"It took {filled.Elapsed}: plans became due meanwhile.");
        return run;
    }

    /// <summary>Plans that a node which has stopped meanwhile has not started in time.</summary>
    private static void AddOverdue(PostgresDatabase database)
    {
        var rig = new NodeRig(database.NewStore());
        var clock = Stopwatch.StartNew();
        Submit(rig, OverdueCount, () => OverdueDelayMs);
        rig.DisposeAsync().AsTask().Wait();
        if (clock.ElapsedMilliseconds > OverdueDelayMs)
            throw new InvalidOperationException($"It took {clock.Elapsed}: plans were started in time.");
        while (clock.ElapsedMilliseconds < OverdueDelayMs + 500)
            Thread.Sleep(10);
    }

    private static void Submit(NodeRig rig, int count, Func<int> delayMs)
    {
        var counter = new ReplyCounter(count);
        for (int i = 0; i < count; i++)
        {
            while (i - counter.Count > UnderWayMax || rig.Status.ChangedPlans > ChangedMax)
                Thread.Sleep(1);
            rig.Submit(i, delayMs(), counter);
        }

        counter.Wait();
        rig.WaitForTables();
    }

    private sealed record LoadRun(double[] PerSecond, double[] RawPerSecond, double[] FirstMs);
}

/// <summary>When the first attempt of a rig started.</summary>
internal sealed class FirstStartWatch
{
    private readonly TaskCompletionSource<long> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public AttemptStarted Started => (in _, _) => _first.TrySetResult(Stopwatch.GetTimestamp());

    /// <summary>Milliseconds from a stopwatch's timestamp.</summary>
    public double WaitSince(long timestamp)
    {
        if (!_first.Task.Wait(TimeSpan.FromMinutes(1)))
            throw new TimeoutException("No attempt started.");
        return Stopwatch.GetElapsedTime(timestamp, _first.Task.Result).TotalMilliseconds;
    }
}
