using Karya.Simulation.Kernel;
using Xunit;

namespace Karya.Simulation.Runs;

public sealed class SimulationTests(ITestOutputHelper output)
{
    /// <summary>Seeds that failed once, and what they found: see docs/testing.md.</summary>
    public static TheoryData<ulong, string> Regressions => new()
    {
        { 35, "Swarm" }, { 8, "Swarm" }, { 18, "Swarm" }, { 2, "Swarm" }, { 54, "Swarm" }, { 17, "Swarm" },
        { 11, "Swarm" }, { 42, "Tiny" }, { 5101, "Tiny" }, { 60117, "Tiny" }, { 60039, "Long" },
        { 1795726825287, "Long" }, { 1795738485047, "Long" }, { 1795817251174, "Swarm" },
        { 1795830692225, "Tiny" },
    };

    [Theory]
    [MemberData(nameof(Regressions))]
    public void A_seed_that_failed_once_is_clean(ulong seed, string profile) =>
        AssertClean(SimulationRun.Run(seed, Enum.Parse<ProfileKind>(profile)));

    [Theory]
    [InlineData("Swarm")]
    [InlineData("Tiny")]
    [InlineData("Calm")]
    public void The_same_seed_is_the_same_run(string profile)
    {
        var kind = Enum.Parse<ProfileKind>(profile);
        for (ulong seed = 1; seed <= 3; seed++)
        {
            var first = SimulationRun.Run(seed, kind);
            var second = SimulationRun.Run(seed, kind);
            Assert.Equal((first.TraceHash, first.EventCount), (second.TraceHash, second.EventCount));
        }
    }

    [Fact]
    public void A_trace_changes_nothing_of_a_run()
    {
        var trace = new StringWriter();
        Assert.Equal(
            SimulationRun.Run(5, ProfileKind.Tiny).TraceHash, SimulationRun.Run(5, ProfileKind.Tiny, trace).TraceHash);
        Assert.Contains("starts", trace.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Different_seeds_are_different_runs() => Assert.NotEqual(
        SimulationRun.Run(1, ProfileKind.Calm).TraceHash, SimulationRun.Run(2, ProfileKind.Calm).TraceHash);

    [Fact]
    public void The_source_of_chance_means_the_same_for_ever()
    {
        var chance = new Prng(42);
        Assert.Equal(0xBDD732262FEB6E95, chance.Next());
        Assert.Equal(0x28EFE333B266F103UL, chance.Next());
    }

    private void AssertClean(RunOutcome outcome)
    {
        output.WriteLine(SweepReport.Describe(outcome));
        Assert.True(outcome.IsClean, SweepReport.Describe(outcome));
    }
}
