using System.Globalization;
using Karya.Simulation.Mutants;
using Karya.Simulation.Runs;

namespace Karya.Simulation;

/// <summary>The tests of this project, or a sweep over seeds, or one seed again.</summary>
internal static class Program
{
    private const string Usage =
        """
        Karya.Simulation simulate --seeds N | --hours N [--first N] [--profile P] [--mutant NAME]
        Karya.Simulation replay --seed N --profile P [--trace FILE] [--mutant NAME]
        Karya.Simulation mutants --folder FOLDER [--seeds N]

        Profiles: Swarm, Tiny, Long, Calm. Without one a sweep takes turns. Anything else is for the tests.
        """;

    public static async Task<int> Main(string[] args)
    {
        try
        {
            return args switch
            {
                ["simulate", .. var rest] => Simulate(new Arguments(
                    rest, "seeds", "hours", "first", "profile", "mutant")),
                ["replay", .. var rest] => Replay(new Arguments(rest, "seed", "profile", "trace", "mutant")),
                ["mutants", .. var rest] => TryMutants(new Arguments(rest, "folder", "seeds")),
                ["help"] => Help(),
                _ => await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args),
            };
        }
        catch (ArgumentException e)
        {
            await Console.Error.WriteLineAsync($"{e.Message}\n\n{Usage}");
            return 2;
        }
    }

    private static int Help()
    {
        Console.WriteLine(Usage);
        return 0;
    }

    private static int Simulate(Arguments arguments)
    {
        arguments.Needs("seeds", "hours");
        var sweep = new Sweep
        {
            FirstSeed = (ulong)(arguments.Number("first") ?? 1),
            SeedsMax = arguments.Number("seeds"),
            HoursMax = arguments.Number("hours"),
            Only = arguments.Name<ProfileKind>("profile"),
            StopsAtFirst = arguments.Text("mutant") is not null,
        };
        Mutant.TurnOn(arguments.Text("mutant"));
        var report = sweep.Run(Console.Error);
        Console.Write(report.Print());
        return report.IsClean ? 0 : 1;
    }

    private static int Replay(Arguments arguments)
    {
        arguments.Needs("seed");
        arguments.Needs("profile");
        ulong seed = (ulong)arguments.Number("seed")!;
        var kind = arguments.Name<ProfileKind>("profile")!.Value;
        Mutant.TurnOn(arguments.Text("mutant"));
        using var trace = arguments.Text("trace") is { } file ? new StreamWriter(file) : null;
        var outcome = SimulationRun.Run(seed, kind, trace);
        Console.Write(SweepReport.Describe(outcome));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"trace hash {outcome.TraceHash:x16}"));
        return outcome.IsClean ? 0 : 1;
    }

    private static int TryMutants(Arguments arguments)
    {
        arguments.Needs("folder");
        var hunt = new MutantHunt(arguments.Text("folder")!, arguments.Number("seeds") ?? 200);
        return hunt.Run(Console.Out) ? 0 : 1;
    }
}
