using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>
/// A history written by hand, in which everything is as it should be: a plan of each kind that the judge has to
/// understand. Times are in ms after the beginning, of true time and of the database's clock alike.
/// </summary>
internal sealed class HonestHistory
{
    public const long CutoffMs = 100_000;
    public const long TimeoutMs = 10_000;
    public const int Partition = 3;
    public const long Epoch = 5;
    public const int Node = 1;
    public const int Life = 1;

    private const long OriginMs = 1_792_843_200_000; // 24 October 2026, 12:00 UTC.

    private readonly Ledger _ledger = new();
    private readonly FinalState _final = new();
    private int _plans;

    public HonestHistory()
    {
        _ledger.Opened(Partition, Epoch, Node, Life, 0);

        Once = Order("once", new ScheduleMessage.After(1000), new PolicyMessage(0, 1000, 1000, MissedRuns.Once));
        Ran(Once, 1, 0, 1, 2000);
        Row(Once, 1, 0, PlanTaskState.Success, 1, 2000);
        Ends(Once, PlanState.Completed);

        Retried = Order("retried", new ScheduleMessage.After(1000), new PolicyMessage(2, 1000, 4000, MissedRuns.Once));
        Ran(Retried, 1, 0, 1, 2000, isSuccess: false);
        Ran(Retried, 1, 0, 2, 4000);
        Row(Retried, 1, 0, PlanTaskState.Success, 2, 2000);
        Ends(Retried, PlanState.Completed);

        Hung = Order("hung", new ScheduleMessage.After(1000), new PolicyMessage(1, 1000, 4000, MissedRuns.Once));
        Began(Hung, 1, 0, 1, 2000);
        Ran(Hung, 1, 0, 2, 2000 + TimeoutMs + 1000);
        Row(Hung, 1, 0, PlanTaskState.Success, 2, 2000);
        Ends(Hung, PlanState.Completed);

        Failed = Order(
            "failed", new ScheduleMessage.After(1000), new PolicyMessage(1, 1000, 4000, MissedRuns.Once),
            new HookMessage(HookEvent.Failure, 1, Call()), new HookMessage(HookEvent.Completion, 0, Call()));
        Ran(Failed, 1, 0, 1, 2000, isSuccess: false);
        Ran(Failed, 1, 0, 2, 4000, isSuccess: false);
        Row(Failed, 1, 0, PlanTaskState.Failure, 2, 2000);
        Ran(Failed, 1, 1, 1, 4100, isSuccess: false);
        Ran(Failed, 1, 1, 2, 6100);
        Row(Failed, 1, 1, PlanTaskState.Success, 2, 4050);
        Ran(Failed, 1, 2, 1, 4200);
        Row(Failed, 1, 2, PlanTaskState.Success, 1, 4050);
        Ends(Failed, PlanState.Completed);

        Refused = Order("refused", new ScheduleMessage.After(1000), new PolicyMessage(3, 1000, 4000, MissedRuns.Once));
        Ran(Refused, 1, 0, 1, 2000, isSuccess: false, isRetryable: false);
        Row(Refused, 1, 0, PlanTaskState.Failure, 1, 2000);
        Ends(Refused, PlanState.Completed);

        Bounded = Order(
            "bounded", new ScheduleMessage.Every(10_000, OriginMs + 10_000, OriginMs + 30_000),
            new PolicyMessage(0, 1000, 1000, MissedRuns.All), new HookMessage(HookEvent.Completion, 0, Call()));
        for (int i = 1; i <= 3; i++)
        {
            Ran(Bounded, i, 0, 1, i * 10_000);
            Row(Bounded, i, 0, PlanTaskState.Success, 1, i * 10_000);
        }

        Ran(Bounded, 3, 1, 1, 30_100);
        Row(Bounded, 3, 1, PlanTaskState.Success, 1, 30_050);
        Ends(Bounded, PlanState.Completed);

        Endless = Order(
            "endless", new ScheduleMessage.Every(25_000, OriginMs + 10_000, null),
            new PolicyMessage(0, 1000, 1000, MissedRuns.Once));
        Ran(Endless, 1, 0, 1, 10_000);
        Row(Endless, 1, 0, PlanTaskState.Success, 1, 10_000);
        Skipped(Endless, 2, 3, 35_000, 86_000);
        Ran(Endless, 4, 0, 1, 86_000, dueMs: 85_000);
        Row(Endless, 4, 0, PlanTaskState.Success, 1, 85_000);
        Open(Endless, 5, 0, PlanTaskState.Created, 110_000);

        var child = Message(
            "child", new ScheduleMessage.After(1000), new PolicyMessage(0, 1000, 1000, MissedRuns.Once), Call());
        Chained = Order(Message(
            "chained", new ScheduleMessage.After(1000), new PolicyMessage(1, 1000, 1000, MissedRuns.Once),
            new ChainAction(child)));
        Began(Chained, 1, 0, 1, 2000);
        Row(Chained, 1, 0, PlanTaskState.Success, 1, 2000);
        Ends(Chained, PlanState.Completed);
        Child = Add("child", Chained, 2000);
        _ledger.Children.Add(Child, (new TaskKey(Chained, 1, 0), child));
        Ran(Child, 1, 0, 1, 3000);
        Row(Child, 1, 0, PlanTaskState.Success, 1, 3000);
        Ends(Child, PlanState.Completed);

        Cancelled = Order(
            "cancelled", new ScheduleMessage.After(3_600_000), new PolicyMessage(0, 1000, 1000, MissedRuns.Once));
        Ledger.Ended(_ledger.Cancelled(Cancelled, 5_000_000), RequestEnd.Acknowledged, 5_100_000);
        Row(Cancelled, 1, 0, PlanTaskState.Cancelled, 0, 3_601_000);
        Ends(Cancelled, PlanState.Cancelled);
    }

