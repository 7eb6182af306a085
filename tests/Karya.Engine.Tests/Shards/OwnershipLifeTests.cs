using Karya.Engine.Journal;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Shards;

/// <summary>
/// Partitions that come and go many times: nothing is left behind, and their plans fare as if they had stayed.
/// </summary>
public sealed class OwnershipLifeTests
{
    private const long Now = ShardDriver.StartMs;
    private const int Partitions = 4;
    private const long Horizon = 20_000;
    private const int SeedsPerRun = 20;
    private const int StepsPerSeed = 120;

    [Fact]
    public void A_shard_that_has_lost_everything_holds_nothing()
    {
        using var pair = new ShardPair(Partitions, Horizon, laneInFlightMax: 3);
        for (int i = 1; i <= 200; i++)
            pair.First.SubmitNow(LivelyPlan(i, Now + 10 * i));
        pair.First.HoldsProjections = true;
        pair.Advance(1000);
        foreach (var attempt in pair.First.Running.ToArray())
            pair.First.Fail(attempt);
        pair.Advance(100);
        Assert.True(pair.First.Shard.Status.Ready > 0);
        for (int partition = 0; partition < Partitions; partition++)
            pair.First.Revoke(partition);
        pair.HoldsStrays = true;
        foreach (var attempt in pair.First.Running.ToArray())
            pair.First.Succeed(attempt);
        pair.First.Settle();

        AssertEmpty(pair.First);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_partition_that_goes_and_comes_back_many_times_leaves_nothing_behind(bool isTakenAway)
    {
        using var pair = new ShardPair(1, Horizon);
        byte[] body = new byte[100_000]; // Has a segment of its own, which is given back.
        for (int i = 1; i <= 20; i++)
            pair.First.SubmitNow(LivelyPlan(i, Now + 100 * i) with { Body = body });
        for (int round = 0; round < 100; round++)
        {
            pair.Advance(20);
            var owner = pair.OwnerOf(PlanDraft.Plan(1));
            foreach (var attempt in owner.Running.Take(2).ToArray())
                owner.Fail(attempt);
            if (isTakenAway)
                Lose(pair, owner);
            else
                pair.Move(0);
            AssertEmptyButForPlaces(owner);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Two_shards_that_hand_partitions_to_each_other_do_what_one_does(int run)
    {
        for (int seed = run * 1000; seed < run * 1000 + SeedsPerRun; seed++)
            Compare(seed);
    }

    private static void Compare(int seed)
    {
        using var one = new ShardPair(Partitions, Horizon);
        using var two = new ShardPair(Partitions, Horizon);
        var still = new PairLife(seed, one);
        var moving = new PairLife(seed, two);
        var random = new Random(~seed);
        for (int step = 1; step <= StepsPerSeed; step++)
        {
            string did = still.Step();
            moving.Step();
            Assert.True(still.Running == moving.Running,
                $"Seed {seed}, step {step}, {did}: there run\n{moving.Running}, not\n{still.Running}");
            for (int partition = 0; partition < Partitions; partition++)
            {
                if (random.Next(8) == 0)
                    two.Move(partition, awayMs: 1_000_000_000);
            }
        }

        string[] expected = still.Tables();
        string[] found = moving.Tables();
        Assert.True(expected.SequenceEqual(found),
            $"Seed {seed}: the tables say\n{Join(found.Except(expected))}\nand not\n{Join(expected.Except(found))}");
    }

    private static string Join(IEnumerable<string> lines) => string.Join("\n", lines);

    private static PlanDraft LivelyPlan(int number, long dueMs) => new(PlanDraft.Plan(number), dueMs)
    {
        PeriodMs = number % 3 == 0 ? 0 : 700,
        Attempts = 3,
        Hooks = [PlanDraft.OnFailure(), PlanDraft.OnCompletion()],
        Lane = (uint)number % 3,
    };

    private static void Lose(ShardPair pair, ShardDriver owner)
    {
        pair.TakeAway(0);
        owner.Running.Clear(); // They run again elsewhere; what becomes of these is of no interest here.
    }

    private static void AssertEmpty(ShardDriver driver)
    {
        AssertEmptyButForPlaces(driver);
        Assert.Equal(0, driver.Shard.Status.InFlight);
    }

    private static void AssertEmptyButForPlaces(ShardDriver driver)
    {
        var tables = driver.Shard.Tables;
        Assert.Equal(0, tables.Plans.Count);
        Assert.Equal(0, tables.Tasks.Count);
        Assert.Equal(0, tables.Errors.Count);
        Assert.Equal(0, tables.Results.Count);
        Assert.Equal(0, tables.Wheel.Count);
        Assert.InRange(tables.Bytes.SegmentsInUse, 0, 1); // That which small ones share stays.
        Assert.Equal(0, driver.Shard.Status.Ready);
        Assert.Equal(0, driver.Shard.Status.ChangedPlans);
        Assert.Equal(0, driver.Shard.Status.ResidentPlans);
    }

    /// <summary>Random plans and what befalls them, from a seed: the same whoever owns their partitions.</summary>
    private sealed class PairLife(int seed, ShardPair pair)
    {
        private readonly Random _random = new(seed);
        private readonly List<PlanId> _plans = [];

        public string Running => string.Join(", ", Attempts().Select(a => $"{a.Attempt.Key} {a.Attempt.Attempt}"));

        public string Step()
        {
            int what = _random.Next(20);
            int number = _random.Next(1_000_000);
            var attempts = Attempts();
            if (what < 5)
                return Submit();
            if (what < 12 && attempts.Length > 0)
                return End(attempts[number % attempts.Length]);
            if (what < 13 && _plans.Count > 0)
                return Cancel(_plans[number % _plans.Count]);
            if (what < 14 && _plans.Count > 0)
                return Update(_plans[number % _plans.Count]);
            pair.Advance(_random.Next(4) == 0 ? _random.Next(15_000) : _random.Next(800));
            return $"advanced to {pair.NowMs}";
        }

        public string[] Tables()
        {
            pair.First.ProjectNow();
            pair.Second.ProjectNow();
            var plans = pair.Store.Plans.Values.OrderBy(p => p.Id).Select(p =>
                $"{p.Id} {p.State} {p.WakeMs} {Show(PlanMemo.Read(p.Memo).OpenTasks)}");
            var tasks = pair.Store.Tasks.Values.Select(t =>
                $"{t.Key} {t.State} {t.OccurrenceTo} {t.DueMs} {t.StartedMs} {t.FinishedMs} {t.Attempts}");
            var errors = pair.Store.Errors.Select(e => $"{e.Key} {e.Value}");
            return [.. plans, .. tasks.Order(StringComparer.Ordinal), .. errors.Order(StringComparer.Ordinal)];
        }

        /// <summary>Of one that runs, how long its end is waited for is of no interest.</summary>
        private static string Show(IEnumerable<OpenTask> tasks) => string.Join(" ", tasks
            .Select(t => $"{(t.State == PlanTaskState.Processing ? t with { AttemptDueMs = 0 } : t)}").Order());

        private (ShardDriver Driver, Dispatch Attempt)[] Attempts() =>
        [
            .. pair.First.Running.Select(a => (pair.First, a)).Concat(pair.Second.Running.Select(a => (pair.Second, a)))
                .OrderBy(a => a.a.Key.Plan).ThenBy(a => a.a.Key.Occurrence).ThenBy(a => a.a.Key.Hook),
        ];

        private string Submit()
        {
            long dueMs = pair.NowMs + 2 + (_random.Next(3) == 0 ? _random.Next(100_000) : _random.Next(3000));
            var hooks = new HookSpec[_random.Next(3)];
            for (int i = 0; i < hooks.Length; i++)
                hooks[i] = new HookSpec((HookTrigger)_random.Next(1, 3), _random.Next(1, 4), 1);
            var draft = new PlanDraft(PlanDraft.Plan(_plans.Count + 1), dueMs)
            {
                PeriodMs = _random.Next(2) * _random.Next(300, 20_000),
                EndMs = _random.Next(2) == 0 ? PlanSpec.NoEnd : dueMs + _random.Next(40_000),
                Misfire = (MisfirePolicy)_random.Next(3),
                Attempts = _random.Next(1, 4),
                RetryDelayMs = 2 + _random.Next(3000),
                Hooks = hooks,
            };
            _plans.Add(draft.Id);
            Check(pair.OwnerOf(draft.Id).Submit(draft), ReplyCode.Ok);
            return $"submitted {draft.Id}";
        }

        private string End((ShardDriver Driver, Dispatch Attempt) running)
        {
            bool isSuccess = _random.Next(5) < 3;
            bool isRetryable = _random.Next(4) != 0;
            Check(
                isSuccess ? running.Driver.Succeed(running.Attempt) : running.Driver.Fail(running.Attempt, isRetryable),
                ReplyCode.Ok);
            return $"ended {running.Attempt.Key}: {isSuccess}";
        }

        private string Cancel(PlanId plan)
        {
            Check(pair.OwnerOf(plan).Cancel(plan), ReplyCode.Ok);
            return $"cancelled {plan}";
        }

        private string Update(PlanId plan)
        {
            int attempts = _random.Next(1, 5);
            Check(
                pair.OwnerOf(plan).Update(
                    plan, PlanUpdate.Attempts | PlanUpdate.Period, _random.Next(300, 20_000), attempts),
                ReplyCode.Ok);
            return $"updated {plan}";
        }

        private void Check(Answer answer, ReplyCode code)
        {
            pair.Settle();
            Assert.Equal(code, answer.Code);
        }
    }
}
