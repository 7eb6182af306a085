using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Tests.Http;

/// <summary>A desk in memory that notes what it was asked and can be told to refuse.</summary>
internal sealed class FakeDesk : IPlanDesk
{
    public static readonly UserId Mira = UserId.From(Guid.Parse("5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10"));
    public static readonly PlanId FirstPlan = PlanId.From(Guid.Parse("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11"));

    private readonly Lock _lock = new();
    private readonly List<UserView> _users = [new(Mira, "mira", 1_795_400_000_123)];
    private readonly Dictionary<PlanId, PlanView> _plans = [];
    private int _calls;

    /// <summary>Thrown by every call when it is set.</summary>
    public DeskException? Refusal { get; set; }

    /// <summary>How often it was called at all.</summary>
    public int Calls => Volatile.Read(ref _calls);

    public PlanDraft? Submitted { get; private set; }

    /// <summary>The plan that came in the form of the wire.</summary>
    public (byte[] Plan, string? Key, bool IsAccepted) Wire { get; private set; }

    public PlanChange? Change { get; private set; }

    public TaskView? Task { get; set; }

    public PlanSummary? Summary { get; set; }

    public (int Skip, int Take) ListAsked { get; private set; }

    public ValueTask<UserView> CreateUserAsync(string name, CancellationToken stopping)
    {
        using var turn = Enter();
        var user = new UserView(new UserId((UInt128)_users.Count), name, 1_795_400_000_123);
        _users.Add(user);
        return ValueTask.FromResult(user);
    }

    public ValueTask<UserView?> FindUserAsync(string name, CancellationToken stopping)
    {
        using var turn = Enter();
        return ValueTask.FromResult(_users.Find(user => user.Name == name));
    }

    public ValueTask<(PlanId Plan, bool Existed)> SubmitAsync(
        ReadOnlyMemory<byte> plan, string? key, bool isAccepted, CancellationToken stopping)
    {
        using var turn = Enter();
        Wire = (plan.ToArray(), key, isAccepted);
        return ValueTask.FromResult((FirstPlan, key == "again"));
    }

    public ValueTask<PlanView?> TriggerAsync(PlanId id, CancellationToken stopping)
    {
        using var turn = Enter();
        return ValueTask.FromResult(_plans.GetValueOrDefault(id));
    }

    public ValueTask<PlanView> SubmitAsync(PlanDraft draft, CancellationToken stopping)
    {
        using var turn = Enter();
        Submitted = draft;
        if (!_users.Exists(user => user.Id == draft.User))
            throw new DeskException(DeskError.UserNotFound, "No such user.");

        var id = new PlanId(FirstPlan.Value + (UInt128)_plans.Count);
        const long NowMs = 1_795_400_010_000;
        var plan = new PlanView(
            id, draft.User, PlanId.None, PlanState.Created, draft.Recurring, draft.EndAtMs, draft.RetriesMax,
            NowMs, NowMs, draft.Body);
        _plans.Add(id, plan);
        return ValueTask.FromResult(plan);
    }

    public ValueTask<PlanView?> UpdateAsync(PlanId id, PlanChange change, CancellationToken stopping)
    {
        using var turn = Enter();
        Change = change;
        if (!_plans.TryGetValue(id, out var plan))
            return ValueTask.FromResult<PlanView?>(null);

        var body = plan.Body with
        {
            PeriodText = change.PeriodText ?? plan.Body.PeriodText,
            Hooks = change.Hooks ?? plan.Body.Hooks,
        };
        _plans[id] = plan with
        {
            Body = body,
            RetriesMax = change.RetriesMax ?? plan.RetriesMax,
            UpdatedMs = plan.UpdatedMs + 1,
        };
        return ValueTask.FromResult<PlanView?>(_plans[id]);
    }

    public ValueTask<PlanView?> CancelAsync(PlanId id, CancellationToken stopping)
    {
        using var turn = Enter();
        if (!_plans.TryGetValue(id, out var plan))
            return ValueTask.FromResult<PlanView?>(null);

        _plans[id] = plan with { State = PlanState.Cancelled, UpdatedMs = plan.UpdatedMs + 1 };
        return ValueTask.FromResult<PlanView?>(_plans[id]);
    }

    public ValueTask<(PlanView Plan, TaskView Task)?> GetAsync(PlanId id, CancellationToken stopping)
    {
        using var turn = Enter();
        (PlanView, TaskView)? found = _plans.TryGetValue(id, out var plan) && Task is not null ? (plan, Task) : null;
        return ValueTask.FromResult(found);
    }

    public ValueTask<PlanSummary?> SummarizeAsync(PlanId id, CancellationToken stopping)
    {
        using var turn = Enter();
        return ValueTask.FromResult(Summary?.Plan.Id == id ? Summary : null);
    }

    public ValueTask<PlanPage> ListAsync(UserId user, int skip, int take, CancellationToken stopping)
    {
        using var turn = Enter();
        ListAsked = (skip, take);
        var all = _plans.Values.Where(plan => plan.User == user).OrderByDescending(plan => plan.Id).ToList();
        return ValueTask.FromResult(new PlanPage([.. all.Skip(skip).Take(take)], all.Count));
    }

    private Lock.Scope Enter()
    {
        Interlocked.Increment(ref _calls);
        return Refusal is null ? _lock.EnterScope() : throw Refusal;
    }
}
