using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Karya.Engine.Timing;

namespace Karya.Benchmarks.Timing;

/// <summary>
/// Moving a random timer among so many pending, in the wheel and with <see cref="Timer"/>. Nothing expires: the base
/// class library would run the callbacks on its pool, which is another thing to measure.
/// </summary>
/// <remarks>
/// Not with ten million: at 144 bytes in several objects each they would be 1.4 GB for the garbage collector to walk,
/// and the comparison is plain at a million.
/// </remarks>
[MemoryDiagnoser]
[SimpleJob(RunStrategy.Throughput, warmupCount: 3, iterationCount: 10)]
public class SystemTimerBenchmarks : IDisposable
{
    private const int HourMs = 3_600_000;
    private const int Operations = 10_000;

    private Timer[] _timers = [];
    private TimingWheel _wheel = new(0);
    private int[] _order = [];
    private int _turn;

    [Params(10_000, 1_000_000)]
    public int Pending { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        _order = [.. Enumerable.Range(0, Pending)];
        new Random(1).Shuffle(_order);
        _timers = [.. _order.Select(timer => new Timer(static _ => { }, null, HourMs + timer, Timeout.Infinite))];
        _wheel.Dispose();
        _wheel = new TimingWheel(0);
        foreach (int timer in _order)
            _wheel.Schedule(timer, HourMs + timer);
    }

    [GlobalCleanup]
    public void Dispose()
    {
        foreach (var timer in _timers)
            timer.Dispose();
        _wheel.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Operations)]
    public void Wheel()
    {
        for (int done = 0; done < Operations; done++)
            _wheel.Schedule(Next(), HourMs + _turn);
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public void SystemTimer()
    {
        for (int done = 0; done < Operations; done++)
            _timers[Next()].Change(HourMs + _turn % HourMs, Timeout.Infinite);
    }

    private int Next() => _order[(int)((uint)++_turn % (uint)_order.Length)];
}
