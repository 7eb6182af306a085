using System.Globalization;

namespace Karya.Benchmarks.Figures;

/// <summary>Processor time of this process by the names of its threads, as Linux keeps it.</summary>
internal static class ThreadTimes
{
    private const string Tasks = "/proc/self/task";

    public static bool IsSupported => File.Exists("/proc/self/schedstat");

    /// <summary>What all threads have used that live and whose names begin so. In ns.</summary>
    public static double OfLiving(string name) => Directory.EnumerateDirectories(Tasks)
        .Where(task => Read($"{task}/comm").StartsWith(name, StringComparison.Ordinal))
        .Sum(task => double.Parse(Read($"{task}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture));

    /// <summary>What the process has used, with threads that have ended. In ns.</summary>
    public static double OfAll() => Environment.CpuUsage.TotalTime.TotalNanoseconds;

    /// <summary>A thread may end while one looks; then it has used nothing that matters here.</summary>
    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "0";
        }
    }
}
