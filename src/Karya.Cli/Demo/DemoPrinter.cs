using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Plans;

namespace Karya.Cli.Demo;

/// <summary>
/// Prints one line per attempt: when, how late, what, how it went. Called by the threads that carry attempts out.
/// </summary>
internal sealed class DemoPrinter(TextWriter output)
{
    private readonly TextWriter _output = TextWriter.Synchronized(output);

    public void Print(in Dispatch dispatch, in Outcome outcome, long endedMs)
    {
        var body = PlanBodyCodec.Read(dispatch.Body.AsSpan(0, dispatch.BodyBytes));
        string what = dispatch.Key.IsHook ? $"hook {dispatch.Key.Hook} of " : "";
        string name = body.Description.Length > 0 ? $"\"{body.Description}\"" : $"plan {dispatch.Key.Plan}";
        string attempt = dispatch.AttemptsMax > 1 ? $", attempt {dispatch.Attempt} of {dispatch.AttemptsMax}" : "";
        string result = outcome.IsSuccess ? "ok" : FirstLine(outcome.Error!);
        _output.WriteLine(
            $"{DateTimeOffset.FromUnixTimeMilliseconds(dispatch.StartedMs):HH:mm:ss.fff}  "
            + $"+{dispatch.StartedMs - dispatch.AttemptDueMs} ms late  "
            + $"{what}{name} (occurrence {dispatch.Key.Occurrence}{attempt}): "
            + $"{result}, took {endedMs - dispatch.StartedMs} ms");
    }

    private static string FirstLine(string text) => text.Split('\n', 2)[0];
}
