using System.Diagnostics;
using System.Globalization;
using Karya.LocalServers;
using Xunit;

namespace Karya.Process.Tests;

/// <summary>
/// kill -9 under load, at random moments: of the node on each of its stores, and of Postgres under a node that lives.
/// How often is up to <c>KARYA_TEST_KILLS</c>.
/// </summary>
[Trait("Needs", "process")]
public sealed class KillTests(ITestOutputHelper output)
{
    private const string KillsVariable = "KARYA_TEST_KILLS";
    private const int SqliteKills = 200;
    private const int PostgresKills = 10;

    private readonly int _seed = Environment.TickCount;
    private readonly long _started = Stopwatch.GetTimestamp();

    [Fact]
    public async Task Kills_of_a_node_lose_nothing_start_nothing_early_and_repeat_only_what_was_in_flight()
    {
        using var data = new DataDirectory();
        await KillNodesAsync("a node on SQLite", KillsOr(SqliteKills), () => NodeProcess.StartAsync(data.Path));
    }

    [Fact]
    public async Task Kills_of_a_node_on_Postgres_lose_nothing_start_nothing_early_and_repeat_only_what_was_in_flight()
    {
        using var server = PostgresServer.Start();
        await KillNodesAsync("a node on Postgres", KillsOr(PostgresKills), () => StartOnPostgresAsync(server));
    }

    [Fact]
    public async Task Kills_of_Postgres_lose_nothing_start_nothing_early_and_the_node_goes_on_by_itself()
    {
        int kills = KillsOr(PostgresKills);
        var random = new Random(_seed);
        using var server = PostgresServer.Start();
        await using var sink = await Sink.StartAsync();
        await using var node = await StartOnPostgresAsync(server);
        var load = new KillLoad(sink, output);
        using var stop = new CancellationTokenSource();
        var running = load.RunAsync(node.Http, await CreateUserAsync(node), random.Next(), stop.Token);

        var slowest = TimeSpan.Zero;
        for (int kill = 0; kill < kills; kill++)
        {
            await Task.Delay(random.Next(10, 300), CancellationToken.None);
            await load.KillAsync(() =>
            {
                server.Kill();
                return Task.CompletedTask;
            });
            await Task.Run(server.StartAgain, CancellationToken.None);
            var resumed = await ResumedAsync(load);
            slowest = resumed > slowest ? resumed : slowest;
        }

        await stop.CancelAsync();
        await running;
        await load.WaitForAllAsync();
        await load.DescribeLostAsync(node.Http);
        output.WriteLine($"acknowledging again at most {slowest.TotalMilliseconds:F0} ms after the server was ready");
        load.Judge($"Postgres {InWhatTime()}");
        Assert.True(slowest < TimeSpan.FromSeconds(4), $"The node took {slowest} to go on.");
    }

    private static int KillsOr(int usual) =>
        Environment.GetEnvironmentVariable(KillsVariable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : usual;

    /// <summary>A lease as short as a busy machine still renews it: the next node waits for its end.</summary>
    private static Task<NodeProcess> StartOnPostgresAsync(PostgresServer server) =>
        NodeProcess.StartOnPostgresAsync(server.ConnectionString, ("KARYA_CLUSTER__LEASE", "1s"));

    private static async Task<string> CreateUserAsync(NodeProcess node)
    {
        using var client = new V1Client(node.Http);
        return await client.CreateUserAsync("kill-test");
    }

    private async Task KillNodesAsync(string what, int kills, Func<Task<NodeProcess>> startAsync)
    {
        var random = new Random(_seed);
        await using var sink = await Sink.StartAsync();
        var load = new KillLoad(sink, output);
        var node = await startAsync();
        try
        {
            string user = await CreateUserAsync(node);
            for (int kill = 0; kill < kills; kill++)
            {
                using var stop = new CancellationTokenSource();
                var running = load.RunAsync(node.Http, user, random.Next(), stop.Token);
                await ResumedAsync(load); // A node that has not begun to work is not worth a kill.
                await Task.Delay(random.Next(10, 300), CancellationToken.None);
                await load.KillAsync(node.KillAsync);
                await stop.CancelAsync();
                await running;
                await node.DisposeAsync();
                node = await startAsync();
            }

            await load.WaitForAllAsync();
            await load.DescribeLostAsync(node.Http);
        }
        finally
        {
            await node.DisposeAsync();
        }

        load.Judge($"{what} {InWhatTime()}");
    }

    /// <summary>How long it takes until the next plan is acknowledged.</summary>
    private static async Task<TimeSpan> ResumedAsync(KillLoad load)
    {
        var watch = Stopwatch.StartNew();
        int before = load.Acknowledged;
        while (load.Acknowledged == before && watch.Elapsed < TimeSpan.FromSeconds(30))
            await Task.Delay(1, CancellationToken.None); // What it waits for is in another process.
        return watch.Elapsed;
    }

    private string InWhatTime() =>
        $"in {Stopwatch.GetElapsedTime(_started).TotalSeconds:F0} s, seed {_seed}";
}
