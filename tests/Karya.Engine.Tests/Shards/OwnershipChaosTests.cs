using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Shards;

/// <summary>
/// Partitions that are closed and lost at random while the journal, the tables and the loads of both owners lag behind.
/// What ran may run again; nothing else may go wrong.
/// </summary>
public sealed class OwnershipChaosTests
{
    private const int Partitions = 3;
    private const int SeedsPerRun = 40;
    private const int StepsPerSeed = 150;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void What_was_acknowledged_is_done_once_it_is_due_and_what_was_cancelled_is_not(int run)
    {
        for (int seed = run * 1000; seed < run * 1000 + SeedsPerRun; seed++)
        {
            using var pair = new ShardPair(Partitions, horizonMs: 20_000, laneInFlightMax: 5, mayRunTwice: true);
            new Chaos(seed, pair).Live();
        }
    }

    private sealed class Chaos(int seed, ShardPair pair)
    {
        private readonly Random _random = new(seed);
        private readonly List<(PlanId Plan, Answer Answer)> _submitted = [];
        private readonly Dictionary<PlanId, Answer> _cancels = [];
        private readonly HashSet<int> _closing = [];

        public void Live()
        {
            pair.First.TurnEnded = pair.Second.TurnEnded = CheckStarts;
            for (int step = 1; step <= StepsPerSeed; step++)
            {
                Do(_random.Next(20));
                GrantWhatIsClosed();
            }

            Calm();
            Check();
        }

        private void Do(int what)
        {
            var driver = _random.Next(2) == 0 ? pair.First : pair.Second;
            int partition = _random.Next(Partitions);
            switch (what)
            {
                case < 5:
                    Submit();
                    break;
                case < 8 when driver.Running.Count > 0:
                    End(driver, driver.Running[_random.Next(driver.Running.Count)]);
                    break;
                case 8 when _submitted.Count > 0:
                    var plan = _submitted[_random.Next(_submitted.Count)].Plan;
                    _cancels.TryAdd(plan, pair.OwnerOf(plan).Cancel(plan));
                    break;
                case 9:
                    driver.HoldsCommits = !driver.HoldsCommits;
                    break;
                case 10:
                    driver.HoldsProjections = !driver.HoldsProjections;
                    break;
                case 11:
                    driver.HoldsLoads = !driver.HoldsLoads;
                    break;
                case 12:
                    driver.CommitNext();
                    break;
                case 13:
                    pair.HoldsStrays = !pair.HoldsStrays;
                    break;
                case 14 when _closing.Add(partition):
                    pair.OwnerOf(PlanOf(partition)).Close(partition, _random.Next(500), _random.Next(5000));
                    break;
                case 15:
                    Lose(partition);
                    break;
                default:
                    pair.Advance(_random.Next(4) == 0 ? _random.Next(9000) : _random.Next(300));
                    break;
            }
        }

        private void Submit()
        {
            int number = _submitted.Count + 1;
            var draft = new PlanDraft(PlanDraft.Plan(number), pair.NowMs + _random.Next(2) * _random.Next(60_000))
            {
                Attempts = 50,
                RetryDelayMs = 1 + _random.Next(500),
                Lane = (uint)_random.Next(2),
            };
            _submitted.Add((draft.Id, pair.OwnerOf(draft.Id).Submit(draft)));
        }

        private void End(ShardDriver driver, Dispatch attempt)
        {
            if (_random.Next(2) == 0)
                driver.Succeed(attempt);
            else
                driver.Fail(attempt);
        }

        private void Lose(int partition)
        {
            _closing.Remove(partition);
            pair.TakeAway(partition);
        }

        private ShardDriver Other(ShardDriver driver) => driver == pair.First ? pair.Second : pair.First;

        private void GrantWhatIsClosed()
        {
            pair.Settle();
            foreach (int partition in _closing.ToArray())
            {
                var owner = pair.OwnerOf(PlanOf(partition));
                if (!owner.HasClosed(partition))
                    continue;
                _closing.Remove(partition);
                pair.Grant(Other(owner), partition);
            }

            pair.Settle();
        }

        /// <summary>Everything works again, and every attempt succeeds.</summary>
        private void Calm()
        {
            pair.HoldsStrays = false;
            foreach (var driver in (ShardDriver[])[pair.First, pair.Second])
            {
                driver.HoldsCommits = driver.HoldsProjections = driver.HoldsLoads = false;
                driver.Step();
            }

            for (int i = 0; i < 400; i++)
            {
                GrantWhatIsClosed();
                foreach (var driver in (ShardDriver[])[pair.First, pair.Second])
                {
                    foreach (var attempt in driver.Running.ToArray())
                        driver.Succeed(attempt);
                }

                pair.Advance(200);
            }
        }

        private void Check()
        {
            pair.First.ProjectNow();
            pair.Second.ProjectNow();
            foreach (var (plan, answer) in _submitted)
            {
                Assert.True(answer.Code is not null, $"Seed {seed}: the submit of {plan} was never answered.");
                if (answer.Code != ReplyCode.Ok)
                    continue;
                bool isStored = pair.Store.Tasks.TryGetValue(new TaskKey(plan, 1, 0), out var task);
                bool isRight = isStored && (task.State == PlanTaskState.Success || _cancels.ContainsKey(plan));
                Assert.True(isRight, $"Seed {seed}: the task of {plan} is {(isStored ? task.State : null)}.");
            }

            foreach (var driver in (ShardDriver[])[pair.First, pair.Second])
            {
                Assert.True(driver.Shard.Status.InFlight == 0, $"Seed {seed}: places are taken.");
                Assert.True(driver.Shard.Tables.Tasks.Count == 0, $"Seed {seed}: tasks are left.");
                Assert.True(driver.Shard.Status.ResidentPlans == 0, $"Seed {seed}: plans are left.");
            }
        }

        private void CheckStarts(Dispatch[] dispatches)
        {
            foreach (var attempt in dispatches)
            {
                var cancel = _cancels.GetValueOrDefault(attempt.Key.Plan);
                Assert.False(
                    cancel?.Code == ReplyCode.Ok,
                    $"Seed {seed}: {attempt.Key} starts, and its plan was cancelled.");
            }
        }

        private PlanId PlanOf(int partition) => PlanDraft.Plan(partition + Partitions);
    }
}
