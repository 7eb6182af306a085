using Karya.Client;
using Karya.Protocol;

namespace Karya.Cli.Rendering;

/// <summary>From what the client throws to a message and an exit code.</summary>
internal static class Failures
{
    public static int Print(Terminal terminal, KaryaException exception)
    {
        var (exitCode, hint) = Judge(exception);
        string[] lines = exception.Message.Split('\n', StringSplitOptions.TrimEntries);
        terminal.Error(TextTable.Plain(lines[0]));
        if (lines.Length > 1)
            terminal.Why(TextTable.Plain(string.Join("; ", lines[1..])));
        if (exception.Field is { } field)
            terminal.Why($"the field is {TextTable.Plain(field)}");
        terminal.Hint(hint);
        return exitCode;
    }

    private static (int ExitCode, string Hint) Judge(KaryaException exception) => exception switch
    {
        { Code: ErrorCode.Unknown } => (ExitCodes.Failed, "karya list, to see whether it was done"),
        KaryaOverloadedException overloaded => (
            ExitCodes.Failed, $"once more in {Plans.DurationText.Show(overloaded.RetryAfter)}; nothing was done"),
        KaryaConnectionException or KaryaTimeoutException => (
            ExitCodes.Unreachable, "karya run, to start a node here, or --server karya://HOST:PORT"),
        { Code: ErrorCode.UserNotFound } => (ExitCodes.NotFound, "karya user add NAME"),
        KaryaNotFoundException => (ExitCodes.NotFound, "karya list, for the plans there are"),
        KaryaConflictException { Code: ErrorCode.IdempotencyKeyReused } => (
            ExitCodes.Conflict, "another --key, or the plan as it was"),
        KaryaConflictException => (ExitCodes.Conflict, "karya describe ID, for the state it is in"),
        { Code: >= ErrorCode.Malformed and < ErrorCode.UserNotFound } => (
            ExitCodes.Usage, "mend what is named above; docs/cli.md has an example of everything"),
        _ => (ExitCodes.Failed, "the log of the node says more"),
    };
}
