using BenchmarkDotNet.Running;
using Karya.Benchmarks.Figures;

// figures [PATTERN]   measures and prints one line for each figure whose name matches (a glob, or a part of the name)
// pending-memory      what the figure memory.pending runs in a process of its own
// anything else       goes to BenchmarkDotNet: --filter '*Wheel*', --list flat, ...
if (args is ["figures", .. var patterns])
    return FigureRunner.Run(AllFigures.List, patterns is [var pattern, ..] ? pattern : "*");

if (args is ["pending-memory"])
{
    NodeFigures.PrintPendingMemory();
    return 0;
}

BenchmarkSwitcher.FromAssembly(typeof(AllFigures).Assembly).Run(args);
return 0;
