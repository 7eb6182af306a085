using System.Globalization;
using Karya.Node.Http.Api;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Cli.Rendering;

/// <summary>Dead letters and operations for people.</summary>
internal sealed class DeadLetterText(TimeText times)
{
    public void Print(Terminal terminal, IReadOnlyList<DeadLetterSnapshot> letters)
    {
        var table = new TextTable("LETTER", "FAILED", "CONNECTOR", "TARGET", "FAILURE", "ATTEMPTS", "ERROR");
        foreach (var letter in letters)
        {
            table.Row(
                KeyOf(letter), Time(letter.FailedMs), letter.Connector, letter.Target, letter.Failure,
                Count(letter.Attempts), letter.Error);
        }

        table.Print(terminal);
    }

    public void Print(Terminal terminal, IReadOnlyList<DeadLetterGroup> causes)
    {
        var table = new TextTable("LETTERS", "CONNECTOR", "TARGET", "FAILURE", "LAST FAILED", "FOR EXAMPLE");
        foreach (var cause in causes)
        {
            table.Row(
                Count(cause.Count), cause.Connector, cause.Target, cause.Failure, Time(cause.LastFailedMs),
                KeyOf(cause.Example));
        }

        table.Print(terminal);
    }

    public void Print(Terminal terminal, IReadOnlyList<OperationSnapshot> operations)
    {
        var table = new TextTable("OPERATION", "WHAT", "STATE", "CHANGED", "OF", "STARTED", "NODE", "NOTE");
        foreach (var operation in operations)
        {
            table.Row(
                operation.Id.ToString("D"), What(operation), State(operation),
                Count(operation.Changed), Count(operation.Matched), Time(operation.CreatedMs), operation.Node,
                operation.Note ?? "");
        }

        table.Print(terminal);
    }

    /// <summary>How an operation ended, or how far it is.</summary>
    public static string Say(OperationSnapshot operation)
    {
        string passed = operation.Passed == 0
            ? ""
            : string.Create(CultureInfo.InvariantCulture, $", {operation.Passed} were dead letters no more");
        return (operation.State, operation.IsDryRun) switch
        {
            (OperationState.Done, true) => $"{Letters(operation.Matched)} meant; nothing was changed",
            (OperationState.Done, _) => $"{Done(operation.Verb, operation.Changed)}{passed}",
            (OperationState.Stopped, _) => string.Create(
                CultureInfo.InvariantCulture,
                $"stopped: {Done(operation.Verb, operation.Changed)} of {operation.Matched}{passed}"),
            _ => $"operation {operation.Id} has begun with {Letters(operation.Matched)}; "
                + "karya dead operations tells how far it is",
        };
    }

    public static string Done(DeadLetterVerb verb, long count) =>
        $"{(verb == DeadLetterVerb.Replay ? "replayed" : "dropped")} {Letters(count)}";

    private static string Letters(long count) => string.Create(
        CultureInfo.InvariantCulture, $"{count} {(count == 1 ? "dead letter" : "dead letters")}");

    private static string What(OperationSnapshot operation) =>
        DeadLetterJson.WordOf(operation.Verb) + (operation.IsDryRun ? " (dry run)" : "");

    private static string State(OperationSnapshot operation) =>
        operation is { IsStopAsked: true, HasEnded: false } ? "stopping" : DeadLetterJson.WordOf(operation.State);

    private static string KeyOf(DeadLetterSnapshot letter) => string.Create(
        CultureInfo.InvariantCulture,
        $"{Uuids.ToGuid(letter.Plan)}/{letter.Occurrence}{(letter.Hook > 0 ? $"/{letter.Hook}" : "")}");

    private string Time(long? ms) =>
        ms is { } instant ? times.Show(DateTimeOffset.FromUnixTimeMilliseconds(instant)) : "-";

    private static string Count(long count) => count.ToString(CultureInfo.InvariantCulture);
}
