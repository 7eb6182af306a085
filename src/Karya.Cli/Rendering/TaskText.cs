using System.Globalization;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Client;

namespace Karya.Cli.Rendering;

/// <summary>Tasks and their errors, for people and as JSON.</summary>
internal sealed class TaskText(TimeText times)
{
    public static void WriteJson(Utf8JsonWriter json, TaskState task)
    {
        json.WriteStartObject();
        json.WriteString("id", task.Id);
        json.WriteString("plan_id", task.PlanId);
        json.WriteNumber("occurrence", task.Occurrence);
        json.WriteNumber("occurrence_to", task.OccurrenceTo);
        json.WriteNumber("hook", task.Hook);
        json.WriteString("status", PlanWriter.Word(task.Status));
        json.WriteString("due_at", InstantText.Show(task.DueAt));
        WriteInstant(json, "started_at", task.StartedAt);
        WriteInstant(json, "finished_at", task.FinishedAt);
        json.WriteNumber("attempts", task.Attempts);
        if (task.Progress is { } progress)
            json.WriteNumber("progress", progress);
        else
            json.WriteNull("progress");
        json.WriteString("note", task.Note);
        json.WriteEndObject();
    }

    public static void WriteJson(Utf8JsonWriter json, TaskError error)
    {
        json.WriteStartObject();
        json.WriteNumber("occurrence", error.Occurrence);
        json.WriteNumber("hook", error.Hook);
        json.WriteNumber("attempt", error.Attempt);
        json.WriteString("at", InstantText.Show(error.At));
        json.WriteString("text", error.Text);
        json.WriteString("failure", error.Failure);
        json.WriteEndObject();
    }

    public void Print(Terminal terminal, IReadOnlyList<TaskState> tasks)
    {
        var table = new TextTable("TASK", "STATUS", "DUE", "LATE", "TOOK", "ATTEMPTS", "NOTE");
        foreach (var task in tasks)
        {
            table.Row(
                Place(task), PlanWriter.Word(task.Status), times.Show(task.DueAt), Late(task), Took(task),
                task.Attempts.ToString(CultureInfo.InvariantCulture), Remark(task));
        }

        table.Print(terminal);
    }

    public void Print(Terminal terminal, IReadOnlyList<TaskError> errors)
    {
        var table = new TextTable("TASK", "ATTEMPT", "AT", "FAILURE", "ERROR");
        foreach (var error in errors)
        {
            table.Row(
                Place(error.Occurrence, error.Hook), error.Attempt.ToString(CultureInfo.InvariantCulture),
                times.Show(error.At), error.Failure, error.Text);
        }

        table.Print(terminal);
    }

    /// <summary>One change on one line: when it was, what is so now.</summary>
    public string Line(TaskState task)
    {
        var at = task.FinishedAt is { } end && task.HasEnded ? end : task.StartedAt ?? task.DueAt;
        string[] parts =
        [
            times.Precise(at), Place(task), PlanWriter.Word(task.Status).PadRight(10), Late(task), Took(task),
            task.Attempts > 1 ? string.Create(CultureInfo.InvariantCulture, $"attempt {task.Attempts}") : "",
            TextTable.Plain(Remark(task)),
        ];
        return string.Join("  ", parts.Where(part => part.Length > 0)).TrimEnd();
    }

    private static string Place(TaskState task) => task.OccurrenceTo > task.Occurrence
        ? string.Create(CultureInfo.InvariantCulture, $"#{task.Occurrence}-{task.OccurrenceTo}")
        : Place(task.Occurrence, task.Hook);

    private static string Place(long occurrence, int hook) => hook == 0
        ? string.Create(CultureInfo.InvariantCulture, $"#{occurrence}")
        : string.Create(CultureInfo.InvariantCulture, $"#{occurrence} hook {hook}");

    private static string Late(TaskState task) =>
        task.StartedAt is null ? "" : $"+{DurationText.Show(task.Lateness)}";

    private static string Took(TaskState task) =>
        task is { StartedAt: { } start, FinishedAt: { } end } && end >= start ? DurationText.Show(end - start) : "";

    private static string Remark(TaskState task) => task.Progress is { } progress && !task.HasEnded
        ? string.Create(CultureInfo.InvariantCulture, $"{progress:P0} {task.Note}").TrimEnd()
        : task.Note ?? "";

    private static void WriteInstant(Utf8JsonWriter json, string name, DateTimeOffset? instant)
    {
        if (instant is { } value)
            json.WriteString(name, InstantText.Show(value));
        else
            json.WriteNull(name);
    }
}
