using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Karya.Cli.Demo;

/// <summary>
/// A small HTTP server inside the process for the demo's plans to call: <c>/ok</c> succeeds, <c>/down</c> never does.
/// </summary>
internal sealed class DemoTarget : IAsyncDisposable
{
    private readonly WebApplication _app;

    private DemoTarget(WebApplication app)
    {
        _app = app;
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Authority = new Uri(addresses.First()).Authority;
    }

    /// <summary>Host and port, as a plan's <c>base_url</c> wants them.</summary>
    public string Authority { get; }

    public static async Task<DemoTarget> StartAsync(CancellationToken stopping)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Run(context =>
        {
            bool isDown = context.Request.Path.StartsWithSegments("/down", StringComparison.Ordinal);
            context.Response.StatusCode = isDown ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status200OK;
            return context.Response.WriteAsync(isDown ? "closed for lunch" : "thank you", context.RequestAborted);
        });
        await app.StartAsync(stopping);
        return new DemoTarget(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
