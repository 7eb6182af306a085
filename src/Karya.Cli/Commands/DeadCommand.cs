using System.CommandLine;
using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Node.Http.Api;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary><c>karya dead</c>: what ran out of attempts, why, and what is to become of it.</summary>
internal static class DeadCommand
{
    private const string Examples = """
        Examples:
          karya dead list --failure timeout --since 24h
          karya dead causes
          karya dead replay 01a20a7b-5d5f-7000-aae0-21f5763fed03/1
          karya dead replay --target api.example.com --spread 10m
          karya dead drop --failure not_configured --dry-run
          karya dead operations
          karya dead stop 01a20a7b-5d5f-7000-aae0-21f5763fed03

        What is replayed gets its attempts once more. What is dropped is listed no more; its task stays as failed.
        Replaying and dropping many is an operation of the cluster: it goes on when this command is interrupted, and
        when nodes stop.
        Exit codes: 0 done, 2 wrong usage, 3 no node reachable, 4 there is no such letter or operation.
        """;

    private const int LimitDefault = 50;
    private const int PageSize = 100;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    public static Command Define(ServerFlags server) =>
        new ExampleCommand("dead", "Dead letters: what ran out of attempts. List, replay and drop them.", Examples)
        {
            List(server),
            Causes(server),
            Replay(server),
            Drop(server),
            Operations(server),
            Stop(server),
        };

