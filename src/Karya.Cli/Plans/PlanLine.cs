using System.Globalization;
using Karya.Client;

namespace Karya.Cli.Plans;

/// <summary>A line of a file that has a plan on each.</summary>
/// <param name="Number">From 1.</param>
internal sealed record PlanLine(string Path, int Number, string Text)
{
    /// <summary>Read when they are needed, because a file may be larger than the memory. Empty lines are passed over.</summary>
    public static IEnumerable<PlanLine> ReadAll(string path)
    {
        using var reader = TextFile.Open(path);
        for (int number = 1; reader.ReadLine() is { } line; number++)
        {
            if (!string.IsNullOrWhiteSpace(line))
                yield return new PlanLine(path, number, line);
        }
    }

    /// <exception cref="UsageException">It is no plan.</exception>
    public Plan ToPlan() => PlanReader.Read(Text, string.Create(CultureInfo.InvariantCulture, $"{Path}:{Number}"));
}
