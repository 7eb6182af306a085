using Karya.Node.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http;

/// <summary>What machines ask: does it live, does it serve, what does it count.</summary>
internal sealed class Probes
{
    private const string MetricsType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly Metrics _metrics;
    private readonly Health _health;

    public Probes(Metrics metrics, Health health)
    {
        _metrics = metrics;
        _health = health;
    }

    public static Task GreetAsync(HttpContext context) =>
        Answer.BytesAsync(context, StatusCodes.Status200OK, Answer.JsonType, "{}"u8);

    public Task LiveAsync(HttpContext context) => ReportAsync(context, _health.Report().Stall);

    public Task ReadyAsync(HttpContext context)
    {
        var report = _health.Report();
        return ReportAsync(context, report.Stall ?? report.NotReady);
    }

    public Task HealthAsync(HttpContext context)
    {
        var report = _health.Report();
        int status = report.IsReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return Answer.JsonAsync(context, report, static (json, report) =>
        {
            json.WriteStartObject();
            json.WriteBoolean("live", report.IsLive);
            json.WriteBoolean("ready", report.IsReady);
            json.WriteString("reason", report.Stall ?? report.NotReady);
            json.WriteEndObject();
        }, status);
    }

    public async Task MetricsAsync(HttpContext context)
    {
        using var page = new MemoryStream();
        await _metrics.WriteAsync(page, context.RequestAborted);
        await Answer.BytesAsync(
            context, StatusCodes.Status200OK, MetricsType, page.GetBuffer().AsSpan(0, (int)page.Length));
    }

    private static Task ReportAsync(HttpContext context, string? trouble) => trouble is null
        ? Answer.TextAsync(context, StatusCodes.Status200OK, "ok\n")
        : Answer.TextAsync(context, StatusCodes.Status503ServiceUnavailable, trouble + "\n");
}
