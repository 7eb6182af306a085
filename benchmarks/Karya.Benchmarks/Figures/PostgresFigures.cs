using System.Diagnostics;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// Engine, journal and tables together, on a fresh Postgres database; the limits are <see cref="RawCopy"/>.
/// </summary>
internal static class PostgresFigures
{
    private const int SubmitRepetitions = 5;
    private const int SubmitCount = 300_000;
    private const long SubmitDelayMs = 300_000;
    private const int LifeSeconds = 60;
    private const int LifeDelayMs = 200;
    private const int LivesUnderWayMax = 200_000;

    private static readonly Lazy<LifeRun> Lives = new(RunLives);

    /// <summary>Durable submits per second, from the inbox to the answer.</summary>
    public static Measurement Submit()
    {
        double[] values = new double[SubmitRepetitions];
        double[] limits = new double[SubmitRepetitions];
        for (int repetition = 0; repetition < SubmitRepetitions; repetition++)
        {
            using var database = new PostgresDatabase();
            using var connection = database.Connect();
            var rig = database.NewRig();
            PostgresDatabase.Run(connection, "CHECKPOINT");
            var counter = new ReplyCounter(SubmitCount);
            long started = Stopwatch.GetTimestamp();
            for (int i = 0; i < SubmitCount; i++)
                rig.Submit(i, SubmitDelayMs, counter);
            counter.Wait();
            values[repetition] = SubmitCount / Stopwatch.GetElapsedTime(started).TotalSeconds;
            if (counter.Failed > 0)
                throw new InvalidOperationException($"{counter.Failed} submits were refused.");
            rig.WaitForTables();
            rig.DisposeAsync().AsTask().Wait();
            limits[repetition] = RawCopy.Plans(connection, SubmitCount, SubmitDelayMs).PerSecond;
        }

        return new Measurement(values, Measurement.MedianOf(limits));
    }

    /// <summary>
    /// Whole lives per second, sustained: submit, fire, succeed, recorded, and the tables caught up at the end. The
    /// limit is the same number of final rows.
    /// </summary>
    public static Measurement Life() => new([Lives.Value.PerSecond], Lives.Value.Raw.PerSecond);

    /// <summary>
    /// Bytes of write-ahead log for each of these lives, journal and tables; the limit is that of a final row.
    /// </summary>
    public static Measurement WalOfLife() => new([Lives.Value.WalBytes], Lives.Value.Raw.WalBytes);

    private static LifeRun RunLives()
    {
        using var database = new PostgresDatabase();
        using var connection = database.Connect();
        var rig = database.NewRig();
        PostgresDatabase.Run(connection, "CHECKPOINT");
        double walBytes = PostgresDatabase.WalBytes(connection);
        int submitted = 0;
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed.TotalSeconds < LifeSeconds)
        {
            for (int i = 0; i < 100; i++)
                rig.Submit(submitted++, LifeDelayMs, null);
            while (rig.Status.ChangedPlans > LivesUnderWayMax)
                Thread.Sleep(1);
        }

        rig.WaitUntilIdle();
        double perSecond = submitted / clock.Elapsed.TotalSeconds;
        double walBytesPerLife = (PostgresDatabase.WalBytes(connection) - walBytes) / submitted;
        rig.DisposeAsync().AsTask().Wait();
        return new LifeRun(perSecond, walBytesPerLife, RawCopy.Lives(connection, submitted));
    }

    private sealed record LifeRun(double PerSecond, double WalBytes, RawCost Raw);
}
