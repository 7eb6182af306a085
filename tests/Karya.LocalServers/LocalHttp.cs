using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Karya.LocalServers;

/// <summary>A small HTTP server on a free loopback port, for plans to call.</summary>
public sealed class LocalHttp : IAsyncDisposable
{
    private readonly WebApplication _app;

    private LocalHttp(WebApplication app)
    {
        _app = app;
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Authority = new Uri(addresses.First()).Authority;
    }

    /// <summary>Host and port.</summary>
    public string Authority { get; }

    /// <param name="serve">Answers every request.</param>
    public static async Task<LocalHttp> StartAsync(RequestDelegate serve)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        var app = builder.Build();
        app.Run(serve);
        await app.StartAsync();
        return new LocalHttp(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
