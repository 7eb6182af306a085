using System.Runtime.CompilerServices;
using Karya.Node.Configuration;
using Xunit;

namespace Karya.Node.Tests.Configuration;

public sealed class OptionTableTests
{
    private static readonly string Example = File.ReadAllText(InRepository("karya-node.yml"));
    private static readonly string[] Documentation = File.ReadAllLines(InRepository("docs/configuration.md"));

    [Fact]
    public void The_example_lists_every_option_with_its_true_default()
    {
        var (texts, problems) = OptionsFile.Parse("karya-node.yml", Example);

        Assert.Empty(problems);
        Assert.Equal(
            OptionTable.All.Select(option => $"{option.Key}: {option.Default}"),
            texts.Select(text => $"{text.Option.Key}: {text.Text}"));
    }

    [Fact]
    public void The_example_read_as_configuration_is_the_default()
    {
        string directory = Path.GetDirectoryName(InRepository("karya-node.yml"))!;

        var reading = OptionsReader.Read(null, null, directory, new Dictionary<string, string>());

        Assert.Empty(reading.Problems);
        Assert.Equal(NodeOptions.Default, reading.Options);
    }

    [Fact]
    public void The_documentation_has_a_row_for_every_option_and_no_other()
    {
        var rows = Documentation.Where(line => line.Contains("__", StringComparison.Ordinal) && line.StartsWith('|'));

        Assert.Equal(
            OptionTable.All.Select(option =>
                $"| `{option.Key}` | `{option.EnvironmentName}` | `{option.Default}` | {option.Limits} |"),
            rows.Select(row => string.Join('|', row.Split('|').Take(5)) + "|"));
    }

    [Fact]
    public void A_default_is_within_its_own_limits_and_reads_back_the_same()
    {
        foreach (var option in OptionTable.All)
        {
            var options = NodeOptions.Default;

            Assert.Null(option.Set(option.Default, ref options));
            Assert.Equal(NodeOptions.Default, options);
        }
    }

    [Fact]
    public void The_defaults_fit_together() =>
        Assert.All(OptionRule.All, rule => Assert.Null(rule.Check(NodeOptions.Default)));

    [Fact]
    public void Shards_are_at_least_one_and_at_most_the_partitions()
    {
        Assert.Equal(1, new EngineOptions { Partitions = 1 }.ShardCount);
        Assert.InRange(new EngineOptions().ShardCount, 1, Math.Max(1, Environment.ProcessorCount / 2));
        Assert.Equal(7, new EngineOptions { Shards = 7 }.ShardCount);
    }

    private static string InRepository(string path, [CallerFilePath] string thisFile = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "..", "..", path));
}
