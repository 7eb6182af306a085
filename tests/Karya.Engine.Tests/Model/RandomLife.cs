using Karya.Engine.Journal;
using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Model;

/// <summary>
/// Random plans, cancels, updates, outcomes, replays, pauses and crashes from a seed, done to a shard and, if there is
/// one, to the model in step: every turn must start exactly what the model starts.
/// </summary>
internal sealed class RandomLife
{
    private const int RunningMax = 60; // Far fewer than a turn hands out.

    private static readonly string?[] Crons =
        [null, null, null, "*/7 * * * * *", "5,50 * * * * *", "* * * * *"];

    private readonly Random _random;
    private readonly List<PlanId> _plans = [];
    private readonly string _name;

    public RandomLife(int seed, ShardDriver driver, ReferenceModel? model)
    {
        _random = new Random(seed);
        _name = $"Seed {seed}";
        Driver = driver;
        Model = model;
        if (model is not null)
            driver.TurnEnded = Compare;
    }

    public ShardDriver Driver { get; }

    public ReferenceModel? Model { get; }

    public void Step()
    {
        Driver.Settle();
        while (Driver.Running.Count > RunningMax)
            End(Driver.Running[0]);
        switch (_random.Next(20))
        {
            case < 4:
                Submit(PlanId.None);
                break;
            case < 5 when Driver.Running.Count > 0:
                Submit(Driver.Running[_random.Next(Driver.Running.Count)].Key.Plan);
                break;
            case < 11 when Driver.Running.Count > 0:
                End(Driver.Running[_random.Next(Driver.Running.Count)]);
                break;
            case < 12 when _plans.Count > 0:
                var cancelled = AnyPlan();
                Check("cancel", Driver.Cancel(cancelled), Model?.Cancel(cancelled));
                break;
            case < 13 when _plans.Count > 0:
                Update(AnyPlan());
                break;
            case < 14:
                Replay();
                break;
            default:
                Driver.Advance(_random.Next(4) == 0 ? _random.Next(15_000) : _random.Next(800));
                break;
        }
    }

    /// <summary>The clock goes on without turns, up to a horizon: beyond it loads make things late.</summary>
    public void Pause() => Driver.Sleep(_random.Next(19_000));

    public void Crash()
    {
        Driver.Crash(_random.Next(3) == 0 ? _random.Next(60_000) : 0);
        Model?.Crash();
    }

    public int Next(int max) => _random.Next(max);

    /// <summary>The tables, once they are up to date, must say what the model says.</summary>
    public void CompareTables()
    {
        Driver.ProjectNow();
        var model = Model!;
        Assert.True(
            model.Plans.Count == Driver.Store.Plans.Count, $"{_name}: {Driver.Store.Plans.Count} plans are stored.");
        foreach (var plan in model.Plans.Values)
        {
            var id = plan.Draft.Id;
            var memo = PlanMemo.Read(Driver.Store.Plans[id].Memo);
            Assert.True(plan.State == memo.State, $"{_name}: plan {id} is {memo.State}, not {plan.State}.");
            Equal($"open tasks of {id}",
                plan.Open.Select(t =>
                    (t.Occurrence, t.Hook, t.State, t.DueMs, t.AttemptDueMs, t.Attempts, t.AttemptsMax)),
                memo.OpenTasks.Select(t =>
                    (t.Occurrence, t.Hook, t.State, t.DueMs, t.AttemptDueMs, t.Attempts, t.AttemptsMax)));
        }

        Equal("tasks in the tables",
            model.Plans.Values.SelectMany(p => p.Tasks
                .Where(t => t.IsReplayed || PlanTaskStates.IsEnded(t.State))
                .Select(t => (p.Draft.Id, t.Occurrence, t.Hook, t.OccurrenceTo, t.DueMs, Show(t.State)))),
            Driver.Store.Tasks.Values.Select(t =>
                (t.Key.Plan, t.Key.Occurrence, t.Key.Hook, t.OccurrenceTo, t.DueMs, t.State)));
        foreach (var task in Driver.Store.Tasks.Values)
        {
            byte[]? wanted = task.State == PlanTaskState.Success ? ResultOf(task.Key, task.Attempts) : null;
            byte[]? found = Driver.Store.Results.GetValueOrDefault(task.Key);
            Assert.True(
                wanted is null ? found is null : wanted.AsSpan().SequenceEqual(found),
                $"{_name}: the result of {task.Key} is wrong.");
        }

        Equal("errors",
            model.Errors.Select(e => (e.Key.Plan, e.Key.Occurrence, e.Key.Hook, e.Attempt)),
            Driver.Store.Errors.Keys.Select(e => (e.Key.Plan, e.Key.Occurrence, e.Key.Hook, e.Attempt)));
        long resident = model.Plans.Values.Count(p => p.Open.Any(IsNear));
        Assert.True(resident == Driver.Shard.Status.ResidentPlans,
            $"{_name}: {Driver.Shard.Status.ResidentPlans} plans are in memory, {resident} have to be.");
    }

    /// <summary>None, an empty one or some bytes, the same every time.</summary>
    private static byte[]? ResultOf(TaskKey key, int attempt)
    {
        ulong kind = ((ulong)key.Plan.Value + (ulong)key.Occurrence + (ulong)attempt) % 4;
        return kind < 2 ? null : [.. Enumerable.Repeat((byte)attempt, (int)(kind - 2) * (int)(key.Occurrence % 700))];
    }

