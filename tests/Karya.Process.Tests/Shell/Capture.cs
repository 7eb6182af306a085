using Karya.Cli;
using Karya.Cli.Rendering;
using Microsoft.Extensions.Time.Testing;

namespace Karya.Process.Tests.Shell;

/// <summary>What a command said and how it ended. It runs in this process, which costs nothing like starting another.</summary>
internal sealed record Capture(int ExitCode, string Output, string Errors)
{
    /// <summary>Half past one in a zone that is an hour ahead of UTC: a quarter of an hour after the samples' plans.</summary>
    public static FakeTimeProvider Clock()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 11, 26, 12, 30, 0, TimeSpan.Zero));
        clock.SetLocalTimeZone(TimeZoneInfo.CreateCustomTimeZone("Test", TimeSpan.FromHours(1), "Test", "Test"));
        return clock;
    }

    /// <summary>Where nobody can be asked, and nothing has colours.</summary>
    public static Task<Capture> RunAsync(params string[] arguments) => RunAsync(TimeProvider.System, null, arguments);

    /// <param name="answer">What somebody types who is asked; null for nobody there.</param>
    public static async Task<Capture> RunAsync(TimeProvider clock, string? answer, string[] arguments)
    {
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var terminal = new Terminal(output, errors, hasColour: false)
        {
            Answers = answer is null ? null : new StringReader(answer + "\n"),
        };
        int exitCode = await CommandLine.RunAsync(arguments, clock, terminal);
        return new Capture(exitCode, output.ToString(), errors.ToString());
    }

    /// <summary>What is printed by something that needs no node.</summary>
    public static string Print(Action<Terminal> print, bool hasColour = false)
    {
        using var output = new StringWriter();
        print(new Terminal(output, TextWriter.Null, hasColour));
        return output.ToString();
    }
}
