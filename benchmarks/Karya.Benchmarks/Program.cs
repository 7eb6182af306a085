using BenchmarkDotNet.Running;
using Karya.Benchmarks.Figures;

// figures [PATTERN]   measures and prints one line for each figure whose name matches (a glob, or a part of the name)
// anything else       goes to BenchmarkDotNet: --filter '*Wheel*', --list flat, ...
if (args is ["figures", .. var patterns])
    return FigureRunner.Run(AllFigures.List, patterns is [var pattern, ..] ? pattern : "*");

BenchmarkSwitcher.FromAssembly(typeof(AllFigures).Assembly).Run(args);
return 0;
