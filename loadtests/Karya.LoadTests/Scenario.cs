using YamlDotNet.Core;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace Karya.LoadTests;

/// <summary>What a run submits, and how fast. The keys of the YAML file are the properties, in camel case.</summary>
internal sealed class Scenario
{
    /// <summary>The ledger keeps a few words per plan; more than this would measure the driver's memory.</summary>
    private const int PlanCountMax = 10_000_000;

    public string Name { get; set; } = "";

    public int RatePerSecond { get; set; }

    public int DurationSeconds { get; set; }

    public int Connections { get; set; }

    public int SettleSeconds { get; set; }

    public List<PlanShare> Plans { get; set; } = [];

    public int PlanCount => RatePerSecond * DurationSeconds;

    /// <exception cref="FormatException">Says all that is wrong.</exception>
    public static Scenario Parse(string yaml)
    {
        try
        {
            var scenario = new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).Build()
                .Deserialize<Scenario?>(yaml) ?? new Scenario();
            string[] mistakes = [.. scenario.Mistakes()];
            return mistakes.Length == 0 ? scenario : throw new FormatException(string.Join('\n', mistakes));
        }
        catch (YamlException e)
        {
            throw new FormatException($"Line {e.Start.Line}: {e.InnerException?.Message ?? e.Message}", e);
        }
    }

    private IEnumerable<string> Mistakes()
    {
        if (RatePerSecond < 1)
            yield return $"ratePerSecond is {RatePerSecond}, must be at least 1.";

        if (DurationSeconds < 1)
            yield return $"durationSeconds is {DurationSeconds}, must be at least 1.";

        if ((long)RatePerSecond * DurationSeconds > PlanCountMax)
            yield return $"ratePerSecond x durationSeconds is over {PlanCountMax} plans.";

        if (Connections < 1)
            yield return $"connections is {Connections}, must be at least 1.";

        if (SettleSeconds < 1)
            yield return $"settleSeconds is {SettleSeconds}, must be at least 1.";

        if (Plans.Count == 0)
            yield return "plans is empty: say what to submit.";

        foreach (var share in Plans.Where(share => share.Weight < 1 || share.DueAfterSeconds <= 0))
            yield return $"plans: weight {share.Weight} and dueAfterSeconds {share.DueAfterSeconds} must be above 0.";
    }
}

/// <summary>One kind of plan and its share of the submits.</summary>
internal sealed class PlanShare
{
    public int Weight { get; set; }

    public double DueAfterSeconds { get; set; }
}
