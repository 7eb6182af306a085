using System.Diagnostics;
using Karya.Node.Execution;

namespace Karya.Benchmarks.Figures;

/// <summary>Engine, journal and tables together, on a fresh SQLite file.</summary>
internal static class NodeFigures
{
    private const int SubmitRepetitions = 5;
    private const int SubmitCount = 300_000;
    private const int LifeSeconds = 60;
    private const int LifeDelayMs = 200;
    private const int LivesUnderWayMax = 200_000;
    private const int SteadyPerSecond = 2000;
    private const int SteadySeconds = 30;
    private const double SteadyLateMsAim = 10;
    private const int PendingPlans = 1_000_000;
    private const int PendingUnderWayMax = 4096; // As clients with bounded pipelines do it: no flood.
    private const int PendingChangedMax = 100_000;
    private const double PendingMegabytesMax = 600;

    /// <summary>
    /// Durable submits per second, from the inbox to the answer; the limit is raw inserts of the same plans as rows.
    /// </summary>
    public static Measurement Submit()
    {
        var values = new double[SubmitRepetitions];
        double limit = 0;
        for (int repetition = 0; repetition < SubmitRepetitions; repetition++)
        {
            var rig = NodeRig.OnSqlite();
            var counter = new ReplyCounter(SubmitCount);
            long started = Stopwatch.GetTimestamp();
            for (int i = 0; i < SubmitCount; i++)
                rig.Submit(i, 300_000, counter);
            counter.Wait();
            values[repetition] = SubmitCount / Stopwatch.GetElapsedTime(started).TotalSeconds;
            if (counter.Failed > 0)
                throw new InvalidOperationException($"{counter.Failed} submits were refused.");
            rig.WaitForTables();
            if (repetition == SubmitRepetitions / 2)
                limit = RawRows.Plans(rig, SubmitCount);
            rig.DisposeAsync().AsTask().Wait();
        }

        return new Measurement(values, limit);
    }

    /// <summary>
    /// Whole lives per second, sustained: submit, fire, succeed, recorded, and the tables caught up at the end. The
    /// limit is the same number of final rows, raw.
    /// </summary>
    public static Measurement Life()
    {
        var rig = NodeRig.OnSqlite();
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
        double rate = submitted / clock.Elapsed.TotalSeconds;
        double limit = RawRows.Lives(rig, Math.Min(submitted, 1_000_000));
        rig.DisposeAsync().AsTask().Wait();
        return new Measurement([rate], limit);
    }

    /// <summary>
    /// How late attempts start, the 99th percentile in ms, under a steady load that comes when it is due, not when
    /// there is room.
    /// </summary>
    public static Measurement LateSteady()
    {
        int expected = SteadyPerSecond * SteadySeconds;
        double[] lateMs = new double[expected];
        int count = 0;
        AttemptStarted started = (in dispatch, _) =>
        {
            double late = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalMilliseconds - dispatch.AttemptDueMs;
            lateMs[Interlocked.Increment(ref count) - 1] = late;
        };
        var rig = NodeRig.OnSqlite(started);
        var clock = Stopwatch.StartNew();
        for (int i = 0; i < expected; i++)
        {
            double dueAt = (double)i / SteadyPerSecond;
            while (clock.Elapsed.TotalSeconds < dueAt)
                Thread.Sleep(1);
            rig.Submit(i, 1000 + i % 1000, null);
        }

        rig.WaitUntilIdle();
        rig.DisposeAsync().AsTask().Wait();
        if (count != expected)
            throw new InvalidOperationException($"{count} of {expected} attempts started.");
        Array.Sort(lateMs);
        if (lateMs[0] < 0)
            throw new InvalidOperationException($"An attempt started {-lateMs[0]} ms early.");
        return new Measurement([lateMs[expected * 99 / 100]], SteadyLateMsAim);
    }

    /// <summary>Resident memory of a process with a million plans due within the horizon, in MB.</summary>
    public static Measurement PendingMemory()
    {
        // In a process of its own: what other figures left behind does not count.
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["pending-memory"])
        {
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        string printed = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new Measurement([double.Parse(printed.Trim())], PendingMegabytesMax);
    }

    /// <summary>The other process: fills a rig, lets the tables catch up, prints its resident memory.</summary>
    public static void PrintPendingMemory()
    {
        var rig = NodeRig.OnSqlite();
        var counter = new ReplyCounter(PendingPlans);
        for (int i = 0; i < PendingPlans; i++)
        {
            while (i - counter.Count > PendingUnderWayMax || rig.Status.ChangedPlans > PendingChangedMax)
                Thread.Sleep(1);
            rig.Submit(i, 540_000, counter);
        }

        counter.Wait();
        rig.WaitForTables();
        if (rig.Status.Scheduled != PendingPlans)
            throw new InvalidOperationException($"{rig.Status.Scheduled} tasks are scheduled.");
        using var self = Process.GetCurrentProcess();
        Console.WriteLine(self.WorkingSet64 / 1e6);
        rig.DisposeAsync().AsTask().Wait();
    }
}
