using System.Globalization;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Client;

namespace Karya.Cli.Rendering;

/// <summary>A node's figures, for people and as JSON.</summary>
internal static class StatsText
{
    public static void WriteJson(Utf8JsonWriter json, NodeStats stats)
    {
        json.WriteStartObject();
        json.WriteBoolean("ready", stats.NotReady is null);
        json.WriteString("not_ready", stats.NotReady);
        json.WriteNumber("uptime_seconds", stats.Uptime.TotalSeconds);
        json.WriteNumber("resident_plans", stats.ResidentPlans);
        json.WriteNumber("scheduled", stats.Scheduled);
        json.WriteNumber("ready_tasks", stats.Ready);
        json.WriteNumber("running", stats.Running);
        json.WriteNumber("waiting_for_worker", stats.WaitingForWorker);
        json.WriteNumber("journal_backlog_bytes", stats.JournalBacklogBytes);
        json.WriteNumber("projection_lag", stats.ProjectionLag);
        json.WriteNumber("connections", stats.Connections);
        json.WriteStartArray("workers");
        foreach (var worker in stats.Workers)
        {
            json.WriteStartObject();
            json.WriteString("name", worker.Name);
            json.WriteNumber("workers", worker.Workers);
            json.WriteNumber("credits", worker.Credits);
            json.WriteNumber("running", worker.Running);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static void Print(Terminal terminal, string? node, NodeStats stats)
    {
        var table = TextTable.OfPairs();
        table.Row("node", node ?? "");
        table.Row("state", stats.NotReady is { } reason ? $"not ready: {reason}" : "ready");
        table.Row("up", DurationText.Show(TimeSpan.FromSeconds(Math.Floor(stats.Uptime.TotalSeconds))));
        table.Row("plans in memory", Count(stats.ResidentPlans));
        table.Row("scheduled", Count(stats.Scheduled));
        table.Row("ready", Count(stats.Ready));
        table.Row("running", Count(stats.Running));
        table.Row("waiting for worker", Count(stats.WaitingForWorker));
        table.Row("journal backlog", $"{Count(stats.JournalBacklogBytes)} B");
        table.Row("projection lag", $"{Count(stats.ProjectionLag)} plans");
        table.Row("connections", Count(stats.Connections));
        table.Print(terminal);
        if (stats.Workers.Count == 0)
            return;

        terminal.Line("");
        var workers = new TextTable("TASK NAME", "WORKERS", "CREDITS", "RUNNING");
        foreach (var worker in stats.Workers)
            workers.Row(worker.Name, Count(worker.Workers), Count(worker.Credits), Count(worker.Running));
        workers.Print(terminal);
    }

    private static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);
}
