using Karya.Benchmarks.Wire;
using Karya.Client;
using Karya.Node.Configuration;
using Karya.Protocol.Messages;
using Microsoft.Extensions.Logging.Abstractions;

namespace Karya.Benchmarks.Figures;

/// <summary>
/// Submits over TCP, client and node in one process on one machine. The limit of accepted submits is an echo of the
/// same frames through the same transport; that of durable ones the store's own rate, from the inbox to the answer.
/// </summary>
internal static class WireFigures
{
    private const int Repetitions = 3;
    private const int Deep = 256;
    private const int DeepMany = 4;

    private const int Plans = 300_000;
    private const int WarmUpPlans = 60_000;

    /// <summary>One connection, 16, 64; and 16 with frames of 100 plans.</summary>
    private static readonly (string Name, int Connections, bool Many)[] Loads =
        [("1", 1, false), ("16", 16, false), ("64", 64, false), ("batch", 16, true)];

    private static readonly Lazy<double> SqliteLimit = new(() => NodeFigures.Submit().Median);
    private static readonly Lazy<double> PostgresLimit = new(() => PostgresFigures.Submit().Median);

    public static IEnumerable<Figure> List =>
    [
        .. Loads.Select(load => new Figure(
            $"wire.submit.accepted.{load.Name}", "1/s", () => Accepted(load.Connections, load.Many))),
        .. Loads.Select(load => new Figure(
            $"wire.submit.durable.sqlite.{load.Name}", "1/s",
            () => Durable(load.Connections, load.Many, () => NodeOptions.Default, SqliteLimit.Value))),
        .. Loads.Select(load => new Figure(
            $"wire.submit.durable.postgres.{load.Name}", "1/s", () => OnPostgres(load.Connections, load.Many))),
        .. ThreadTimes.IsSupported ? Costs("16", many: false).Concat(Costs("batch", many: true)) : [],
    ];

    /// <summary>
    /// Processor time of an accepted plan until the tables have it, by thread, with 16 connections. The rest is the
    /// pool, which is the connections of the node and the clients, and the collector.
    /// </summary>
    private static IEnumerable<Figure> Costs(string load, bool many)
    {
        var costs = new Lazy<PlanCosts[]>(() => [.. Enumerable.Range(0, Repetitions).Select(_ => Measure(many))]);
        return
        [
            Of("shard", cost => cost.Shard), Of("journal", cost => cost.Journal),
            Of("projector", cost => cost.Projector), Of("rest", cost => cost.Rest),
        ];

        Figure Of(string threads, Func<PlanCosts, double> part) => new(
            $"wire.cpu.{load}.{threads}", "us",
            () => new Measurement([.. costs.Value.Select(part)], Measurement.NoLimit));

        static PlanCosts Measure(bool many) =>
            OnNodeAsync(Durability.Accepted, NodeOptions.Default, (client, node) => CostAsync(client, node, many))
                .GetAwaiter().GetResult();
    }

    private static async Task<PlanCosts> CostAsync(LoadClient client, Node.Node node, bool many)
    {
        await using var asking = await KaryaClient.ConnectAsync($"karya://{node.Addresses.Tcp}");
        var before = PlanCosts.SoFar();
        Run(client, 16, many);
        while (await asking.GetStatsAsync() is { ProjectionLag: > 0 })
            await Task.Delay(10);
        return PlanCosts.SoFar().Since(before, Plans + WarmUpPlans);
    }

    private static Measurement Accepted(int connections, bool many)
    {
        double[] values = new double[Repetitions];
        double[] limits = new double[Repetitions];
        for (int i = 0; i < Repetitions; i++)
        {
            limits[i] = EchoAsync(connections, many).GetAwaiter().GetResult();
            values[i] = Submit(connections, many, Durability.Accepted, NodeOptions.Default);
        }

        return new Measurement(values, Measurement.MedianOf(limits));
    }

    private static Measurement OnPostgres(int connections, bool many)
    {
        using var database = new PostgresDatabase();
        var options = NodeOptions.Default with
        {
            Storage = new StorageOptions
            {
                Postgres = new PostgresOptions { ConnectionString = database.ConnectionString },
            },
        };
        return Durable(connections, many, () => options, PostgresLimit.Value);
    }

    private static Measurement Durable(int connections, bool many, Func<NodeOptions> options, double limit)
    {
        double[] values = new double[Repetitions];
        for (int i = 0; i < Repetitions; i++)
        {
            values[i] = Submit(connections, many, Durability.Durable, options());
        }

        return new Measurement(values, limit);
    }

    private static async Task<double> EchoAsync(int connections, bool many)
    {
        await using var server = await EchoServer.StartAsync();
        var client = new LoadClient(server.Endpoint, 1, Durability.Accepted);
        return Run(client, connections, many);
    }

    private static double Run(LoadClient client, int connections, bool many)
    {
        client.Run(connections, many ? DeepMany : Deep, many, WarmUpPlans);
        return client.Run(connections, many ? DeepMany : Deep, many, Plans);
    }

    private static double Submit(int connections, bool many, Durability durability, NodeOptions options) =>
        OnNodeAsync(durability, options, (client, _) => Task.FromResult(Run(client, connections, many)))
            .GetAwaiter().GetResult();

    private static async Task<T> OnNodeAsync<T>(
        Durability durability, NodeOptions options, Func<LoadClient, Node.Node, Task<T>> run)
    {
        string folder = Directory.CreateTempSubdirectory("karya-figure-").FullName;
        try
        {
            var node = new Node.Node(
                options with
                {
                    Http = new HttpOptions { Listen = new ListenAddress("127.0.0.1", 0) },
                    Tcp = new TcpOptions { Listen = new ListenAddress("127.0.0.1", 0) },
                    Storage = options.Storage with { Path = Path.Combine(folder, "karya.db") },
                },
                TimeProvider.System, NullLoggerFactory.Instance);
            await using (node)
            {
                await node.StartAsync(CancellationToken.None);
                var user = await node.Desk.CreateUserAsync("figures", CancellationToken.None);
                var client = new LoadClient(node.Addresses.Tcp, user.Id.Value, durability);
                return await run(client, node);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Processor time in microseconds.</summary>
    private readonly record struct PlanCosts(double Shard, double Journal, double Projector, double Rest)
    {
        public static PlanCosts SoFar()
        {
            double shard = ThreadTimes.OfLiving("karya-shard") / 1000;
            double journal = ThreadTimes.OfLiving("karya-journal") / 1000;
            double projector = ThreadTimes.OfLiving("karya-projector") / 1000;
            return new PlanCosts(
                shard, journal, projector, ThreadTimes.OfAll() / 1000 - shard - journal - projector);
        }

        public PlanCosts Since(PlanCosts before, int plans) => new(
            (Shard - before.Shard) / plans, (Journal - before.Journal) / plans,
            (Projector - before.Projector) / plans, (Rest - before.Rest) / plans);
    }
}
