using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Karya.Benchmarks.Figures;
using Karya.Benchmarks.Layouts;

// figures [PATTERN]   measures and prints one line for each figure whose name matches (a glob, or a part of the name)
// pending-memory      what the figure memory.pending runs in a process of its own
// layouts [CONNECTIONSTRING [PATTERN]]   compares layouts of tables on a Postgres; needs a superuser and pg_walinspect
// anything else       goes to BenchmarkDotNet: --filter '*Wheel*', --list flat, ...
if (args is ["figures", .. var patterns])
    return FigureRunner.Run(AllFigures.List, patterns is [var pattern, ..] ? pattern : "*");

if (args is ["pending-memory"])
{
    NodeFigures.PrintPendingMemory();
    return 0;
}

if (args is ["layouts", .. var target])
{
    LayoutComparison.Run(
        target is [var connectionString, ..] ? connectionString : "Host=127.0.0.1;Username=postgres;Database=postgres",
        target is [_, var chosen, ..] ? chosen : "*");
    return 0;
}

// In this process: the projects that BenchmarkDotNet generates do not know which packages this one prunes.
var inProcess = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).AsMutator();
BenchmarkSwitcher.FromAssembly(typeof(AllFigures).Assembly).Run(args, DefaultConfig.Instance.AddJob(inProcess));
return 0;