    /// <summary>One attempt, which succeeded.</summary>
    public PlanId Once { get; }

    /// <summary>Succeeded with its second attempt of three.</summary>
    public PlanId Retried { get; }

    /// <summary>Nobody answered its first attempt.</summary>
    public PlanId Hung { get; }

    /// <summary>
    /// Failed twice, which was all it had. Hook 1 hangs on that, and succeeded with its second attempt; hook 2 on its
    /// completion.
    /// </summary>
    public PlanId Failed { get; }

    /// <summary>Failed once with three attempts left, which could not have helped.</summary>
    public PlanId Refused { get; }

    /// <summary>Three occurrences, 10 s apart, and a hook on completion.</summary>
    public PlanId Bounded { get; }

    /// <summary>Every 25 s from 10 s on; the second and the third were missed.</summary>
    public PlanId Endless { get; }

    /// <summary>It started <see cref="Child"/>.</summary>
    public PlanId Chained { get; }

    public PlanId Child { get; }

    /// <summary>Cancelled before it was due.</summary>
    public PlanId Cancelled { get; }

    public Ledger Ledger => _ledger;

    public FinalState Final => _final;

    public Verdict Judge() => Judging.Judge.Check(new History(
        _ledger, _final,
        new JudgeOptions { CutoffMs = OriginMs + CutoffMs, AttemptTimeoutMs = TimeoutMs, ClockLagMs = 1000 }));

    /// <summary>What the database's clock shows.</summary>
    public static long At(long ms) => OriginMs + ms;

    public static RestAction Call() => new("POST", "http://target.example/", [], null, 0);

    public PlanId Order(
        string name, ScheduleMessage schedule, PolicyMessage policy, params IReadOnlyList<HookMessage> hooks) =>
        Order(Message(name, schedule, policy, Call(), hooks));

    /// <summary>An order that was acknowledged 1 s after the beginning.</summary>
    public PlanId Order(PlanMessage terms)
    {
        var order = _ledger.Ordered(terms, null, 900_000, At(900));
        var plan = Add(terms.Content.Name, PlanId.None, 1000);
        Ledger.Acknowledged(order, plan, isDurable: true, 1_100_000, At(1100));
        return plan;
    }

    /// <summary>A plan in the tables, whoever wanted it.</summary>
    public PlanId Add(string name, PlanId parent, long createdMs)
    {
        var id = new PlanId(new UInt128(0x0192_0000_0000_7000, 0x8000_0000_0000_0100 + (ulong)_plans++));
        _final.Plans.Add(id, new FinalPlan(
            new StoredPlan(
                id, new UserId(1), parent, Partition, PlanState.Running, At(createdMs), At(createdMs), [], []),
            name, 0, 1, [], []));
        return id;
    }

    public static PlanMessage Message(
        string name, ScheduleMessage schedule, PolicyMessage policy, ActionMessage action,
        params IReadOnlyList<HookMessage> hooks) =>
        new(1, schedule, policy, new ContentMessage(name, action, hooks));

    /// <summary>An attempt that was answered 20 ms after it began.</summary>
    public void Ran(
        PlanId plan, long occurrence, int hook, int attempt, long atMs, bool isSuccess = true, bool isRetryable = true,
        long? dueMs = null)
    {
        Began(plan, occurrence, hook, attempt, atMs, dueMs);
        _ledger.Ends.Add(new End(
            new TaskKey(plan, occurrence, hook), attempt, isSuccess, isRetryable, (atMs + 20) * 1000));
    }

    public void Began(PlanId plan, long occurrence, int hook, int attempt, long atMs, long? dueMs = null) =>
        _ledger.Starts.Add(new Start(
            new TaskKey(plan, occurrence, hook), attempt, Epoch, Partition, Node, Life,
            At(dueMs ?? FirstStartMs(plan, occurrence, hook) ?? atMs), atMs * 1000, At(atMs)));