    private static PlanTaskState Show(PlanTaskState state) =>
        PlanTaskStates.IsEnded(state) ? state : PlanTaskState.Created;

    private bool IsNear(ModelTask task) =>
        task.State == PlanTaskState.Processing || task.AttemptDueMs < Driver.Shard.ResidentUntilMs;

    private void Submit(PlanId parent)
    {
        bool isAgain = _plans.Count > 0 && parent == PlanId.None && _random.Next(20) == 0 && Model is not null
            && Model.Plans.TryGetValue(_plans[^1], out var last) && last.Open.Any(IsNear);
        var id = isAgain ? _plans[^1] : PlanDraft.Plan(_plans.Count + 1);
        if (!isAgain)
            _plans.Add(id);
        long dueMs = Driver.NowMs + (_random.Next(3) == 0 ? _random.Next(200_000) : _random.Next(3000));
        bool isOnce = _random.Next(3) == 0;
        var hooks = new HookSpec[_random.Next(4)];
        for (int i = 0; i < hooks.Length; i++)
            hooks[i] = new HookSpec((HookTrigger)_random.Next(1, 3), _random.Next(1, 4), (uint)_random.Next(3));
        var draft = new PlanDraft(id, dueMs)
        {
            Parent = parent,
            PeriodMs = isOnce ? 0 : _random.Next(300, 20_000),
            Cron = isOnce ? null : Crons[_random.Next(Crons.Length)],
            Zone = "Europe/Berlin",
            EndMs = _random.Next(2) == 0 ? PlanSpec.NoEnd : dueMs + _random.Next(40_000) - 2000,
            Misfire = (MisfirePolicy)_random.Next(3),
            Attempts = _random.Next(1, 4),
            RetryDelayMs = _random.Next(2) * _random.Next(3000),
            Lane = (uint)_random.Next(3),
            Hooks = hooks,
        };
        Check("submit", Driver.Submit(draft), Model?.Submit(draft, Driver.NowMs));
    }

    private void End(Dispatch attempt)
    {
        bool isSuccess = _random.Next(5) < 3;
        bool isRetryable = _random.Next(4) != 0;
        int retryAfterMs = _random.Next(4) == 0 ? _random.Next(100_000) : 0;
        var answer = isSuccess
            ? Driver.Succeed(attempt, ResultOf(attempt.Key, attempt.Attempt))
            : Driver.Fail(attempt, isRetryable, retryAfterMs);
        Check("outcome", answer, Model?.End(attempt, isSuccess, isRetryable, retryAfterMs, Driver.NowMs));
    }

    private void Update(PlanId id)
    {
        var what = (PlanUpdate)_random.Next(1, 8);
        HookSpec[]? hooks = null;
        if (Model is { } model && model.Plans.TryGetValue(id, out var plan)) // Triggers stay: a key names one run.
            hooks = [.. plan.Draft.Hooks.Select(h => h with { AttemptsMax = _random.Next(1, 5) })];
        else
            what &= ~PlanUpdate.Hooks;
        int periodMs = _random.Next(300, 20_000);
        int attempts = _random.Next(1, 5);
        Check("update",
            Driver.Update(id, what, periodMs, attempts, what.HasFlag(PlanUpdate.Hooks) ? hooks : null),
            Model?.Update(id, what, periodMs, attempts, hooks));
    }

    private void Replay()
    {
        if (Driver.HoldsProjections)
            return;
        Driver.ProjectNow();
        var dead = Driver.Store.Tasks.Values.Where(t => t.State == PlanTaskState.Failure).Select(t => t.Key).ToArray();
        if (dead.Length == 0)
            return;
        var key = dead[_random.Next(dead.Length)];
        Check("replay", Driver.Replay(key), Model?.Replay(key, Driver.NowMs));
    }

    private PlanId AnyPlan() => _plans[_random.Next(_plans.Count)];

    private void Check(string what, Answer answer, ReplyCode? expected)
    {
        if (expected is null)
            return;
        Driver.Settle();
        Assert.True(answer.Code == expected, $"{_name}: a {what} is answered {answer.Code}, not {expected}.");
    }

    private void Compare(Dispatch[] dispatches)
    {
        var started = dispatches.Select(d => (d.Key, d.Attempt, d.DueMs));
        Equal($"starts at {Driver.NowMs}",
            Model!.Turn(Driver.NowMs).Select(s => (s.Key.Plan, s.Key.Occurrence, s.Key.Hook, s.Attempt, s.DueMs)),
            started.Select(s => (s.Key.Plan, s.Key.Occurrence, s.Key.Hook, s.Attempt, s.DueMs)));
    }

    private void Equal<T>(string what, IEnumerable<T> expected, IEnumerable<T> actual)
    {
        T[] wanted = [.. expected.Order()];
        T[] got = [.. actual.Order()];
        if (!wanted.AsSpan().SequenceEqual(got))
        {
            Assert.Fail(
                $"{_name}: {what}\n missing: {string.Join(", ", wanted.Except(got))}\n"
                + $" too many: {string.Join(", ", got.Except(wanted))}");
        }
    }
}
