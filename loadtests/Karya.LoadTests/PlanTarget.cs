using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Karya.LoadTests;

/// <summary>
/// The server that the plans call: writes each arrival into the ledger. Listens on an ephemeral port of loopback.
/// </summary>
internal sealed class PlanTarget : IAsyncDisposable
{
    private readonly WebApplication _server;

    private PlanTarget(WebApplication server, string address)
    {
        _server = server;
        Address = address;
    }

    /// <summary>Host and port, without a scheme.</summary>
    public string Address { get; }

    public static async Task<PlanTarget> StartAsync(Ledger ledger, TimeProvider clock)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");

        var server = builder.Build();
        server.Run(context =>
        {
            // The clock is read first: what follows is the driver's time, not the node's.
            long atMicros = (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
            bool isKnown =
                int.TryParse(context.Request.Path.Value.AsSpan(1), CultureInfo.InvariantCulture, out int planIndex) &&
                ledger.Arrive(planIndex, atMicros);
            context.Response.StatusCode = isKnown ? StatusCodes.Status200OK : StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        });

        await server.StartAsync();
        string url = server.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses.Single();
        return new PlanTarget(server, new Uri(url).Authority);
    }

    public string UrlOf(int planIndex) => string.Create(CultureInfo.InvariantCulture, $"{Address}/{planIndex}");

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
