using System.Collections.Concurrent;
using Karya.LocalServers;
using Microsoft.AspNetCore.Http;

namespace Karya.Process.Tests;

/// <summary>One call that arrived, by the sink's clock (which is the node's: one machine).</summary>
internal sealed record Arrival(string Plan, string Task, int Attempt, long Epoch, long AtMs);

/// <summary>
/// What plans call: writes down every call before it answers. Together with what clients were told it is the judge; the
/// node's own records are the defendant. <c>/fail</c> answers 503, everything else 200.
/// </summary>
internal sealed class Sink : IAsyncDisposable
{
    private LocalHttp? _server;

    public ConcurrentQueue<Arrival> Arrivals { get; } = new();

    public string Authority => _server!.Authority;

    public static async Task<Sink> StartAsync()
    {
        var sink = new Sink();
        sink._server = await LocalHttp.StartAsync(sink.TakeAsync);
        return sink;
    }

    public ValueTask DisposeAsync() => _server!.DisposeAsync();

    private Task TakeAsync(HttpContext context)
    {
        long atMs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        var headers = context.Request.Headers;
        Arrivals.Enqueue(new Arrival(
            headers["karya-plan-id"].ToString(),
            headers["karya-task-id"].ToString(),
            int.Parse(headers["karya-attempt"].ToString()),
            long.Parse(headers["karya-epoch"].ToString()),
            atMs));
        context.Response.StatusCode = context.Request.Path.StartsWithSegments("/fail") ? 503 : 200;
        return Task.CompletedTask;
    }
}
