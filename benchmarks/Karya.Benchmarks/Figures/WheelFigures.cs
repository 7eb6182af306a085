using Karya.Engine.Timing;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// The timing wheel with so many timers pending, due 1 ms to 1 h ahead, timers and due ticks in random order, in
/// memory that was filled and emptied before (so in the order that use leaves behind). The limit is <see
/// cref="RandomAccess"/>.
/// </summary>
internal static class WheelFigures
{
    private const int Repetitions = 5;
    private const int OperationsMin = 1_000_000;
    private const int DelayMax = 3_600_000;
    private const int TicksPerAdvance = 16;
    private const double BytesMax = 24;

    private static readonly int[] Expired = new int[4096];

    public static Measurement Schedule(int timers) =>
        Measure(timers, (wheel, load) => Time(() => Fill(wheel, load)), Drain);

    public static Measurement Cancel(int timers)
    {
        int[] order = Shuffled(timers, seed: 2);
        return Measure(timers, (wheel, load) => FillThenTime(wheel, load, () => CancelAll(wheel, order)), Drain);
    }

    /// <summary>With all cascades: the wheel is advanced over the whole hour, 16 ticks at a time.</summary>
    public static Measurement Expire(int timers) =>
        Measure(timers, (wheel, load) => FillThenTime(wheel, load, () => Drain(wheel)), Drain);

    public static Measurement Bytes(int timers)
    {
        using var wheel = new TimingWheel(0);
        Fill(wheel, new Load(timers));
        return new Measurement([(double)wheel.MemoryBytes / timers], BytesMax);
    }

    private static Measurement Measure(int timers, Func<TimingWheel, Load, double> run, Action<TimingWheel> empty)
    {
        using var wheel = new TimingWheel(0);
        var load = new Load(timers);
        int rounds = Math.Max(1, OperationsMin / timers);
        double[] values = new double[Repetitions];
        for (int repetition = -1; repetition < Repetitions; repetition++) // The first one warms up.
        {
            double nanoseconds = 0;
            for (int round = 0; round < rounds; round++)
            {
                nanoseconds += run(wheel, load);
                empty(wheel);
            }

            if (repetition >= 0)
                values[repetition] = nanoseconds / rounds / timers;
        }

        return new Measurement(values, RandomAccess.Nanoseconds(WorkingBytes(timers), Repetitions));
    }

    /// <summary>A due tick and a fifteenth of a chunk for each timer: it decides which cache they fit.</summary>
    private static long WorkingBytes(int timers) => timers * (8L + 9);

    private static double FillThenTime(TimingWheel wheel, Load load, Action action)
    {
        Fill(wheel, load);
        return Time(action);
    }

    private static double Time(Action action)
    {
        double before = ThreadClock.Nanoseconds();
        action();
        return ThreadClock.Nanoseconds() - before;
    }

    private static void Fill(TimingWheel wheel, Load load)
    {
        long nowTick = wheel.NowTick;
        int[] delays = load.Delays;
        int[] order = load.Order;
        for (int i = 0; i < order.Length; i++)
            wheel.Schedule(order[i], nowTick + delays[i]);
    }

    private static void CancelAll(TimingWheel wheel, int[] order)
    {
        foreach (int timer in order)
            wheel.Cancel(timer);
    }

    private static void Drain(TimingWheel wheel)
    {
        long end = wheel.NowTick + DelayMax;
        for (long tick = wheel.NowTick + TicksPerAdvance; tick <= end; tick += TicksPerAdvance)
        {
            do
            {
                int workLeft = int.MaxValue;
                wheel.Advance(tick, Expired, ref workLeft);
            }
            while (wheel.NowTick < tick);
        }
    }

    private static int[] Shuffled(int count, int seed)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        new Random(seed).Shuffle(order);
        return order;
    }

    /// <summary>Timers in random order, each with a random delay in ticks.</summary>
    private sealed class Load
    {
        public Load(int timers)
        {
            var random = new Random(1);
            Order = Shuffled(timers, seed: 1);
            Delays = new int[timers];
            for (int i = 0; i < timers; i++)
                Delays[i] = random.Next(1, DelayMax + 1);
        }

        public int[] Order { get; }

        public int[] Delays { get; }
    }
}
