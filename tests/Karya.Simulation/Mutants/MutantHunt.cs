using System.Diagnostics;
using System.Globalization;
using Karya.Simulation.Runs;

namespace Karya.Simulation.Mutants;

/// <summary>Builds all mutants, and looks for each in how many seeds it is caught.</summary>
internal sealed class MutantHunt(string folder, long seedsMax)
{
    /// <summary>Tries all of them, as many at once as there are processors.</summary>
    /// <returns>True: every one was caught.</returns>
    public bool Run(TextWriter output)
    {
        var tree = new MutantTree(Repository(), folder);
        tree.Build(AllMutants.All);
        var caught = new string?[AllMutants.All.Count];
        Parallel.For(0, caught.Length, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
            caught[i] = Catch(tree, AllMutants.All[i]));
        bool all = true;
        foreach (var (number, mutant) in AllMutants.All.Index())
        {
            all &= caught[number] is not null;
            output.WriteLine($"{mutant.Name,-22} {caught[number] ?? "NOT CAUGHT"}");
        }

        return all;
    }

    private string? Catch(MutantTree tree, Mutant mutant)
    {
        var start = new ProcessStartInfo(tree.Executable)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "simulate", "--mutant", mutant.Name, "--seeds", seedsMax.ToString(CultureInfo.InvariantCulture),
            },
        };
        using var process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        string[] lines = process.StandardError.ReadToEnd().Split('\n');
        process.WaitForExit();
        int failure = Array.FindIndex(
            lines, line => line.StartsWith(SweepReport.FailureMark, StringComparison.Ordinal));
        if (process.ExitCode != 1 || failure < 0)
            return null;
        string seed = lines[failure][SweepReport.FailureMark.Length..].Split(" PROFILE")[0];
        return $"{seed}: {lines[failure + 1].Trim().Split(", plan")[0]}";
    }

    /// <summary>The folder with the solution, above this executable.</summary>
    private static string Repository()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "Karya.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException("This executable does not lie in a checkout.");
    }
}
