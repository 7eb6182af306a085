using System.Globalization;
using Karya.Engine.Journal;
using Karya.Engine.Tests.Driving;
using Xunit;
using Record = Karya.Engine.Journal.Record;

namespace Karya.Engine.Tests.Partitions;

/// <summary>The driver's clock starts on Friday, 15 January 2027, 08:00:00 UTC.</summary>
public sealed class CronTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;
    private const string EverySecond = "* * * * * *";

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void Occurrences_are_due_at_the_instants_of_the_schedule()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 10_000) { Cron = "10,25 * * * * *" });
        _driver.RunAndSucceed(Now + 130_000);

        Assert.Equal(
            [10_000L, 25_000, 70_000, 85_000, 130_000], _driver.Started.Select(d => d.DueMs - Now));
        Assert.Equal([1L, 2, 3, 4, 5], _driver.Started.Select(d => d.Key.Occurrence));
        Assert.All(_driver.Started, d => Assert.Equal(d.DueMs, d.StartedMs));
    }

    [Fact]
    public void The_first_instant_is_the_callers_and_need_not_be_one_of_the_schedule()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 7) { Cron = "0 * * * *" });
        _driver.RunAndSucceed(Now + 3_600_000);

        Assert.Equal([7L, 3_600_000], _driver.Started.Select(d => d.DueMs - Now));
    }

    [Fact]
    public void A_zone_keeps_its_hour_when_clocks_change()
    {
        long dueMs = At("2027-03-27T09:00:00+01:00");
        _driver.SubmitNow(new PlanDraft(_plan, dueMs) { Cron = "0 9 * * *", Zone = "Europe/Berlin" });
        _driver.RunAndSucceed(dueMs + 2 * 86_400_000L);

        Assert.Equal(
            [dueMs, At("2027-03-28T09:00:00+02:00"), At("2027-03-29T09:00:00+02:00")],
            _driver.Started.Select(d => d.DueMs));
    }

    [Fact]
    public void Hooks_schedule_and_body_stay_apart()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000)
        {
            Cron = EverySecond,
            EndMs = Now + 2000,
            Hooks = [PlanDraft.OnFailure(lane: 4), PlanDraft.OnCompletion(attempts: 3, lane: 5)],
            Body = [7, 7],
        });
        _driver.Fail(_driver.AwaitStart(_plan));
        Assert.Equal(4u, _driver.AwaitStart(_plan, 1, hook: 1).Lane);
        _driver.Succeed(_driver.AwaitStart(_plan, 2));
        var run = _driver.AwaitStart(_plan, 2, hook: 2);

        Assert.Equal((3, 5u), (run.AttemptsMax, run.Lane));
        Assert.Equal([7, 7], run.Body.AsSpan(0, run.BodyBytes).ToArray());
        Assert.Equal("* * * * * *\nUTC"u8, _driver.MemoOf(_plan).Cron.Span);
    }

    [Fact]
    public void A_retry_brings_no_occurrence_of_its_own()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { Cron = "*/20 * * * * *", Attempts = 2 });
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        _driver.Succeed(_driver.AwaitStart(_plan));

        Assert.Equal([2L], _driver.OpenOf(_plan).Select(t => t.Occurrence));
    }

    [Fact]
    public void A_bounded_plan_completes_with_the_last_instant_within_its_bounds()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 60_000) { Cron = "* * * * *", EndMs = Now + 120_000 });
        _driver.RunAndSucceed(Now + 500_000);

        Assert.Equal([1L, 2], _driver.Started.Select(d => d.Key.Occurrence));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_plan_rests_in_the_tables_between_its_occurrences_and_knows_its_schedule_when_it_comes_back()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 3_600_000) { Cron = "0 */2 * * *" });
        _driver.ProjectNow();
        Assert.Equal(0, _driver.Shard.Status.ResidentPlans);
        _driver.RunAndSucceed(Now + 7 * 3_600_000);

        Assert.Equal([1L, 2, 4, 6], _driver.Started.Select(d => (d.DueMs - Now) / 3_600_000));
    }

    [Fact]
    public void A_new_period_is_refused_and_changes_nothing()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { Cron = EverySecond });
        var answer = _driver.Update(_plan, PlanUpdate.Period | PlanUpdate.Attempts, periodMs: 5, attempts: 7);
        _driver.Settle();

        Assert.Equal(ReplyCode.WrongState, answer.Code);
        Assert.Equal(1, _driver.AwaitStart(_plan).AttemptsMax);
    }

    [Fact]
    public void New_hooks_leave_the_schedule_as_it_is()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { Cron = EverySecond, Hooks = [PlanDraft.OnFailure()] });
        foreach (HookSpec[] hooks in (HookSpec[][])[[], [PlanDraft.OnFailure(2), PlanDraft.OnFailure(3)]])
        {
            _driver.Update(_plan, PlanUpdate.Hooks, hooks: hooks);
            _driver.Settle();
            Assert.Equal("* * * * * *\nUTC"u8, _driver.MemoOf(_plan).Cron.Span);
        }

        _driver.Crash();
        _driver.Fail(_driver.AwaitStart(_plan));
        Assert.Equal(3, _driver.AwaitStart(_plan, 1, hook: 2).AttemptsMax);
        Assert.Equal(Now + 2000, _driver.AwaitStart(_plan, 2).DueMs);
    }

    [Theory]
    [InlineData(MisfirePolicy.Once)]
    [InlineData(MisfirePolicy.Skip)]
    public void A_plan_whose_schedule_cannot_be_read_any_more_ends_with_its_occurrence(MisfirePolicy misfire)
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000)
        {
            Cron = EverySecond,
            Zone = "Mars/Base",
            Misfire = misfire,
            Hooks = [PlanDraft.OnCompletion()],
        });
        _driver.RunAndSucceed(Now + 60_000);

        Assert.Equal([0, 1], _driver.Started.Select(d => d.Key.Hook));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_late_plan_whose_schedule_cannot_be_read_any_more_is_skipped_and_ends_under_skip()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 1000)
        {
            Cron = EverySecond,
            Zone = "Mars/Base",
            Misfire = MisfirePolicy.Skip,
        });
        _driver.Sleep(60_000);
        _driver.RunAndSucceed(Now + 120_000);

        Assert.Empty(_driver.Started);
        Assert.Equal(PlanTaskState.Skipped, _driver.EndOf(_plan));
        Assert.Equal(PlanState.Completed, _driver.StateOf(_plan));
    }

    [Fact]
    public void A_start_that_was_recorded_decides_when_the_next_occurrence_is_due_whatever_the_schedule_says()
    {
        using var driver = new ShardDriver(partitions: 1) { HoldsProjections = true };
        driver.SubmitNow(new PlanDraft(_plan, Now + 1000) { Cron = EverySecond, Zone = "Mars/Base" });
        driver.AwaitStart(_plan);
        var chunk = new JournalChunk();
        chunk.AddPartition(0, 1);
        chunk.Append(new Record
        {
            Kind = RecordKind.Started,
            Sequence = 2,
            Key = new TaskKey(_plan, 1, 0),
            Attempt = 1,
            AtMs = Now + 1000,
            DueMs = Now + 77_000,
        }, mark: 0);
        chunk.Seal();
        driver.Store.JournalRows[^1] = chunk.SealedBytes.ToArray();
        driver.Crash();

        Assert.Equal(Now + 77_000, driver.AwaitStart(_plan, 2).DueMs);
    }

    [Fact]
    public void Recovery_in_the_middle_of_an_occurrence_starts_it_again_and_goes_on_with_the_next()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now + 20_000) { Cron = "*/20 * * * * *" });
        _driver.AwaitStart(_plan);
        _driver.Crash();
        Assert.Equal(1, _driver.AwaitStart(_plan).Attempt);
        _driver.ProjectNow();
        _driver.Crash();
        _driver.Succeed(_driver.AwaitStart(_plan));
        _driver.Succeed(_driver.AwaitStart(_plan, 2));

        Assert.Equal(Now + 60_000, _driver.AwaitStart(_plan, 3).StartedMs);
    }

    [Fact]
    public void A_replay_of_the_journal_gives_the_same_state_byte_for_byte()
    {
        using var driver = new ShardDriver(partitions: 2) { HoldsProjections = true };
        foreach (int number in (int[])[1, 2, 3])
        {
            driver.SubmitNow(new PlanDraft(PlanDraft.Plan(number), Now + 1000)
            {
                Cron = number == 3 ? "* * * * *" : EverySecond,
                Zone = "Europe/Berlin",
                Misfire = (MisfirePolicy)(number % 3),
                EndMs = number == 2 ? Now + 30_000 : PlanSpec.NoEnd,
            });
        }

        driver.RunAndSucceed(Now + 10_000);
        AssertSameAfterReplay(driver);
        driver.Sleep(15_000);
        driver.RunAndSucceed(Now + 26_000);
        AssertSameAfterReplay(driver);
        driver.Crash(downMs: 120_000);
        driver.RunAndSucceed(driver.NowMs + 2000);
        AssertSameAfterReplay(driver);
    }

    private static void AssertSameAfterReplay(ShardDriver driver)
    {
        using var replica = driver.ReplayJournal();
        for (int partition = 0; partition < driver.PartitionCount; partition++)
        {
            var (live, replayed) = (new ByteWriter(), new ByteWriter());
            driver.Shard.WriteSnapshot(partition, live);
            replica.WriteSnapshot(partition, replayed);
            Assert.Equal(live.WrittenSpan, replayed.WrittenSpan);
            Assert.True(live.Length > 0);
        }
    }

    private static long At(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture).ToUnixTimeMilliseconds();
}
