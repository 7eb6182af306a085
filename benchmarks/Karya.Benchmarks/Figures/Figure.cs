namespace Karya.Benchmarks.Figures;

/// <summary>One number that we watch, and how to measure it. Names are stable: <c>family.what.size</c>.</summary>
internal sealed record Figure(string Name, string Unit, Func<Measurement> Measure);

/// <summary>The repetitions of one figure, and what the machine could do at best, measured in the same run.</summary>
/// <param name="Values">One value for each repetition, in the figure's unit.</param>
/// <param name="Limit">In the same unit; <see cref="NoLimit"/> when there is nothing to compare with.</param>
internal readonly record struct Measurement(double[] Values, double Limit)
{
    public const double NoLimit = double.NaN;

    public double Median => MedianOf(Values);

    public static double MedianOf(double[] values) => values.Order().ElementAt(values.Length / 2);
}
