using System.Globalization;
using System.IO.Enumeration;

namespace Karya.Benchmarks.Figures;

/// <summary>Measures figures one after the other, and prints a line for each as soon as it is known.</summary>
internal static class FigureRunner
{
    public static int Run(IEnumerable<Figure> figures, string pattern)
    {
        var chosen = figures.Where(figure => Matches(figure.Name, pattern)).ToArray();
        if (chosen.Length == 0)
        {
            Console.Error.WriteLine($"No figure is called '{pattern}'.");
            return 1;
        }

        foreach (var figure in chosen)
            Console.WriteLine(Describe(figure, figure.Measure()));
        return 0;
    }

    /// <summary>
    /// <c>NAME VALUE UNIT limit LIMIT ratio RATIO [MIN..MAX]</c>; the value is the median of its repetitions.
    /// </summary>
    public static string Describe(Figure figure, Measurement measured)
    {
        string limit = double.IsNaN(measured.Limit) ? "-" : Number(measured.Limit);
        string ratio = double.IsNaN(measured.Limit) ? "-" : Number(measured.Median / measured.Limit);
        return $"{figure.Name} {Number(measured.Median)} {figure.Unit} limit {limit} ratio {ratio} " +
            $"[{Number(measured.Values.Min())}..{Number(measured.Values.Max())}]";
    }

    private static bool Matches(string name, string pattern) =>
        name.Contains(pattern, StringComparison.Ordinal) || FileSystemName.MatchesSimpleExpression(pattern, name);

    private static string Number(double value) =>
        value.ToString(value < 1000 ? "0.##" : "0", CultureInfo.InvariantCulture);
}
