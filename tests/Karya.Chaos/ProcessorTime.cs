using System.Globalization;

namespace Karya.Chaos;

/// <summary>What processes have used of the processor so far, in us; Linux counts in hundredths of a second.</summary>
internal static class ProcessorTime
{
    private const long TickUs = 10_000;

    public static long Of(int process) => Read(process) is { } stat ? stat.Own : 0;

    /// <summary>Of a process and its children, those that have ended included.</summary>
    public static long OfFamily(int process)
    {
        long sum = Read(process) is { } parent ? parent.Own + parent.Ended : 0;
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int id)
                && Read(id) is { } child && child.Parent == process)
            {
                sum += child.Own;
            }
        }

        return sum;
    }

    private static (int Parent, long Own, long Ended)? Read(int process)
    {
        try
        {
            // The name of the process may hold anything; what follows its bracket are numbers.
            string text = File.ReadAllText($"/proc/{process}/stat");
            string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            long Field(int index) => long.Parse(fields[index], CultureInfo.InvariantCulture);
            return ((int)Field(1), (Field(11) + Field(12)) * TickUs, (Field(13) + Field(14)) * TickUs);
        }
        catch (IOException)
        {
            return null; // It has ended.
        }
    }
}
