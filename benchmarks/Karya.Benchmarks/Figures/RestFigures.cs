using System.Diagnostics;
using Karya.Client;
using Karya.LocalServers;
using Karya.Node.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// Lives of REST tasks: submitted over TCP, called, recorded, in the tables. The limit is raw calls to the same target
/// from the same process, as many at once, each with the same request.
/// </summary>
internal static class RestFigures
{
    private const int Seconds = 20;
    private const int LimitSeconds = 5;
    private const int UnderWayMax = 20_000;
    private const int Batch = 500;
    private const int Submitters = 2;
    private const int DelayMs = 500;

    private static readonly int AtOnce = NodeOptions.Default.Executor.PerTarget;

    public static Measurement OnSqlite()
    {
        string folder = Directory.CreateTempSubdirectory("karya-rest-figure").FullName;
        try
        {
            return RunAsync(new StorageOptions { Path = Path.Combine(folder, "karya.db") }).GetAwaiter().GetResult();
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    public static Measurement OnPostgres()
    {
        using var database = new PostgresDatabase();
        return RunAsync(new StorageOptions
        {
            Postgres = new PostgresOptions { ConnectionString = database.ConnectionString },
        }).GetAwaiter().GetResult();
    }

    private static async Task<Measurement> RunAsync(StorageOptions storage)
    {
        int called = 0;
        await using var target = await LocalHttp.StartAsync(_ =>
        {
            Interlocked.Increment(ref called);
            return Task.CompletedTask;
        });
        var url = new Uri($"http://{target.Authority}/");
        double limit = await CallRawAsync(url);
        var options = NodeOptions.Default with
        {
            Http = new HttpOptions { Listen = new ListenAddress("127.0.0.1", 0) },
            Tcp = new TcpOptions { Listen = new ListenAddress("127.0.0.1", 0) },
            Storage = storage,
        };
        await using var node = new Node.Node(options, TimeProvider.System, NullLoggerFactory.Instance);
        await node.StartAsync(CancellationToken.None);
        await using var client = await KaryaClient.ConnectAsync($"karya://{node.Addresses.Tcp}");
        Interlocked.Exchange(ref called, 0);
        double perSecond = await LiveAsync(client, url, () => Volatile.Read(ref called));
        double limitAgain = await CallRawAsync(url);
        return new Measurement([perSecond], (limit + limitAgain) / 2);
    }

    private static async Task<double> LiveAsync(KaryaClient client, Uri url, Func<int> called)
    {
        int submitted = 0;
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Submitters).Select(_ => Task.Run(SubmitAsync)));
        while (called() < submitted)
            await Task.Delay(1);
        while ((await client.GetStatsAsync()) is { Running: > 0 } or { ProjectionLag: > 0 })
            await Task.Delay(1);
        return submitted / clock.Elapsed.TotalSeconds;

        async Task SubmitAsync()
        {
            while (clock.Elapsed.TotalSeconds < Seconds)
            {
                while (submitted - called() > UnderWayMax)
                    await Task.Delay(1);
                await foreach (var outcome in client.SubmitManyAsync(
                    Enumerable.Range(0, Batch).Select(_ => NewPlan(url)), new SubmitManyOptions { BatchSize = Batch }))
                {
                    if (outcome.Error is { } error)
                        throw error;
                    Interlocked.Increment(ref submitted);
                }
            }
        }
    }

    private static async Task<double> CallRawAsync(Uri url)
    {
        using var handler = new SocketsHttpHandler { UseProxy = false, UseCookies = false };
        using var http = new HttpMessageInvoker(handler);
        int calls = 0;
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => Task.Run(async () =>
        {
            while (clock.Elapsed.TotalSeconds < LimitSeconds)
            {
                using var request = NewRequest(url);
                using var response = await http.SendAsync(request, CancellationToken.None);
                await response.Content.CopyToAsync(Stream.Null);
                Interlocked.Increment(ref calls);
            }
        })));
        return calls / clock.Elapsed.TotalSeconds;
    }

    /// <summary>As the connector makes them.</summary>
    private static HttpRequestMessage NewRequest(Uri url)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, url) { Content = new ByteArrayContent([]) };
        request.Headers.TryAddWithoutValidation("karya-task-id", "01a2201e-7e6a-7000-a404-9bd2bbf8dbe5");
        request.Headers.TryAddWithoutValidation("karya-plan-id", "01a2201e-7e6a-7000-a404-9bd2bbf8dbe5");
        request.Headers.TryAddWithoutValidation("karya-attempt", "1");
        request.Headers.TryAddWithoutValidation("karya-epoch", "1");
        request.Headers.TryAddWithoutValidation("connection", "keep-alive");
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/json");
        return request;
    }

    private static Plan NewPlan(Uri url) => new()
    {
        Name = "call",
        Action = KaryaAction.Http(HttpMethod.Get, url.AbsoluteUri),
        Schedule = Schedule.After(TimeSpan.FromMilliseconds(DelayMs)),
    };
}
