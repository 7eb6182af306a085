namespace Karya.Protocol.Tests;

/// <summary>Where random tests begin: <c>KARYA_TEST_SEED</c>, or another place each time.</summary>
internal static class Seed
{
    private const string Variable = "KARYA_TEST_SEED";

    public static int Take() =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } text
            ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture)
            : Random.Shared.Next();

    /// <summary>How to have the same again.</summary>
    public static string Describe(int seed) => $"{Variable}={seed}";
}
