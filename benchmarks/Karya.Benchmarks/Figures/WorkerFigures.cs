using System.Diagnostics;
using Karya.Client;
using Karya.Node.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// Lives of worker tasks on Postgres, with the client library on both ends: submitted over TCP, delivered, ended by a
/// handler that does nothing, recorded. The limit is that of <c>postgres.life</c>: raw final rows.
/// </summary>
internal static class WorkerFigures
{
    private const int Seconds = 30;
    private const int UnderWayMax = 50_000;
    private const int Batch = 500;
    private const int Submitters = 2;
    private const int DelayMs = 500;

    private static readonly Lazy<Lives> Run = new(() => RunAsync().GetAwaiter().GetResult());

    public static Measurement Life() => new([Run.Value.PerSecond], PostgresFigures.Life().Median);

    /// <summary>How late the worker got tasks, in ms, at a share of them.</summary>
    public static Measurement Late(double share) =>
        new([Run.Value.LateMs[(int)(share * (Run.Value.LateMs.Length - 1))]], Measurement.NoLimit);

    private static async Task<Lives> RunAsync()
    {
        using var database = new PostgresDatabase();
        var options = NodeOptions.Default with
        {
            Http = new HttpOptions { Listen = new ListenAddress("127.0.0.1", 0) },
            Tcp = new TcpOptions { Listen = new ListenAddress("127.0.0.1", 0) },
            Storage = new StorageOptions
            {
                Postgres = new PostgresOptions { ConnectionString = database.ConnectionString },
            },
        };
        await using var node = new Node.Node(options, TimeProvider.System, NullLoggerFactory.Instance);
        await node.StartAsync(CancellationToken.None);
        await using var client = await KaryaClient.ConnectAsync($"karya://{node.Addresses.Tcp}");
        return await LiveAsync(client);
    }

    private static async Task<Lives> LiveAsync(KaryaClient client)
    {
        var late = new List<double>();
        int ended = 0;
        await using var worker = client.CreateWorker(
            tasks => tasks.MapBytes("noop", (_, context, _) =>
            {
                lock (late)
                    late.Add(context.Lateness.TotalMilliseconds);
                Interlocked.Increment(ref ended);
                return Task.FromResult<byte[]?>(null);
            }),
            new KaryaWorkerOptions { Concurrency = 2000 });
        worker.Start();

        int submitted = 0;
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Submitters).Select(_ => Task.Run(SubmitAsync)));
        while (Volatile.Read(ref ended) < submitted)
            await Task.Delay(1);
        while ((await client.GetStatsAsync()) is { Running: > 0 } or { ProjectionLag: > 0 })
            await Task.Delay(1);
        double perSecond = submitted / clock.Elapsed.TotalSeconds;
        late.Sort();
        return new Lives(perSecond, [.. late]);

        async Task SubmitAsync()
        {
            while (clock.Elapsed.TotalSeconds < Seconds)
            {
                while (submitted - Volatile.Read(ref ended) > UnderWayMax)
                    await Task.Delay(1);
                await foreach (var outcome in client.SubmitManyAsync(
                    Enumerable.Range(0, Batch).Select(_ => NewPlan()), new SubmitManyOptions { BatchSize = Batch }))
                {
                    if (outcome.Error is { } error)
                        throw error;
                    Interlocked.Increment(ref submitted);
                }
            }
        }
    }

    private static Plan NewPlan() => new()
    {
        Name = "no-op",
        Action = KaryaAction.Task("noop", "{\"order\":8842,\"kind\":\"reminder\"}"u8.ToArray()),
        Schedule = Schedule.After(TimeSpan.FromMilliseconds(DelayMs)),
    };

    private sealed record Lives(double PerSecond, double[] LateMs);
}
