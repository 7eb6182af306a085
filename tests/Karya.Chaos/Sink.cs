using System.Globalization;
using Karya.LocalServers;
using Microsoft.AspNetCore.Http;

namespace Karya.Chaos;

/// <summary>
/// What plans call, in a process of its own: writes down every call before it answers, and every answer. /fail says no,
/// everything else yes, /slow after a moment. It ends with its standard input, and so with whoever started it.
/// </summary>
internal static class Sink
{
    public static async Task RunAsync(string file)
    {
        await using var ledger = new StreamWriter(file) { AutoFlush = true };
        var writing = new Lock();
        await using var server = await LocalHttp.StartAsync(context => TakeAsync(context, Write));
        Console.WriteLine(server.Authority);
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
        context.Response.StatusCode = path.StartsWith("/fail", StringComparison.Ordinal) ? 503 : 200;
        if (path.StartsWith("/slow", StringComparison.Ordinal))
            await Task.Delay(200, CancellationToken.None);
        write(string.Create(CultureInfo.InvariantCulture, $"E {Clock.NowUs} {call}"));
    }
}
