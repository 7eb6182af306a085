using Xunit;

namespace Karya.Chaos;

/// <summary>The short profile: every kind of fault once. A long one is a command, see docs/testing.md.</summary>
[Trait("Needs", "process")]
public sealed class ChaosTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_cluster_under_faults_loses_nothing_and_repeats_only_what_was_in_flight()
    {
        await using var run = new ChaosRun(new ChaosOptions(), output.WriteLine);
        var report = await run.RunAsync();
        output.WriteLine(report.Print());

        Assert.Empty(report.Failures);
    }
}
