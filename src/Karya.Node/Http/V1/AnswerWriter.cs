using System.Text.Json;
using Karya.Engine;
using Karya.Node.Plans;

namespace Karya.Node.Http.V1;

/// <summary>
/// Writes the answers of <c>/v1</c>. Keys and their order are the contract: one client fails on an unknown key, another
/// on a missing null.
/// </summary>
internal static class AnswerWriter
{
    public static void WriteUser(Utf8JsonWriter json, UserView user)
    {
        json.WriteStartObject();
        json.WriteString("id", user.Id.ToGuid());
        json.WriteString("name", user.Name);
        json.WriteNumber("created_at", user.CreatedMs);
        json.WriteEndObject();
    }

    public static void WritePlan(Utf8JsonWriter json, PlanView plan)
    {
        json.WriteStartObject();
        json.WriteString("id", plan.Id.ToGuid());
        json.WriteString("user_id", plan.User.ToGuid());
        json.WriteString("description", plan.Body.Description);
        json.WriteString("period_time", plan.Body.PeriodText);
        json.WritePropertyName("type");
        WritePlanType(json, plan.Recurring, plan.EndAtMs);
        json.WriteString("status", StatusOf(plan.State));
        json.WriteNumber("max_failure_retry", plan.RetriesMax);
        json.WritePropertyName("action");
        WriteAction(json, plan.Body.Action);
        WriteHooks(json, "hook", plan.Body.Hooks);
        if (plan.Parent == PlanId.None)
            json.WriteNull("parent_plan_id");
        else
            json.WriteString("parent_plan_id", plan.Parent.ToGuid());

        json.WriteNumber("created_at", plan.CreatedMs);
        json.WriteNumber("updated_at", plan.UpdatedMs);
        json.WriteEndObject();
    }

    public static void WritePlanWithTask(Utf8JsonWriter json, (PlanView Plan, TaskView Task) found)
    {
        json.WriteStartObject();
        json.WritePropertyName("plan");
        WritePlan(json, found.Plan);
        json.WritePropertyName("latest_task");
        WriteTask(json, found.Task);
        json.WriteEndObject();
    }

