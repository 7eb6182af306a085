using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// What a plan is about, apart from its timing: the part that the engine stores without reading it. Immutable.
/// </summary>
/// <param name="Description">Free text, at most <see cref="DescriptionCharsMax"/> characters.</param>
/// <param name="PeriodText">
/// The period as the client wrote it; answers echo it exactly. Empty when the plan came over the wire, where a period
/// is a number.
/// </param>
public sealed record PlanBody(
    string Description,
    string PeriodText,
    PlanAction Action,
    IReadOnlyList<PlanHook> Hooks)
{
    public const int DescriptionCharsMax = 4096;

    /// <summary>It came over the wire, and is stored as it came.</summary>
    public bool IsWire { get; init; }

    /// <summary>A hash of the request, of a plan whose id the client chose or whose key did; null for others.</summary>
    public ulong? Fingerprint { get; init; }
}

/// <summary>An action and the trigger that it hangs on.</summary>
/// <param name="RetriesMax">As the client wrote it; below 0 counts as 0.</param>
public sealed record PlanHook(Engine.HookTrigger Trigger, PlanAction Action, int RetriesMax);

/// <summary>What a task does: a closed family, one record per connector.</summary>
public abstract record PlanAction;

/// <summary>Calls a URL.</summary>
/// <param name="Https">The scheme.</param>
/// <param name="BaseUrl">As the client wrote it: usually without a scheme; a leading scheme is stripped when it is
/// called.</param>
/// <param name="Method">GET, POST, PATCH, PUT or DELETE.</param>
/// <param name="JsonBody">Sent verbatim; null for no body.</param>
/// <param name="TimeoutMs">As the client wrote it; 0 or less means 2000.</param>
public sealed record RestAction(
    bool Https,
    string BaseUrl,
    string Method,
    IReadOnlyList<KeyValuePair<string, string>> Headers,
    string? JsonBody,
    long TimeoutMs) : PlanAction
{
    /// <summary>
    /// Whatever status comes that is no success, another attempt is made, as clients of /v1 expect. False: only after
    /// one that may pass by, which is 408, 425, 429 and 5xx.
    /// </summary>
    public bool RetriesAnyStatus { get; init; } = true;

    /// <summary>
    /// What the plan itself says about it, see <see cref="Karya.Protocol.RetryStatuses"/>; null for nothing.
    /// </summary>
    public IReadOnlyList<int>? RetryOn { get; init; }

    public const int TimeoutMsDefault = 2000;
}

/// <summary>Posts to a Slack channel. <paramref name="Message"/> is a JSON array of blocks, as text.</summary>
public sealed record SlackAction(string Channel, string Message) : PlanAction;

/// <summary>Sends a mail.</summary>
public sealed record EmailAction(string Recipient, string Subject, string Message) : PlanAction;

/// <summary>Publishes to a Kafka topic.</summary>
public sealed record KafkaAction(string Topic, string? Key, string Message) : PlanAction;

/// <summary>Starts another plan, which becomes a child of the one that this action belongs to.</summary>
public sealed record ChainedAction(PlanDraft Plan) : PlanAction;

/// <summary>Has a worker carry it out.</summary>
/// <param name="Name">What workers subscribe to.</param>
/// <param name="Arguments">Any bytes; JSON by convention.</param>
/// <param name="TimeoutMs">How long an attempt may take; 0 for no limit.</param>
public sealed record WorkerAction(string Name, byte[] Arguments, long TimeoutMs) : PlanAction;

/// <summary>A plan as a client asks for it: validated for form, not yet accepted.</summary>
/// <param name="User">The owner; whether it exists is checked at submit.</param>
/// <param name="PeriodMs">The parsed <see cref="PlanBody.PeriodText"/>, at least 1.</param>
/// <param name="Recurring">False: one occurrence, one period after the submit.</param>
/// <param name="EndAtMs">Recurring only: last instant at which an occurrence may be due; null for no end.</param>
/// <param name="RetriesMax">Attempts after the first; below 0 counts as 0.</param>
public sealed record PlanDraft(
    Engine.UserId User,
    PlanBody Body,
    long PeriodMs,
    bool Recurring,
    long? EndAtMs,
    int RetriesMax)
{
    /// <summary>The plan as it came over the wire, which may say more; null when it did not.</summary>
    public PlanMessage? Source { get; init; }
}

/// <summary>A plan as it is stored, for answers.</summary>
public sealed record PlanView(
    Engine.PlanId Id,
    Engine.UserId User,
    Engine.PlanId Parent,
    Engine.PlanState State,
    bool Recurring,
    long? EndAtMs,
    int RetriesMax,
    long CreatedMs,
    long UpdatedMs,
    PlanBody Body)
{
    /// <summary>Between occurrences; of a one-time plan, from its submit to its due instant.</summary>
    public long PeriodMs { get; init; }

    /// <summary>Expression and zone of a cron schedule, as the engine stores them; null for other schedules.</summary>
    public string? Cron { get; init; }
}

/// <summary>One task of a plan, for answers.</summary>
/// <param name="Partition">From 0.</param>
/// <param name="StartedMs">Start of the last attempt; null when none was made yet.</param>
/// <param name="FinishedMs">End of the last attempt; null while none has ended.</param>
/// <param name="ResultBytes">How long its result is; null when it has none.</param>
public sealed record TaskView(
    Engine.TaskKey Key,
    int Partition,
    Engine.PlanTaskState State,
    long CreatedMs,
    long DueMs,
    long? StartedMs,
    long? FinishedMs,
    int Attempts,
    int? ResultBytes)
{
    /// <summary>Of a skipped range the last occurrence; else the task's own.</summary>
    public long OccurrenceTo { get; init; } = Key.Occurrence;

    /// <summary>When its next attempt is due; 0 when none is to come, as far as is known.</summary>
    public long AttemptDueMs { get; init; }
}

/// <summary>One failed attempt, for answers.</summary>
public sealed record ErrorView(Engine.TaskKey Key, int Attempt, long AtMs, string Text, Engine.FailureClass Failure);

public sealed record PlanSummary(PlanView Plan, IReadOnlyList<TaskView> Tasks, IReadOnlyList<ErrorView> Errors);

/// <param name="Next">The next page is below this; null when this one is the last.</param>
public sealed record PlanList(IReadOnlyList<PlanView> Plans, Engine.PlanId? Next);

/// <summary>Tasks of one plan, newest first.</summary>
/// <param name="Next">The next page is below this; null when this one is the last.</param>
public sealed record TaskList(PlanView Plan, IReadOnlyList<TaskView> Tasks, (long Occurrence, int Hook)? Next);

/// <summary>Errors of one plan, newest first.</summary>
/// <param name="Next">The next page is below this; null when this one is the last.</param>
public sealed record ErrorList(
    IReadOnlyList<ErrorView> Errors, (long Occurrence, int Hook, int Attempt)? Next);

public sealed record PlanPage(IReadOnlyList<PlanView> Plans, long Total);

public sealed record UserView(Engine.UserId Id, string Name, long CreatedMs);
