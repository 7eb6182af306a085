using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Model;

public sealed class ModelTests
{
    private const int SeedsPerRun = 25;
    private const int StepsPerSeed = 150;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void A_shard_does_what_the_model_does_in_every_turn(int run)
    {
        for (int seed = run * 1000; seed < run * 1000 + SeedsPerRun; seed++)
            Live(seed);
    }

    private static void Live(int seed)
    {
        using var driver = new ShardDriver(partitions: 3, horizonMs: 20_000, projectionIntervalMs: 1000);
        var life = new RandomLife(seed, driver, new ReferenceModel());
        for (int step = 1; step <= StepsPerSeed; step++)
        {
            life.Step();
            if (life.Next(12) == 0)
                life.Pause();
            if (life.Next(25) == 0)
                life.Crash();
            if (step % 10 == 0)
                life.CompareTables();
        }
    }
}
