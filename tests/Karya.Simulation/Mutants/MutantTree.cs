using System.Diagnostics;
using System.Globalization;

namespace Karya.Simulation.Mutants;

/// <summary>
/// A copy of the repository with all mutants in it, each behind a switch that is off. The sources themselves know
/// nothing of mutants.
/// </summary>
internal sealed class MutantTree(string repository, string folder)
{
    private const string Switch =
        """
        namespace Karya.Engine;

        /// <summary>Which deliberate bug is on; 0 for none.</summary>
        public static class MutantSwitch
        {
            public static int On;
        }

        """;

    private static readonly string[] Parts =
    [
        "src", "tests/Karya.Simulation", "tests/Karya.Node.Tests/Storage", "tests/Directory.Build.props",
        "Directory.Build.props", "Directory.Packages.props", "global.json", ".editorconfig", "nuget.config",
    ];

    public string Executable => Path.Combine(
        folder, "artifacts", "bin", "Karya.Simulation", "release", "Karya.Simulation");

    /// <summary>Copies, changes and builds.</summary>
    /// <exception cref="InvalidOperationException">A mutant fits no longer, or the copy cannot be built.</exception>
    public void Build(IReadOnlyList<Mutant> mutants)
    {
        foreach (string part in Parts)
            Copy(Path.Combine(repository, part), Path.Combine(folder, part));
        File.WriteAllText(Path.Combine(folder, "src", "Karya.Engine", "MutantSwitch.cs"), Switch);
        foreach (var (number, mutant) in mutants.Index())
            Apply(mutant, number + 1);

        var build = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            ArgumentList =
            {
                "build", "tests/Karya.Simulation", "--configuration", "Release", "-nologo", "-v:q",
                "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false", "-p:EnforceCodeStyleInBuild=false",
            },
        };
        using var process = Process.Start(build)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"The mutants cannot be built.\n{output}");
    }

    private void Apply(Mutant mutant, int number)
    {
        string file = Path.Combine(folder, mutant.File);
        string text = File.ReadAllText(file);
        int first = text.IndexOf(mutant.Find, StringComparison.Ordinal);
        if (first < 0 || text.IndexOf(mutant.Find, first + 1, StringComparison.Ordinal) >= 0)
        {
            throw new InvalidOperationException(
                $"The mutant {mutant.Name} does not fit {mutant.File}: what it replaces stands there "
                + (first < 0 ? "nowhere." : "more than once."));
        }

        string isOn = string.Create(CultureInfo.InvariantCulture, $"(Karya.Engine.MutantSwitch.On == {number})");
        string replacement = mutant.Replace.Replace("MUTANT", isOn, StringComparison.Ordinal);
        File.WriteAllText(file, text[..first] + replacement + text[(first + mutant.Find.Length)..]);
    }

    private static void Copy(string from, string to)
    {
        if (File.Exists(from))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(from, to, overwrite: true);
            return;
        }

        if (!Directory.Exists(from))
            return;
        foreach (string file in Directory.EnumerateFiles(from))
            Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (string sub in Directory.EnumerateDirectories(from))
            Copy(sub, Path.Combine(to, Path.GetFileName(sub)));
    }
}
