using System.Globalization;
using System.IO.Enumeration;
using Npgsql;

namespace Karya.Benchmarks.Layouts;

/// <summary>
/// Compares layouts of the Postgres tables by what a plan's life costs the server. Prints a row of a table for each
/// layout, workload and batch size, in the form of <c>docs/performance.md</c>. Works in a schema of its own, which it
/// drops.
/// </summary>
internal static class LayoutComparison
{
    private const int RunCount = 3;

    private static readonly ITableLayout[] Layouts =
    [
        new RawLayout("raw: plans and tasks, no index", tasksInside: false, hasKey: false),
        new RawLayout("raw: tasks inside, no index", tasksInside: true, hasKey: false),
        new RawLayout("raw: tasks inside, key", tasksInside: true, hasKey: true),
        new InPlaceLayout(),
        new HistoryLayout("B live+history"),
        new AppendOnlyLayout("C append-only", tasksInside: false),
        new AppendOnlyLayout("C append-only, tasks inside", tasksInside: true),
        new HistoryLayout("D live+history, tasks inside") { TasksInside = true },
        new HistoryLayout("D, sent again at the end") { TasksInside = true, End = PlanEnd.SentAgain },
        new HistoryLayout("D, user as a number") { TasksInside = true, UserIndex = UserIndex.Number },
        new HistoryLayout("D, user index built late") { TasksInside = true, UserIndex = UserIndex.Late },
        new HistoryLayout("E D sorted by user") { TasksInside = true, SortByUser = true },
        new HistoryLayout("D, 100,000 users") { TasksInside = true, UserCount = 100_000 },
        new HistoryLayout("E D sorted by user, 100,000 users")
        {
            TasksInside = true, SortByUser = true, UserCount = 100_000,
        },
        new HistoryLayout("F D, live rows left behind") { TasksInside = true, End = PlanEnd.LeftBehind },
        new SelfContainedLayout("G append-only, self-contained"),
        new SelfContainedLayout("G sorted by user") { SortByUser = true },
        new SelfContainedLayout("G user index built late") { UserIndex = UserIndex.Late },
    ];

    /// <param name="connectionString">A superuser's, because it reads the WAL and forces checkpoints.</param>
    /// <param name="pattern">A glob over <c>LAYOUT | WORKLOAD | BATCH</c>.</param>
    public static void Run(string connectionString, string pattern)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, CommandTimeout = 0 };
        using (var setup = new NpgsqlConnection(settings.ConnectionString))
        {
            setup.Open();
            using var command = new NpgsqlCommand("CREATE EXTENSION IF NOT EXISTS pg_walinspect", setup);
            command.ExecuteNonQuery();
            CopyCost.Print(setup);
        }

        Console.WriteLine(
            "| layout | workload | batch | WAL B | index ins. | heap rec. | other rec. | server µs | client µs | " +
            "lives/s | disk B | images B | vacuum WAL B | vacuum µs | late index WAL B | late index µs |");
        Console.WriteLine("| --- | --- " + string.Concat(Enumerable.Repeat("| ---: ", 14)) + "|");
        foreach (int batchSize in new[] { 5_000, 20_000 })
        {
            foreach (bool twoStep in new[] { false, true })
            {
                foreach (var layout in Layouts.Where(layout => layout.WritesTwice || !twoStep))
                {
                    string label = $"{layout.Name} | {(twoStep ? "two-step" : "coalesced")} | {batchSize}";
                    if (!FileSystemName.MatchesSimpleExpression(pattern, label))
                        continue;
                    string costs = Costs(layout, twoStep, batchSize, settings.ConnectionString);
                    Console.WriteLine($"| {label} | {costs} |");
                }
            }
        }
    }

    private static string Costs(ITableLayout layout, bool twoStep, int batchSize, string connectionString)
    {
        var runs = new List<LayoutResult>();
        for (int i = 0; i < RunCount; i++)
        {
            using var connection = new NpgsqlConnection(connectionString);
            connection.Open();
            runs.Add(new LayoutRun(connection, layout, batchSize).Measure(twoStep));
        }

        var median = LayoutResult.MedianOf(runs);
        string lowest = Number(runs.Min(run => run.ServerMicroseconds), "0.0");
        string highest = Number(runs.Max(run => run.ServerMicroseconds), "0.0");
        string[] cells =
        [
            Number(median.WalBytes, "0"), Number(median.IndexInsertions, "0.00"), Number(median.HeapRecords, "0.00"),
            Number(median.OtherRecords, "0.00"),
            $"{Number(median.ServerMicroseconds, "0.0")} [{lowest}..{highest}]",
            Number(median.ClientMicroseconds, "0.0"), Number(median.LivesPerSecond, "N0"),
            Number(median.DiskBytes, "0"), Number(median.ImageBytes, "0"),
            Number(median.VacuumWalBytes, "0"), Number(median.VacuumMicroseconds, "0.0"),
            Number(median.LateWalBytes, "0"), Number(median.LateMicroseconds, "0.0"),
        ];
        return string.Join(" | ", cells);
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
