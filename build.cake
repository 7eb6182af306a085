using System.Diagnostics;
using System.Xml.Linq;

// Targets: Check, Test, Simulate, Chaos, Scale, Bench, Publish; Default is Check and Test. See docs/testing.md.
var target = Argument("target", "Default");

const string Configuration = "Release";
const string SlowTrait = "Needs=process";   // Tests that start processes; Check leaves them out.
const int SuiteMinutesMax = 15;             // A suite that hangs is killed and counts as failed.

var resultsFolder = MakeAbsolute(Directory("artifacts/test-results"));
var counts = new SortedDictionary<string, SuiteCount>(StringComparer.Ordinal);
var failures = new List<string>();   // Printed once more at the end, where nobody has to look for them.
bool fastTestsRan = false;

record SuiteCount(int Passed, int Failed);

// ---- What the targets are made of ------------------------------------------------------------------------------

void DotNet(string arguments)
{
    int exitCode = StartProcess("dotnet", arguments);
    if (exitCode != 0)
        throw new CakeException($"dotnet {arguments} ended with {exitCode}.");
}

// Runs all test executables one after the other (a suite may use every core) and adds up what their result files say.
void RunSuites(string selection, string filter)
{
    EnsureDirectoryExists(resultsFolder);
    foreach (var project in GetFiles("tests/*/*.csproj").OrderBy(file => file.FullPath, StringComparer.Ordinal))
    {
        if (XDocument.Load(project.FullPath).Descendants("OutputType").Any(type => type.Value == "Library"))
            continue;   // Shared by suites, none itself.

        string suite = project.GetFilenameWithoutExtension().ToString();
        var count = RunSuite(suite, resultsFolder.CombineWithFilePath($"{suite}.{selection}.xml"), filter);
        var before = counts.GetValueOrDefault(suite, new SuiteCount(0, 0));
        counts[suite] = new SuiteCount(before.Passed + count.Passed, before.Failed + count.Failed);
    }
}

SuiteCount RunSuite(string suite, FilePath results, string filter)
{
    var executable = MakeAbsolute(File($"artifacts/bin/{suite}/{Configuration.ToLowerInvariant()}/{suite}"));
    if (!FileExists(executable))
    {
        Error($"{suite}: there is no {executable}; is the project in Karya.sln?");
        return new SuiteCount(0, 1);
    }

    if (FileExists(results))
        DeleteFile(results);

    Information($"---- {suite}");
    int exitCode = RunForAWhile(executable.FullPath, $"-noLogo -noColor -noAutoReporters -reporter quiet -result-xml \"{results}\" {filter}");
    if (!FileExists(results))
    {
        Error($"{suite}: ended with {exitCode} and left no results.");
        return new SuiteCount(0, 1);
    }

    return CountOf(suite, XDocument.Load(results.FullPath).Descendants("assembly").Single(), exitCode);
}

// A skipped test counts as failed: nothing may look green that did not run.
SuiteCount CountOf(string suite, XElement assembly, int exitCode)
{
    int Attribute(string name) => (int)assembly.Attribute(name);

    int passed = Attribute("passed");
    int failed = Attribute("failed") + Attribute("errors") + Attribute("skipped");
    foreach (var skipped in assembly.Descendants("test").Where(test => (string)test.Attribute("result") == "Skip"))
        Error($"{suite}: {(string)skipped.Attribute("name")} was skipped, which counts as failed.");

    foreach (var test in assembly.Descendants("test").Where(test => (string)test.Attribute("result") == "Fail"))
    {
        string message = (string)test.Element("failure")?.Element("message") ?? "";
        failures.Add($"{(string)test.Attribute("name")}: {message[..Math.Min(1000, message.Length)]}");
    }

    // The figures of the fault tests.
    foreach (var output in assembly.Descendants("test").Elements("output"))
        Information(((string)output).Trim());

    if (exitCode != 0 && failed == 0)
    {
        Error($"{suite}: ended with {exitCode} though no test failed.");
        failed = 1;
    }

    return new SuiteCount(passed, failed);
}

// Kills the whole tree on the deadline: a test that hangs may have started nodes.
int RunForAWhile(string executable, string arguments)
{
    using var process = Process.Start(new ProcessStartInfo(executable, arguments) { UseShellExecute = false });
    if (process.WaitForExit(TimeSpan.FromMinutes(SuiteMinutesMax)))
        return process.ExitCode;

    Error($"{executable}: killed after {SuiteMinutesMax} minutes.");
    process.Kill(entireProcessTree: true);
    process.WaitForExit();
    return 124;
}

// The tests look for it in the same places: PostgresBinaries.cs.
bool HasPostgres()
{
    if (HasEnvironmentVariable("KARYA_TEST_POSTGRES") || HasEnvironmentVariable("KARYA_TEST_POSTGRES_BIN"))
        return true;

    const string DebianFolder = "/usr/lib/postgresql";
    var folders = (EnvironmentVariable("PATH") ?? "").Split(':').ToList();
    if (System.IO.Directory.Exists(DebianFolder))
        folders.AddRange(System.IO.Directory.GetDirectories(DebianFolder).Select(version => $"{version}/bin"));
    return folders.Any(folder =>
        System.IO.File.Exists($"{folder}/initdb") && System.IO.File.Exists($"{folder}/postgres"));
}