    public void Row(PlanId plan, long occurrence, int hook, PlanTaskState state, int attempts, long dueMs) =>
        Change(plan, final => final with
        {
            Tasks =
            [
                .. final.Tasks,
                new StoredTask(
                    new TaskKey(plan, occurrence, hook), state, SkipReason.None, occurrence, At(dueMs), At(dueMs),
                    At(dueMs), At(dueMs + 500), attempts, null),
            ],
        });

    public void Skipped(PlanId plan, long from, long to, long dueMs, long atMs) => Change(plan, final => final with
    {
        Tasks =
        [
            .. final.Tasks,
            new StoredTask(
                new TaskKey(plan, from, 0), PlanTaskState.Skipped, SkipReason.Misfire, to, At(dueMs), At(dueMs), 0,
                At(atMs), 0, null),
        ],
    });

    public void Open(
        PlanId plan, long occurrence, int hook, PlanTaskState state, long dueMs, long startedMs = 0) =>
        Change(plan, final => final with
        {
            OpenTasks =
            [
                .. final.OpenTasks,
                new OpenTask(
                    occurrence, hook, state, At(dueMs), At(dueMs), At(dueMs), At(startedMs), 0,
                    state == PlanTaskState.Processing ? 1 : 0, 1),
            ],
        });

    public void Ends(PlanId plan, PlanState state) =>
        Change(plan, final => final with { Stored = final.Stored with { State = state } });

    public void Change(PlanId plan, Func<FinalPlan, FinalPlan> change) =>
        _final.Plans[plan] = change(_final.Plans[plan]);

    public void ChangeRow(PlanId plan, long occurrence, int hook, Func<StoredTask, StoredTask> change) =>
        Change(plan, final => final with
        {
            Tasks =
            [
                .. final.Tasks.Select(task =>
                    (task.Key.Occurrence, task.Key.Hook) == (occurrence, hook) ? change(task) : task),
            ],
        });

    public void ChangeStart(PlanId plan, long occurrence, int hook, int attempt, Func<Start, Start> change)
    {
        int index = _ledger.Starts.FindIndex(
            start => start.Key == new TaskKey(plan, occurrence, hook) && start.Attempt == attempt);
        _ledger.Starts[index] = change(_ledger.Starts[index]);
    }

    public void RemoveRow(PlanId plan, long occurrence, int hook) => Change(plan, final => final with
    {
        Tasks = [.. final.Tasks.Where(task => (task.Key.Occurrence, task.Key.Hook) != (occurrence, hook))],
    });

    public void RemoveStarts(PlanId plan, long occurrence, int hook, int from = 1)
    {
        var key = new TaskKey(plan, occurrence, hook);
        _ledger.Starts.RemoveAll(start => start.Key == key && start.Attempt >= from);
        _ledger.Ends.RemoveAll(end => end.Key == key && end.Attempt >= from);
    }

    public void ChangeEnd(PlanId plan, long occurrence, int hook, int attempt, Func<End, End> change)
    {
        int index = _ledger.Ends.FindIndex(
            end => end.Key == new TaskKey(plan, occurrence, hook) && end.Attempt == attempt);
        _ledger.Ends[index] = change(_ledger.Ends[index]);
    }

    /// <summary>Another node has the partition from 50 s on.</summary>
    public void LosesPartition() => _ledger.Opened(Partition, Epoch + 1, Node + 1, Life, 50_000_000);

    /// <summary>The first attempt of a plan once more, by the next owner.</summary>
    public void RunsAgain(PlanId plan, long atMs, bool isSuccess, bool isRetryable = true)
    {
        Ran(plan, 1, 0, 1, atMs, isSuccess, isRetryable);
        _ledger.Starts[^1] = _ledger.Starts[^1] with { Epoch = Epoch + 1, Node = Node + 1 };
    }

    /// <summary>All that its hooks did happens later.</summary>
    public void MoveHooks(PlanId plan, long byMs)
    {
        for (int i = 0; i < _ledger.Starts.Count; i++)
        {
            if (_ledger.Starts[i] is { Key.IsHook: true } start && start.Key.Plan == plan)
                _ledger.Starts[i] = start with { AtUs = start.AtUs + byMs * 1000 };
        }

        for (int i = 0; i < _ledger.Ends.Count; i++)
        {
            if (_ledger.Ends[i] is { Key.IsHook: true } end && end.Key.Plan == plan)
                _ledger.Ends[i] = end with { AtUs = end.AtUs + byMs * 1000 };
        }
    }

    public Order OrderOf(PlanId plan) => _ledger.Orders.Find(order => order.Plan == plan)!;

    /// <summary>All attempts of a task are told when that is due.</summary>
    private long? FirstStartMs(PlanId plan, long occurrence, int hook)
    {
        var key = new TaskKey(plan, occurrence, hook);
        int index = _ledger.Starts.FindIndex(start => start.Key == key);
        return index < 0 ? null : _ledger.Starts[index].DueMs - OriginMs;
    }
}