    public static void WriteSummary(Utf8JsonWriter json, PlanSummary summary)
    {
        json.WriteStartObject();
        json.WritePropertyName("plan");
        WritePlan(json, summary.Plan);
        json.WriteStartArray("tasks");
        foreach (var task in summary.Tasks)
        {
            // The original's hooks are no tasks; of them only their failures show.
            if (!task.Key.IsHook)
                WriteTask(json, task);
        }

        json.WriteEndArray();
        json.WriteStartArray("error_logs");
        foreach (var error in summary.Errors)
            WriteError(json, error);

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static void WriteList(Utf8JsonWriter json, (PlanPage Page, int Number) list)
    {
        json.WriteStartObject();
        json.WriteStartArray("plans");
        foreach (var plan in list.Page.Plans)
            WritePlan(json, plan);

        json.WriteEndArray();
        json.WriteNumber("total", list.Page.Total);
        json.WriteNumber("offset", list.Number);
        json.WriteEndObject();
    }

    private static void WriteTask(Utf8JsonWriter json, TaskView task)
    {
        json.WriteStartObject();
        json.WriteString("id", task.Key.ToTaskId());
        json.WriteString("plan_id", task.Key.Plan.ToGuid());
        json.WriteNumber("partition_key", task.Partition + 1);
        json.WriteString("status", StatusOf(task.State));
        json.WriteNumber("created_at", task.CreatedMs);
        if (task.FinishedMs is { } finishedMs)
            json.WriteNumber("executed_at", finishedMs);
        else
            json.WriteNull("executed_at");

        json.WriteNumber("next_execution_at", task.DueMs);
        json.WriteEndObject();
    }

    private static void WriteError(Utf8JsonWriter json, ErrorView error)
    {
        json.WriteStartObject();
        json.WriteString("plan_id", error.Key.Plan.ToGuid());
        json.WriteString("error", error.Text);
        json.WriteStartObject("type");
        if (error.Key.IsHook)
        {
            json.WriteString("type", WireNames.HookErrorLog);
        }
        else
        {
            json.WriteString("type", WireNames.ExecutorErrorLog);
            json.WriteString("task_id", error.Key.ToTaskId());
        }

        json.WriteEndObject();
        json.WriteNumber("timestamp", error.AtMs);
        json.WriteEndObject();
    }

    private static void WritePlanType(Utf8JsonWriter json, bool recurring, long? endAtMs)
    {
        json.WriteStartObject();
        json.WriteString("type", recurring ? WireNames.Recurring : WireNames.OneTime);
        if (recurring && endAtMs is { } end)
            json.WriteNumber("end_at", end);
        else if (recurring)
            json.WriteNull("end_at");

        json.WriteEndObject();
    }

    private static void WriteHooks(Utf8JsonWriter json, string name, IReadOnlyList<PlanHook> hooks)
    {
        json.WriteStartArray(name);
        foreach (var hook in hooks)
        {
            json.WriteStartObject();
            json.WriteNumber("max_retry", hook.RetriesMax);
            json.WriteString("trigger", hook.Trigger == HookTrigger.OnFailure ? "ON_FAILURE" : "ON_COMPLETION");
            json.WritePropertyName("action");
            WriteAction(json, hook.Action);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteAction(Utf8JsonWriter json, PlanAction action)
    {
        json.WriteStartObject();
        switch (action)
        {
            case RestAction rest:
                WriteRest(json, rest);
                break;
            case SlackAction slack:
                json.WriteString("type", WireNames.SlackMessageRequest);
                json.WriteString("channel", slack.Channel);
                json.WriteString("message", slack.Message);
                break;
            case EmailAction email:
                json.WriteString("type", WireNames.EmailRequest);
                json.WriteString("recipient", email.Recipient);
                json.WriteString("subject", email.Subject);
                json.WriteString("message", email.Message);
                break;
            case KafkaAction kafka:
                json.WriteString("type", WireNames.KafkaProducerRequest);
                json.WriteString("key", kafka.Key);
                json.WriteString("topic", kafka.Topic);
                json.WriteString("message", kafka.Message);
                break;
            case ChainedAction chained:
                json.WriteString("type", WireNames.ChainedRequest);
                json.WritePropertyName("request");
                WriteDraft(json, chained.Plan);
                break;
            case WorkerAction worker:
                json.WriteString("type", WireNames.WorkerRequest);
                json.WriteString("name", worker.Name);
                json.WriteBase64String("arguments", worker.Arguments);
                json.WriteNumber("timeout", worker.TimeoutMs);
                break;
            default:
                Invariant.Fail($"{action.GetType().Name} has no form in /v1");
                break;
        }

        json.WriteEndObject();
    }

    private static void WriteRest(Utf8JsonWriter json, RestAction rest)
    {
        json.WriteString("type", WireNames.RestApiRequest);
        json.WriteString("protocol", rest.Https ? "HTTPS" : "HTTP");
        json.WriteString("base_url", rest.BaseUrl);
        json.WriteString("method", rest.Method);
        json.WriteStartObject("headers");
        foreach (var (name, value) in rest.Headers)
            json.WriteString(name, value);

        json.WriteEndObject();
        json.WriteStartObject("body");
        json.WriteString("type", rest.JsonBody is null ? WireNames.EmptyBody : WireNames.JsonBody);
        if (rest.JsonBody is not null)
            json.WriteString("json_string", rest.JsonBody);

        json.WriteEndObject();
        json.WriteNumber("timeout", rest.TimeoutMs);
    }

    /// <summary>A plan inside an action keeps the names of a request, in answers too.</summary>
    private static void WriteDraft(Utf8JsonWriter json, PlanDraft plan)
    {
        json.WriteStartObject();
        json.WriteString("user_id", plan.User.ToGuid());
        json.WriteString("description", plan.Body.Description);
        json.WriteString("period_time", plan.Body.PeriodText);
        json.WritePropertyName("plan_type");
        WritePlanType(json, plan.Recurring, plan.EndAtMs);
        json.WritePropertyName("action");
        WriteAction(json, plan.Body.Action);
        WriteHooks(json, "hooks", plan.Body.Hooks);
        json.WriteNumber("max_failure_retry", plan.RetriesMax);
        json.WriteEndObject();
    }

    private static string StatusOf(PlanState state) => state switch
    {
        PlanState.Created => "CREATED",
        PlanState.Running => "RUNNING",
        PlanState.Completed => "COMPLETED",
        _ => "CANCELLED",
    };

    /// <summary>The original knows no skipped tasks.</summary>
    private static string StatusOf(PlanTaskState state) => state switch
    {
        PlanTaskState.Created => "CREATED",
        PlanTaskState.Processing => "PROCESSING",
        PlanTaskState.Success => "SUCCESS",
        PlanTaskState.Failure => "FAILURE",
        _ => "CANCELLED",
    };
}
