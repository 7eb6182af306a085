using Karya.Engine.Timing;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// What the wheel is compared with: one read-modify-write of a random 64-bit slot, independent of the one before, in
/// memory of the wheel's size that was allocated in the wheel's way. Accesses overlap as far as the processor lets
/// them.
/// </summary>
internal static unsafe class RandomAccess
{
    private const int AccessesMin = 4_000_000;

    /// <summary>Nanoseconds per access, the median of the repetitions.</summary>
    public static double Nanoseconds(long bytes, int repetitions)
    {
        int slots = (int)(bytes / sizeof(long));
        int accesses = Math.Max(AccessesMin, slots);
        var random = new Random(1);
        int[] order = new int[accesses];
        for (int i = 0; i < accesses; i++)
            order[i] = random.Next(slots);

        var memory = default(DueTable);
        memory.Cover(slots - 1);
        for (int slot = 0; slot < slots; slot++)
            *memory.At(slot) = slot;

        double[] values = new double[repetitions];
        Touch(memory, order);
        for (int repetition = 0; repetition < repetitions; repetition++)
        {
            double before = ThreadClock.Nanoseconds();
            Touch(memory, order);
            values[repetition] = (ThreadClock.Nanoseconds() - before) / accesses;
        }

        memory.Free();
        return Measurement.MedianOf(values);
    }

    private static void Touch(DueTable memory, int[] order)
    {
        foreach (int slot in order)
            (*memory.At(slot))++;
    }
}
