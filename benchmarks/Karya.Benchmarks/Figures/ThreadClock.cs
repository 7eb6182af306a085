using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// The processor time of this thread, so that other work on the machine does not count. Elsewhere than on Linux:
/// elapsed time.
/// </summary>
internal static partial class ThreadClock
{
    private const int ThreadCpuTime = 3; // CLOCK_THREAD_CPUTIME_ID

    public static double Nanoseconds()
    {
        if (OperatingSystem.IsLinux() && ReadClock(ThreadCpuTime, out var time) == 0)
            return time.Seconds * 1e9 + time.Nanoseconds;
        return Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency);
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime")]
    private static partial int ReadClock(int clock, out TimeSpec time);

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
