using System.Diagnostics;
using System.Globalization;

namespace Karya.Simulation.Runs;

/// <summary>Many seeds, one after the other on each processor.</summary>
internal sealed class Sweep
{
    private readonly Lock _lock = new();
    private readonly SweepReport _report = new();
    private ulong _next;
    private bool _isOver;

    public ulong FirstSeed { get; init; } = 1;

    /// <summary>How many; null for as many as the hours take.</summary>
    public long? SeedsMax { get; init; }

    /// <summary>Until this many simulated hours; null for as many as the seeds take.</summary>
    public long? HoursMax { get; init; }

    /// <summary>How long it may take; null for as long as it takes.</summary>
    public TimeSpan? TimeMax { get; init; }

    public ProfileKind? Only { get; init; }

    public bool StopsAtFirst { get; init; }

    public int ThreadCount { get; init; } = Environment.ProcessorCount;

    /// <summary>What kind a seed is run as, when nobody says: mostly dense, now and then days or calm.</summary>
    public static ProfileKind KindOf(ulong seed) => (seed % 16) switch
    {
        7 => ProfileKind.Long,
        3 or 11 => ProfileKind.Calm,
        1 or 5 or 9 or 13 => ProfileKind.Tiny,
        _ => ProfileKind.Swarm,
    };

    /// <param name="progress">Hears of each failure at once.</param>
    public SweepReport Run(TextWriter progress)
    {
        var clock = Stopwatch.StartNew();
        _next = FirstSeed;
        var threads = new Thread[ThreadCount];
        for (int i = 0; i < threads.Length; i++)
        {
            threads[i] = new Thread(() => Work(clock, progress));
            threads[i].Start();
        }

        foreach (var thread in threads)
            thread.Join();
        return _report;
    }

    private void Work(Stopwatch clock, TextWriter progress)
    {
        while (true)
        {
            ulong seed;
            lock (_lock)
            {
                bool isEnough = (SeedsMax is { } seeds && _next >= FirstSeed + (ulong)seeds)
                    || (HoursMax is { } hours && _report.ClusterHours >= hours)
                    || (TimeMax is { } time && clock.Elapsed >= time);
                if (_isOver || isEnough)
                    return;
                seed = _next++;
            }

            double began = ProcessorSeconds(clock);
            var outcome = SimulationRun.Run(seed, Only ?? KindOf(seed));
            lock (_lock)
            {
                _report.Add(outcome, ProcessorSeconds(clock) - began);
                if (outcome.IsClean)
                    continue;
                progress.Write(SweepReport.Describe(outcome));
                _isOver |= StopsAtFirst;
            }
        }
    }

    /// <summary>
    /// Of this thread, where the system tells; else time, which is the same on a machine that is left alone.
    /// </summary>
    private static double ProcessorSeconds(Stopwatch clock)
    {
        const string File = "/proc/thread-self/schedstat";
        return System.IO.File.Exists(File)
            ? double.Parse(System.IO.File.ReadAllText(File).Split(' ')[0], CultureInfo.InvariantCulture) / 1e9
            : clock.Elapsed.TotalSeconds;
    }
}
