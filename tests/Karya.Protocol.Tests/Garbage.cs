namespace Karya.Protocol.Tests;

/// <summary>
/// Counts what a piece of work allocates on its thread: the least of some tries. A collection that another thread began
/// counts what is left of the thread's 8 KiB of fresh memory as allocated.
/// </summary>
internal static class Garbage
{
    private const int Tries = 5;

    public static long BytesOf(Action work)
    {
        work(); // Whatever is made once and kept.
        long least = long.MaxValue;
        for (int i = 0; i < Tries; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            work();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least;
    }
}
