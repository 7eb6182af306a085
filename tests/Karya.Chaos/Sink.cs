using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Karya.Chaos;

/// <summary>
/// What plans call, in a process of its own: writes down every call before it answers, and every answer. /fail says no
/// for now, /never for good, everything else yes. It ends with its standard input, and so with whoever started it.
/// </summary>
internal static class Sink
{
    public static async Task RunAsync(string file)
    {
        await using var ledger = new StreamWriter(file) { AutoFlush = true };
        var writing = new Lock();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        app.Run(context => TakeAsync(context, Write));
        await app.StartAsync();
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Console.WriteLine(new Uri(addresses.First()).Authority);
        while (await Console.In.ReadLineAsync() is not null)
        {
        }

        void Write(string line)
        {
            lock (writing)
                ledger.WriteLine(line);
        }
    }

    private static async Task TakeAsync(HttpContext context, Action<string> write)
    {
        var headers = context.Request.Headers;
        string path = context.Request.Path.ToString();
        string call = string.Join(
            ' ', headers["karya-plan-id"], headers["karya-task-id"], headers["karya-attempt"], headers["karya-epoch"],
            path);
        write(string.Create(CultureInfo.InvariantCulture, $"B {Clock.NowUs} {call}"));
        context.Response.StatusCode = path.StartsWith("/fail", StringComparison.Ordinal) ? 503
            : path.StartsWith("/never", StringComparison.Ordinal) ? 400 : 200;
        if (path.StartsWith("/slow", StringComparison.Ordinal))
            await Task.Delay(200, CancellationToken.None);
        write(string.Create(CultureInfo.InvariantCulture, $"E {Clock.NowUs} {call}"));
    }
}