    private static Command List(ServerFlags server)
    {
        var limit = Flags.Value("--limit", "N", "How many at most (default: 50).", Flags.NumberFrom(1));
        var filter = new DeadLetterFlags();
        var command = new Command("list", "List dead letters, newest plan first.") { limit };
        filter.AddTo(command);
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            int count = parsed.GetValue(limit) ?? LimitDefault;
            var letters = session.Client.DeadLetters.ListAsync(
                filter.Read(parsed, session.Clock), Math.Min(count, PageSize), session.Stopping);
            var text = new DeadLetterText(session.Printer.Times);
            await session.Printer.ManyAsync(
                letters.Take(count), DeadLetterJson.Write, text.Print,
                session.Stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Causes(ServerFlags server)
    {
        var filter = new DeadLetterFlags();
        var command = new Command("causes", "Count dead letters by connector, target and class of failure.");
        filter.AddTo(command);
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var causes = await session.Client.DeadLetters.CausesAsync(
                filter.Read(parsed, session.Clock), session.Stopping);
            var text = new DeadLetterText(session.Printer.Times);
            await session.Printer.ManyAsync(
                causes.ToAsyncEnumerable(), DeadLetterJson.Write, text.Print, session.Stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Replay(ServerFlags server)
    {
        var spread = Flags.Value(
            "--spread", "DURATION", "Evenly over this time, at most 7d (default: as fast as it goes).",
            DurationText.Read);
        return Change(
            server, DeadLetterVerb.Replay, "replay", "Give dead letters their attempts once more.", spread);
    }

    private static Command Drop(ServerFlags server) =>
        Change(server, DeadLetterVerb.Drop, "drop", "Take dead letters off the list.", spread: null);

    private static Command Change(
        ServerFlags server, DeadLetterVerb verb, string name, string description, Option<TimeSpan?>? spread)
    {
        var letters = new Argument<string[]>("LETTER")
        {
            Description = "PLAN/OCCURRENCE or PLAN/OCCURRENCE/HOOK, as karya dead list prints it.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var all = Flags.Switch("--all", "All there are.");
        var dryRun = Flags.Switch("--dry-run", "Only count those that are meant.");
        var noWait = Flags.Switch("--no-wait", "Start it and return at once.");
        var filter = new DeadLetterFlags();
        var command = new Command(name, description) { letters, all, dryRun, noWait };
        filter.AddTo(command);
        if (spread is not null)
            command.Add(spread);
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var wanted = filter.Read(parsed, session.Clock);
            string[] named = parsed.GetValue(letters) ?? [];
            var slowly = spread is null ? null : parsed.GetValue(spread);
            bool isDry = parsed.GetValue(dryRun);
            if (named.Length > 0)
            {
                bool isAlone = wanted.IsEmpty && !parsed.GetValue(all) && !isDry && slowly is null;
                return isAlone
                    ? await ChangeEachAsync(session, verb, [.. named.Select(Letter)])
                    : throw new UsageException(
                        "letters that are named go with no option that says which are meant, nor with --dry-run or "
                        + "--spread");
            }

            if (wanted.IsEmpty && !parsed.GetValue(all))
                throw new UsageException("say which are meant: LETTER, --failure, --target and so on, or --all");
            var operation = verb == DeadLetterVerb.Replay
                ? await session.Client.DeadLetters.StartReplayAsync(wanted, slowly, isDry, session.Stopping)
                : await session.Client.DeadLetters.StartDropAsync(wanted, isDry, session.Stopping);
            if (!parsed.GetValue(noWait))
                operation = await WaitAsync(session, operation);
            session.Printer.One(
                json => DeadLetterJson.Write(json, operation),
                terminal => terminal.Line(DeadLetterText.Say(operation)));
            return ExitCodes.Done;
        }));
        return command;
    }

    private static (Guid Plan, long Occurrence, int Hook) Letter(string text)
    {
        try
        {
            return DeadLetterFlags.ReadLetter(text);
        }
        catch (FormatException exception)
        {
            throw new UsageException(exception.Message);
        }
    }

    private static async Task<int> ChangeEachAsync(
        Session session, DeadLetterVerb verb, IReadOnlyList<(Guid Plan, long Occurrence, int Hook)> letters)
    {
        foreach (var (plan, occurrence, hook) in letters)
        {
            if (verb == DeadLetterVerb.Replay)
                await session.Client.DeadLetters.ReplayAsync(plan, occurrence, hook, session.Stopping);
            else
                await session.Client.DeadLetters.DropAsync(plan, occurrence, hook, session.Stopping);
        }

        session.Printer.One(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("verb", DeadLetterJson.WordOf(verb));
                json.WriteNumber("changed", letters.Count);
                json.WriteEndObject();
            },
            terminal => terminal.Line(DeadLetterText.Done(verb, letters.Count)));
        return ExitCodes.Done;
    }

    private static async Task<OperationSnapshot> WaitAsync(Session session, OperationSnapshot operation)
    {
        bool isTold = false;
        while (!operation.HasEnded)
        {
            if (operation.State == OperationState.Running && !isTold)
                session.Terminal.Note(DeadLetterText.Say(operation));
            isTold |= operation.State == OperationState.Running;
            await Task.Delay(LookAgain, session.Clock, session.Stopping);
            operation = await session.Client.DeadLetters.GetOperationAsync(operation.Id, session.Stopping);
        }

        return operation;
    }

    private static Command Operations(ServerFlags server)
    {
        var command = new Command("operations", "List what is being replayed or dropped, and how far it is.");
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var operations = await session.Client.DeadLetters.GetOperationsAsync(
                cancellationToken: session.Stopping);
            var text = new DeadLetterText(session.Printer.Times);
            await session.Printer.ManyAsync(
                operations.ToAsyncEnumerable(), DeadLetterJson.Write, text.Print, session.Stopping);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Command Stop(ServerFlags server)
    {
        var id = new Argument<Guid>("OPERATION")
        {
            Description = "The id of the operation, as karya dead operations prints it.",
            CustomParser = result => Flags.Read(result, PlanIds.Read, ""),
        };
        var command = new Command("stop", "Stop an operation. What it has done stays done.") { id };
        server.AddTo(command);
        command.SetAction(parsed => server.RunAsync(parsed, async session =>
        {
            var operation = await WaitAsync(
                session, await session.Client.DeadLetters.StopOperationAsync(parsed.GetValue(id), session.Stopping));
            session.Printer.One(
                json => DeadLetterJson.Write(json, operation),
                terminal => terminal.Line(DeadLetterText.Say(operation)));
            return ExitCodes.Done;
        }));
        return command;
    }
}
