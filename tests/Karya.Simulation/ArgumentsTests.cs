using Xunit;

namespace Karya.Simulation;

public sealed class ArgumentsTests
{
    [Theory]
    [InlineData("--seeds", "8")]
    [InlineData("--seeds=8")]
    public void A_value_follows_its_name_or_an_equals_sign(params string[] args) =>
        Assert.Equal(8, new Arguments(args, "seeds").Number("seeds"));

    [Theory]
    [InlineData("simulate")]
    [InlineData("simulate", "--help")]
    [InlineData("simulate", "--seed", "8")]
    [InlineData("simulate", "8")]
    [InlineData("simulate", "--seeds")]
    [InlineData("simulate", "--seeds", "many")]
    [InlineData("simulate", "--seeds", "1", "--profile", "Huge")]
    [InlineData("replay", "--profile", "Tiny")]
    [InlineData("replay", "--seed", "1")]
    [InlineData("mutants")]
    public async Task What_makes_no_sense_is_refused_and_runs_nothing(params string[] args) =>
        Assert.Equal(2, await Program.Main(args));
}
