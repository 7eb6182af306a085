using Karya.Engine.Journal;
using Karya.Engine.Shards;
using Karya.Engine.Tables;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Model;

public sealed class DeterminismTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Replaying_the_journal_gives_the_same_state_byte_for_byte_after_any_prefix(int run)
    {
        for (int seed = run * 100; seed < run * 100 + 5; seed++)
        {
            using var driver = new ShardDriver(partitions: 3, horizonMs: 20_000) { HoldsProjections = true };
            var life = new RandomLife(seed, driver, new ReferenceModel());
            for (int step = 1; step <= 120; step++)
            {
                life.Step();
                if (life.Next(12) == 0)
                    life.Pause();
                if (life.Next(30) == 0)
                    life.Crash();
                if (step % 8 == 0)
                    AssertSameBytes(driver, seed);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void What_is_recovered_from_tables_and_journal_is_what_the_whole_journal_says(int run)
    {
        for (int seed = run * 100; seed < run * 100 + 10; seed++)
        {
            using var driver = new ShardDriver(partitions: 3, horizonMs: 20_000, projectionIntervalMs: 500);
            var life = new RandomLife(seed, driver, model: null);
            for (int step = 1; step <= 100; step++)
            {
                life.Step();
                driver.HoldsCommits = life.Next(3) == 0;
                driver.HoldsProjections = life.Next(3) == 0;
                if (life.Next(5) == 0)
                    driver.CommitNext();
                if (life.Next(10) != 0)
                    continue;
                life.Crash();
                driver.HoldsCommits = false;
                driver.Settle();
                AssertSameState(driver, seed);
            }
        }
    }

    private static void AssertSameBytes(ShardDriver driver, int seed)
    {
        driver.Settle();
        using var replica = driver.ReplayJournal();
        for (int partition = 0; partition < driver.PartitionCount; partition++)
        {
            var live = new ByteWriter();
            var replayed = new ByteWriter();
            driver.Shard.WriteSnapshot(partition, live);
            replica.WriteSnapshot(partition, replayed);
            Assert.True(
                live.WrittenSpan.SequenceEqual(replayed.WrittenSpan), $"Seed {seed}: partition {partition} differs.");
        }
    }

    private static void AssertSameState(ShardDriver driver, int seed)
    {
        using var replica = driver.ReplayJournal();
        var recovered = Pictures(driver.Shard, driver.PartitionCount);
        var replayed = Pictures(replica, driver.PartitionCount);
        foreach (var (id, picture) in replayed)
        {
            bool isThere = recovered.Remove(id, out var found);
            if (isThere || picture.WakeMs < driver.Shard.ResidentUntilMs)
                Assert.True(picture == found, $"Seed {seed}: plan {id} is\n{found}\nand not\n{picture}");
        }

        Assert.True(recovered.Count == 0, $"Seed {seed}: there are plans that the journal does not know.");
    }

    private static Dictionary<PlanId, Picture> Pictures(Shard shard, int partitions)
    {
        Dictionary<PlanId, Picture> pictures = [];
        for (int partition = 0; partition < partitions; partition++)
        {
            var writer = new ByteWriter();
            shard.WriteSnapshot(partition, writer);
            var reader = new ByteReader(writer.WrittenSpan);
            while (reader.Remaining > 0)
                pictures.Add(new PlanId(reader.ReadUInt128()), ReadPicture(ref reader));
        }

        return pictures;
    }

    private static Picture ReadPicture(ref ByteReader reader)
    {
        var plan = default(PlanEntry);
        var spec = default(PlanSpec);
        PlanMemo.ReadPlan(ref reader, ref plan, ref spec, out var hooks);
        List<string> tasks = [];
        long wakeMs = PlanSpec.NoEnd;
        for (ulong count = reader.ReadVarint(); count > 0; count--)
        {
            var task = default(TaskEntry);
            PlanMemo.ReadTask(ref reader, ref task);
            bool isRunning = task.State == PlanTaskState.Processing;
            wakeMs = Math.Min(wakeMs, isRunning ? task.StartedMs : task.AttemptDueMs);
            tasks.Add($"{task.Occurrence}/{task.Hook} {task.State} {task.DueMs} {task.AttemptDueMs} "
                + $"{task.StartedMs} {task.Attempts} {task.AttemptsMax} {task.IsReplayed}");
        }

        tasks.Sort(StringComparer.Ordinal);
        string body = Convert.ToHexString(reader.ReadBytes(new PlanDraft(PlanId.None, 0).Body.Length));
        return new Picture(
            wakeMs, $"{plan.State} {plan.Flags} {plan.LastOccurrence} {plan.UpdatedMs} {Convert.ToHexString(hooks)} "
            + $"{body} {spec.Parent} {spec.PeriodMs} {spec.EndMs} {spec.AttemptsMax}: {string.Join("; ", tasks)}");
    }

    private sealed record Picture(long WakeMs, string Text);
}
