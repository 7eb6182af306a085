using System.Globalization;
using Karya.Simulation.Mutants;
using Xunit;

namespace Karya.Simulation.Runs;

/// <summary>What takes minutes.</summary>
[Trait("Needs", "process")]
public sealed class SweepTests(ITestOutputHelper output)
{
    private static readonly TimeSpan TimeMax = TimeSpan.FromMinutes(2);

    /// <summary>Seeds that nobody has run before, unless one is given to begin with.</summary>
    [Fact]
    public void Fresh_seeds_are_clean()
    {
        string? given = Environment.GetEnvironmentVariable("KARYA_TEST_SEED");
        ulong first = given is null
            ? (ulong)TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() * 1000
            : ulong.Parse(given, CultureInfo.InvariantCulture);
        var failures = new StringWriter();
        var report = new Sweep { FirstSeed = first, TimeMax = TimeMax }.Run(failures);
        output.WriteLine($"first seed {first}\n{report.Print()}");
        Assert.True(report.IsClean, failures + report.Print());
    }

    [Fact]
    public void Every_deliberate_bug_is_caught_within_200_seeds()
    {
        string folder = Directory.CreateTempSubdirectory("karya-mutants-").FullName;
        try
        {
            var caught = new StringWriter();
            bool all = new MutantHunt(folder, seedsMax: 200).Run(caught);
            output.WriteLine(caught.ToString());
            Assert.True(all, caught.ToString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
