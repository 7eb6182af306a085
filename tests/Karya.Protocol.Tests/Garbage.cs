namespace Karya.Protocol.Tests;

/// <summary>Counts what a piece of work allocates on its thread.</summary>
internal static class Garbage
{
    public static long BytesOf(Action work)
    {
        work(); // Whatever is made once and kept.
        long before = GC.GetAllocatedBytesForCurrentThread();
        work();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }
}
