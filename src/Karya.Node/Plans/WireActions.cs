using Karya.Engine;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Wire = Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>Actions, hooks and plans as they are on the wire, to and from those of this node. Pure.</summary>
internal static class WireActions
{
    private const string Http = "http://";
    private const string Https = "https://";

    public static PlanAction Of(ActionMessage action) => action switch
    {
        Wire.RestAction rest => new RestAction(
            rest.Url.StartsWith(Https, StringComparison.OrdinalIgnoreCase),
            RestTarget.WithoutScheme(rest.Url).ToString(),
            rest.Method,
            rest.Headers,
            rest.Body,
            rest.TimeoutMs > 0 ? rest.TimeoutMs : RestAction.TimeoutMsDefault)
        {
            RetriesAnyStatus = false,
            RetryOn = rest.RetryOn,
        },
        Wire.SlackAction slack => new SlackAction(slack.Channel, slack.Message),
        Wire.EmailAction email => new EmailAction(email.Recipient, email.Subject, email.Message),
        Wire.KafkaAction kafka => new KafkaAction(kafka.Topic, kafka.Key, kafka.Message),
        Wire.ChainAction chain => new ChainedAction(Of(chain.Plan)),
        Wire.TaskAction task => new WorkerAction(task.Name, task.Arguments, task.TimeoutMs),
        _ => throw new PlanBodyDamagedException($"{action.GetType().Name} is no action."),
    };

    public static PlanHook Of(HookMessage hook) => new(
        hook.Event == HookEvent.Failure ? HookTrigger.OnFailure : HookTrigger.OnCompletion,
        Of(hook.Action),
        hook.Retries);

    public static PlanDraft Of(PlanMessage plan)
    {
        var (periodMs, endMs) = plan.Schedule switch
        {
            ScheduleMessage.After after => (after.DelayMs, null),
            ScheduleMessage.Every every => (every.PeriodMs, every.EndMs),
            ScheduleMessage.Cron cron => (1, cron.EndMs),
            _ => (1L, (long?)null),
        };
        var body = new PlanBody(
            plan.Content.Name, PeriodTexts.Of(periodMs), Of(plan.Content.Action), [.. plan.Content.Hooks.Select(Of)]);
        bool recurs = plan.Schedule is ScheduleMessage.Every or ScheduleMessage.Cron;
        return new PlanDraft(new UserId(plan.User), body, periodMs, recurs, endMs, plan.Policy.Retries)
        {
            Source = plan,
        };
    }

    public static ActionMessage ToMessage(PlanAction action) => action switch
    {
        RestAction rest => new Wire.RestAction(
            rest.Method, (rest.Https ? Https : Http) + RestTarget.WithoutScheme(rest.BaseUrl).ToString(), rest.Headers,
            rest.JsonBody is null ? null : WithoutNul(rest.JsonBody), rest.TimeoutMs)
        {
            RetryOn = rest.RetryOn,
        },
        SlackAction slack => new Wire.SlackAction(slack.Channel, WithoutNul(slack.Message)),
        EmailAction email => new Wire.EmailAction(email.Recipient, email.Subject, WithoutNul(email.Message)),
        KafkaAction kafka => new Wire.KafkaAction(
            kafka.Topic, kafka.Key is null ? null : WithoutNul(kafka.Key), WithoutNul(kafka.Message)),
        ChainedAction chained => new Wire.ChainAction(ToMessage(chained.Plan)),
        WorkerAction worker => new Wire.TaskAction(worker.Name, worker.Arguments, worker.TimeoutMs),
        _ => throw new PlanBodyDamagedException($"{action.GetType().Name} has no form on the wire."),
    };

    public static HookMessage ToMessage(PlanHook hook) => new(
        hook.Trigger == HookTrigger.OnFailure ? HookEvent.Failure : HookEvent.Completion,
        Math.Max(0, hook.RetriesMax),
        ToMessage(hook.Action));

    public static ContentMessage ToMessage(PlanBody body) =>
        new(body.Description, ToMessage(body.Action), [.. body.Hooks.Select(ToMessage)]);

    /// <summary>/v1 takes bodies with a NUL, which texts on the wire must not have.</summary>
    private static string WithoutNul(string text) => text.Replace('\0', '\uFFFD');

    private static PlanMessage ToMessage(PlanDraft draft) => draft.Source ?? new PlanMessage(
        draft.User.Value,
        draft.Recurring
            ? new ScheduleMessage.Every(draft.PeriodMs, null, ToEnd(draft.EndAtMs))
            : new ScheduleMessage.After(draft.PeriodMs),
        new PolicyMessage(Math.Max(0, draft.RetriesMax), null, null, MissedRuns.Once),
        ToMessage(draft.Body));

    /// <summary>/v1 takes an end that is no instant of this calendar; the wire has none to say it with.</summary>
    private static long? ToEnd(long? endMs) =>
        endMs is { } end ? Math.Clamp(end, 0, ProtocolLimits.InstantMsMax) : null;
}
