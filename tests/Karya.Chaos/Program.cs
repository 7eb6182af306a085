using System.Globalization;

namespace Karya.Chaos;

/// <summary>The tests of this project, a run as long as one likes, its sink, or figures of some nodes.</summary>
internal static class Program
{
    private const string Usage =
        """
        Karya.Chaos run [--minutes N] [--seed N]
        Karya.Chaos scale
        Karya.Chaos sink FILE

        Anything else is for the tests.
        """;

    public static async Task<int> Main(string[] args)
    {
        switch (args)
        {
            case ["sink", var file]:
                await Sink.RunAsync(file);
                return 0;
            case ["scale"]:
                await using (var scale = new ScaleRun(Console.WriteLine))
                    await scale.RunAsync();
                return 0;
            case ["run", .. var rest]:
                if (Read(rest) is not { } options)
                {
                    await Console.Error.WriteLineAsync(Usage);
                    return 2;
                }

                await using (var run = new ChaosRun(options, Console.WriteLine))
                {
                    var report = await run.RunAsync();
                    Console.Write(report.Print());
                    return report.Failures.Count == 0 ? 0 : 1;
                }

            default:
                return await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args);
        }
    }

    private static ChaosOptions? Read(string[] args)
    {
        var options = new ChaosOptions { Length = TimeSpan.FromMinutes(10) };
        for (int i = 0; i < args.Length; i += 2)
        {
            if (i + 1 == args.Length || !int.TryParse(args[i + 1], CultureInfo.InvariantCulture, out int value))
                return null;
            switch (args[i])
            {
                case "--minutes" when value > 0:
                    options = options with { Length = TimeSpan.FromMinutes(value) };
                    break;
                case "--seed":
                    options = options with { Seed = value };
                    break;
                default:
                    return null;
            }
        }

        return options;
    }
}
