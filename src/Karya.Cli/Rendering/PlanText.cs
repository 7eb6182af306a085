using System.Globalization;
using System.Text;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Client;

namespace Karya.Cli.Rendering;

/// <summary>Plans and their tasks, for people and as JSON.</summary>
internal sealed class PlanText(TimeText times)
{
    /// <summary>Longer bodies and arguments are cut in <c>describe</c>; JSON has them whole.</summary>
    private const int ContentCharsMax = 200;

    public static void WriteJson(Utf8JsonWriter json, PlanState plan)
    {
        json.WriteStartObject();
        PlanWriter.WriteMembers(json, plan);
        json.WriteEndObject();
    }

    public static void WriteJson(Utf8JsonWriter json, PlanView view)
    {
        json.WriteStartObject();
        PlanWriter.WriteMembers(json, view.Plan);
        json.WritePropertyName("task");
        TaskText.WriteJson(json, view.Task);
        json.WriteEndObject();
    }

    public static void WriteJson(Utf8JsonWriter json, PlanSummary summary)
    {
        json.WriteStartObject();
        PlanWriter.WriteMembers(json, summary.Plan);
        json.WriteStartArray("tasks");
        foreach (var task in summary.Tasks)
            TaskText.WriteJson(json, task);
        json.WriteEndArray();
        json.WriteStartArray("errors");
        foreach (var error in summary.Errors)
            TaskText.WriteJson(json, error);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>A line for each.</summary>
    public void Print(Terminal terminal, IReadOnlyList<PlanState> plans)
    {
        var table = new TextTable("ID", "STATUS", "SCHEDULE", "CREATED", "ACTION", "NAME");
        foreach (var plan in plans)
        {
            table.Row(
                plan.Id.ToString(), PlanWriter.Word(plan.Status), Words(plan.Schedule), times.Show(plan.CreatedAt),
                Words(plan.Action), plan.Name);
        }

        table.Print(terminal);
    }

    public void Print(Terminal terminal, PlanView view)
    {
        var table = TextTable.OfPairs();
        AddHead(table, view.Plan);
        table.Row("task", $"#{view.Task.Occurrence} {PlanWriter.Word(view.Task.Status)}");
        table.Row("due", times.Show(view.Task.DueAt));
        if (view.Task.Note is { } note)
            table.Row("note", note);
        table.Print(terminal);
    }

    public void Print(Terminal terminal, PlanSummary summary)
    {
        var plan = summary.Plan;
        var table = TextTable.OfPairs();
        AddHead(table, plan);
        AddAction(table, plan.Action);
        table.Row("retries", plan.MaxRetries.ToString(CultureInfo.InvariantCulture));
        foreach (var hook in plan.Hooks)
            table.Row($"on {PlanWriter.Word(hook.Event)}", Words(hook.Action));
        table.Row("created", times.Show(plan.CreatedAt));
        table.Row("updated", times.Show(plan.UpdatedAt));
        table.Row("user", plan.UserId.ToString());
        if (plan.ParentId is { } parent)
            table.Row("parent", parent.ToString());
        table.Print(terminal);

        var tasks = new TaskText(times);
        terminal.Line("");
        tasks.Print(terminal, summary.Tasks);
        if (summary.Errors.Count > 0)
        {
            terminal.Line("");
            tasks.Print(terminal, summary.Errors);
        }
    }

    public string Words(Schedule schedule)
    {
        string text = schedule.Kind switch
        {
            ScheduleKind.After when schedule.Period == TimeSpan.Zero => "now",
            ScheduleKind.After => $"in {DurationText.Show(schedule.Period)}",
            ScheduleKind.At => $"at {times.Show(schedule.FirstAt!.Value)}",
            ScheduleKind.Every => $"every {DurationText.Show(schedule.Period)}",
            _ => $"{schedule.Expression} {schedule.TimeZone}",
        };
        return schedule.EndAt is { } end ? $"{text} until {times.Local(end)}" : text;
    }

    public static string Words(KaryaAction action) => action switch
    {
        KaryaAction.HttpCall http => $"{http.Method} {http.Url}",
        KaryaAction.WorkerTask task => $"task {task.Name}",
        KaryaAction.ChainedPlan chained => $"chain: {Words(chained.Plan.Action)}",
        KaryaAction.SlackPost slack => $"slack {slack.Channel}",
        KaryaAction.Mail mail => $"email {mail.Recipient}",
        KaryaAction.KafkaRecord kafka => $"kafka {kafka.Topic}",
        _ => "",
    };

    private void AddHead(TextTable table, PlanState plan)
    {
        table.Row("plan", plan.Id.ToString());
        if (plan.Name.Length > 0)
            table.Row("name", plan.Name);
        table.Row("status", PlanWriter.Word(plan.Status));
        table.Row("action", Words(plan.Action));
        table.Row("schedule", Words(plan.Schedule));
    }

    /// <summary>Values of headers are left out: they may be secrets, and a terminal is seen by many.</summary>
    private void AddAction(TextTable table, KaryaAction action)
    {
        switch (action)
        {
            case KaryaAction.HttpCall http:
                if (http.Headers.Count > 0)
                    table.Row("headers", string.Join(", ", http.Headers.Select(header => header.Key)));
                if (http.Body is { } body)
                    table.Row("body", Cut(body));
                AddTimeout(table, http.Timeout);
                break;
            case KaryaAction.WorkerTask task:
                table.Row("data", Cut(Encoding.UTF8.GetString(task.Arguments.Span)));
                AddTimeout(table, task.Timeout);
                break;
            case KaryaAction.ChainedPlan chained:
                table.Row("child", $"{Words(chained.Plan.Schedule)}: {Words(chained.Plan.Action)}");
                break;
        }
    }

    private static void AddTimeout(TextTable table, TimeSpan? timeout)
    {
        if (timeout is { } value)
            table.Row("timeout", DurationText.Show(value));
    }

    private static string Cut(string text) => text.Length <= ContentCharsMax
        ? text
        : $"{text[..ContentCharsMax]}... ({text.Length.ToString(CultureInfo.InvariantCulture)} characters)";
}