// The tests look for it in the same places: RedisBinaries.cs.
bool HasRedis() =>
    HasEnvironmentVariable("KARYA_TEST_REDIS") || HasEnvironmentVariable("KARYA_TEST_REDIS_BIN")
    || (EnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/bin")
        .Any(folder => System.IO.File.Exists($"{folder}/redis-server"));

void Provide(string what, string package, Func<bool> isThere, string missing)
{
    if (isThere())
        return;
    Information($"There is no {what} for the tests: trying to install it.");
    StartProcess(".ci/install", package);
    if (!isThere())
        throw new CakeException(missing);
}

// ---- Targets ---------------------------------------------------------------------------------------------------

// What the tests start and cannot bring along.
Task("Servers").Does(() =>
{
    Provide(
        "Postgres", "postgresql", HasPostgres,
        "Tests need the binaries of Postgres, initdb and postgres. They are neither on PATH nor in " +
        "/usr/lib/postgresql/*/bin, and could not be installed. Install them (Debian, Ubuntu: apt-get install " +
        "postgresql), or set KARYA_TEST_POSTGRES_BIN to their folder, or KARYA_TEST_POSTGRES to the connection " +
        "string of a server that tests may use. See docs/testing.md.");
    Provide(
        "Redis", "redis-server", HasRedis,
        "Tests need redis-server. It is neither on PATH nor in /usr/bin, and could not be installed. Install it " +
        "(Debian, Ubuntu: apt-get install redis-server), or set KARYA_TEST_REDIS_BIN to its folder, or " +
        "KARYA_TEST_REDIS to the configuration of a server that tests may use. See docs/testing.md.");
});

Task("Build").Does(() =>
{
    DotNet("restore Karya.sln");
    DotNet($"build Karya.sln --no-restore --configuration {Configuration}");
});

Task("Check")
    .IsDependentOn("Servers")
    .IsDependentOn("Build")
    .Does(() =>
    {
        DotNet("format whitespace Karya.sln --verify-no-changes --no-restore");
        DotNet("format style Karya.sln --verify-no-changes --no-restore");
        RunSuites("fast", $"-trait- {SlowTrait}");
        fastTestsRan = true;
    });

// Everything; after Check, what it left out.
Task("Test")
    .IsDependentOn("Servers")
    .IsDependentOn("Build")
    .Does(() => RunSuites("rest", fastTestsRan ? $"-trait {SlowTrait}" : ""));

// Seeds of the simulated cluster beyond those that Test runs.
Task("Simulate")
    .IsDependentOn("Build")
    .Does(() =>
    {
        var options = new[] { "seeds", "hours", "first", "profile" }
            .Where(HasArgument).Select(name => $"--{name} {Argument<string>(name)}");
        DotNet(
            $"artifacts/bin/Karya.Simulation/{Configuration.ToLowerInvariant()}/Karya.Simulation.dll simulate "
            + string.Join(' ', options));
    });

// Real nodes, a real Postgres and Redis, and faults, for as long as told.
Task("Chaos")
    .IsDependentOn("Servers")
    .IsDependentOn("Build")
    .Does(() =>
    {
        var options = new[] { "minutes", "seed" }
            .Where(HasArgument).Select(name => $"--{name} {Argument<string>(name)}");
        DotNet(
            $"artifacts/bin/Karya.Chaos/{Configuration.ToLowerInvariant()}/Karya.Chaos.dll run "
            + string.Join(' ', options));
    });

// One, two and three nodes on this machine, and what is seen of a node that joins.
Task("Scale")
    .IsDependentOn("Servers")
    .IsDependentOn("Build")
    .Does(() => DotNet($"artifacts/bin/Karya.Chaos/{Configuration.ToLowerInvariant()}/Karya.Chaos.dll scale"));

Task("Bench")
    .IsDependentOn("Build")
    .Does(() => DotNet(
        $"artifacts/bin/Karya.Benchmarks/{Configuration.ToLowerInvariant()}/Karya.Benchmarks.dll " +
        $"--filter \"{Argument("filter", "*")}\" --artifacts artifacts/benchmarks"));

// One file that needs nothing installed. Composite images take ten times as long to make and start no faster.
Task("Publish").Does(() =>
{
    string rid = Argument("rid", "linux-x64");
    DotNet(
        $"publish src/Karya.Cli --configuration {Configuration} --runtime {rid} --self-contained " +
        "-p:PublishSingleFile=true -p:IncludeNativeLibrariesForSelfExtract=true -p:DebugType=embedded " +
        "-p:PublishDocumentationFiles=false " +
        $"-p:PublishReadyToRun=true -p:PublishReadyToRunComposite=false --output artifacts/publish/{rid}");
});

Task("Default")
    .IsDependentOn("Check")
    .IsDependentOn("Test");

// The sums are left in a file, so that build.sh can print them as its very last line.
Teardown(context =>
{
    if (counts.Count == 0)
        return;

    foreach (var (suite, count) in counts.ToList())
    {
        if (count.Passed + count.Failed > 0)
            continue;

        Error($"{suite}: ran no test at all, which counts as one failure.");
        counts[suite] = new SuiteCount(0, 1);
    }

    foreach (string failure in failures)
        Error(failure.Replace("{", "{{").Replace("}", "}}"));
    Information("");
    foreach (var (suite, count) in counts)
        Information($"{suite,-28} {count.Passed,6} passed {count.Failed,6} failed");

    // A target that broke after some suites had passed is not green either.
    int failed = counts.Values.Sum(count => count.Failed) + (context.Successful ? 0 : 1);
    System.IO.File.WriteAllText(
        resultsFolder.CombineWithFilePath("summary.txt").FullPath,
        $"{counts.Values.Sum(count => count.Passed)} passed, {failed} failed\n");

    if (failed > 0 && context.Successful)
        throw new CakeException($"{failed} tests failed.");
});

RunTarget(target);
