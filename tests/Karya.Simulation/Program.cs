using System.Globalization;
using Karya.Simulation.Mutants;
using Karya.Simulation.Runs;

namespace Karya.Simulation;

/// <summary>The tests of this project, or a sweep over seeds, or one seed again.</summary>
internal static class Program
{
    private const string Usage =
        """
        Karya.Simulation simulate [--seeds N | --hours N] [--first N] [--profile P] [--mutant NAME]
        Karya.Simulation replay --seed N --profile P [--trace FILE] [--mutant NAME]
        Karya.Simulation mutants --folder FOLDER [--seeds N]

        Profiles: Swarm, Tiny, Long, Calm. Without one a sweep takes turns. Anything else is for the tests.
        """;

    public static async Task<int> Main(string[] args) => args switch
    {
        ["simulate", .. var rest] => Simulate(new Arguments(rest)),
        ["replay", .. var rest] => Replay(new Arguments(rest)),
        ["mutants", .. var rest] => TryMutants(new Arguments(rest)),
        ["help"] => Help(),
        _ => await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args),
    };

    private static int Help()
    {
        Console.WriteLine(Usage);
        return 0;
    }

    private static int Simulate(Arguments arguments)
    {
        Mutant.TurnOn(arguments.Text("mutant"));
        var sweep = new Sweep
        {
            FirstSeed = (ulong)(arguments.Number("first") ?? 1),
            SeedsMax = arguments.Number("seeds"),
            HoursMax = arguments.Number("hours"),
            Only = arguments.Text("profile") is { } profile ? Enum.Parse<ProfileKind>(profile) : null,
            StopsAtFirst = arguments.Text("mutant") is not null,
        };
        var report = sweep.Run(Console.Error);
        Console.Write(report.Print());
        return report.IsClean ? 0 : 1;
    }

    private static int Replay(Arguments arguments)
    {
        Mutant.TurnOn(arguments.Text("mutant"));
        ulong seed = (ulong)arguments.Number("seed")!;
        var kind = Enum.Parse<ProfileKind>(arguments.Text("profile")!);
        using var trace = arguments.Text("trace") is { } file ? new StreamWriter(file) : null;
        var outcome = SimulationRun.Run(seed, kind, trace);
        Console.Write(SweepReport.Describe(outcome));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"trace hash {outcome.TraceHash:x16}"));
        return outcome.IsClean ? 0 : 1;
    }

    private static int TryMutants(Arguments arguments)
    {
        var hunt = new MutantHunt(arguments.Text("folder")!, arguments.Number("seeds") ?? 200);
        return hunt.Run(Console.Out) ? 0 : 1;
    }

    /// <summary>Pairs of a name and a value.</summary>
    private sealed class Arguments(string[] args)
    {
        public string? Text(string name)
        {
            int index = Array.IndexOf(args, "--" + name);
            return index >= 0 && index + 1 < args.Length ? args[index + 1] : null;
        }

        public long? Number(string name) =>
            Text(name) is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : null;
    }
}
