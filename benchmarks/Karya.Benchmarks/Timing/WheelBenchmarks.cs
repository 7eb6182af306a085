using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Karya.Engine.Timing;

namespace Karya.Benchmarks.Timing;

/// <summary>
/// The steady life of a timer: with so many pending, the one that is due first expires and is scheduled again, 1 ms
/// to 1 h ahead. Beside it the heap of the base class library, which cannot cancel.
/// </summary>
[MemoryDiagnoser]
[SimpleJob(RunStrategy.Throughput, warmupCount: 3, iterationCount: 10)]
public class WheelBenchmarks : IDisposable
{
    private const int DelayMax = 3_600_000;
    private const int Operations = 100_000;

    private readonly int[] _expired = new int[4096];
    private readonly int[] _delays = new int[1 << 16];
    private PriorityQueue<int, long> _queue = new();
    private TimingWheel _wheel = new(0);
    private int _turn;

    [Params(10_000, 1_000_000, 10_000_000)]
    public int Pending { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        var random = new Random(1);
        for (int i = 0; i < _delays.Length; i++)
            _delays[i] = random.Next(1, DelayMax + 1);

        _wheel.Dispose();
        _wheel = new TimingWheel(0);
        _queue = new PriorityQueue<int, long>(Pending);
        for (int timer = 0; timer < Pending; timer++)
        {
            int delay = random.Next(1, DelayMax + 1);
            _wheel.Schedule(timer, delay);
            _queue.Enqueue(timer, delay);
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _wheel.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Operations)]
    public void Wheel()
    {
        for (int done = 0; done < Operations;)
        {
            int workLeft = int.MaxValue;
            long nowTick = Math.Max(_wheel.NextWakeTick, _wheel.NowTick + 16);
            int count = _wheel.Advance(nowTick, _expired, ref workLeft);
            foreach (int timer in _expired.AsSpan(0, count))
                _wheel.Schedule(timer, _wheel.NowTick + NextDelay());
            done += count;
        }
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public void PriorityQueue()
    {
        for (int done = 0; done < Operations; done++)
        {
            _queue.TryPeek(out int timer, out long dueTick);
            _queue.DequeueEnqueue(timer, dueTick + NextDelay());
        }
    }

    [Benchmark(OperationsPerInvoke = Operations)]
    public void WheelReschedule()
    {
        for (int done = 0; done < Operations; done++)
            _wheel.Schedule((int)((uint)(_turn * 40_503) % (uint)Pending), _wheel.NowTick + NextDelay());
    }

    private int NextDelay() => _delays[_turn++ & (_delays.Length - 1)];
}
