using System.Diagnostics.CodeAnalysis;
using Karya.Cli.Rendering;

namespace Karya.Cli;

/// <summary>The executable: arguments, command, exit code, and nothing else.</summary>
internal static class Program
{
    public static Task<int> Main(string[] arguments) =>
        CommandLine.RunAsync(arguments, RealClock(), Terminal.OfConsole());

    [SuppressMessage("ApiDesign", "RS0030:Do not use banned APIs", Justification =
        "The entry point chooses the clock; everything else is handed one.")]
    private static TimeProvider RealClock() => TimeProvider.System;
}
