using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Karya.Process.Tests;

/// <summary>One call that arrived, by the sink's clock (which is the node's: one machine).</summary>
internal sealed record Arrival(string Plan, string Task, int Attempt, long Epoch, long AtMs);

/// <summary>
/// What plans call: writes down every call before it answers. Together with what clients were told it is the judge; the
/// node's own records are the defendant. <c>/fail</c> answers 503, everything else 200.
/// </summary>
internal sealed class Sink : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Sink(WebApplication app) => _app = app;

    public ConcurrentQueue<Arrival> Arrivals { get; } = new();

    public string Authority { get; private set; } = "";

    public static async Task<Sink> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var sink = new Sink(app);
        app.Run(sink.TakeAsync);
        await app.StartAsync();
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        sink.Authority = new Uri(addresses.First()).Authority;
        return sink;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

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
