using Karya.Benchmarks.Wire;
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
    ];

    private static Measurement Accepted(int connections, bool many)
    {
        double[] values = new double[Repetitions];
        double[] limits = new double[Repetitions];
        for (int i = 0; i < Repetitions; i++)
        {
            limits[i] = EchoAsync(connections, many).GetAwaiter().GetResult();
            values[i] = SubmitAsync(connections, many, Durability.Accepted, NodeOptions.Default)
                .GetAwaiter().GetResult();
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
            values[i] = SubmitAsync(connections, many, Durability.Durable, options()).GetAwaiter().GetResult();
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

    private static async Task<double> SubmitAsync(
        int connections, bool many, Durability durability, NodeOptions options)
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
                return Run(client, connections, many);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
