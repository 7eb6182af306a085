using System.CommandLine;
using System.Globalization;
using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Client;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary><c>karya list</c>: a user's plans, newest first.</summary>
internal static class ListCommand
{
    private const int LimitDefault = 50;

    /// <summary>What a node gives in one answer at most.</summary>
    private const int PageSizeMax = 1000;

    private const string Examples = """
        Examples:
          karya list
          karya list --status running --limit 10
          karya list --user mira --all -o jsonl

        Newest first. JSON has them as "items". Exit codes: 0 done, 2 wrong usage, 3 no node reachable.
        """;

    public static Command Define(ServerFlags server)
    {
        var status = Flags.Value(
            "--status", "STATUS", "Only these: created, running, completed or cancelled.", Status);
        var limit = Flags.Value(
            "--limit", "N",
            string.Create(CultureInfo.InvariantCulture, $"At most so many (default: {LimitDefault})."),
            Flags.NumberFrom(1));
        var all = Flags.Switch("--all", "All of them.");
        var command = new ExampleCommand("list", "List plans, newest first.", Examples) { status, limit, all };
        server.AddTo(command);
        command.SetAction(parsed =>
        {
            int? asked = parsed.GetValue(limit);
            if (asked is not null && parsed.GetValue(all))
                throw new UsageException("--limit and --all do not go together");
            int count = parsed.GetValue(all) ? int.MaxValue : asked ?? LimitDefault;
            return server.RunAsync(
                parsed, session => RunAsync(session, parsed.GetValue(status) ?? PlanStatus.None, count));
        });
        return command;
    }

    private static async Task<int> RunAsync(Session session, PlanStatus status, int count)
    {
        // Looking does not make a user, and one that was never used has no plans.
        var user = await session.Client.FindUserAsync(session.UserName, session.Stopping);

        // One more than is shown, to know whether there are more.
        bool hasMore = false;
        await session.Printer.ManyAsync(Limited(), PlanText.WriteJson, Print, session.Stopping);
        if (hasMore)
            session.Terminal.Note("there are more: --all, or a larger --limit");
        return ExitCodes.Done;

        void Print(Terminal terminal, IReadOnlyList<PlanState> plans)
        {
            string which = status == PlanStatus.None ? "" : $"{PlanWriter.Word(status)} ";
            if (plans.Count > 0)
                session.Plans.Print(terminal, plans);
            else
                terminal.Note($"no {which}plans of user \"{session.UserName}\": --user NAME lists another's");
        }

        async IAsyncEnumerable<PlanState> Limited()
        {
            if (user is null)
                yield break;
            int shown = 0;
            var filter = new PlanFilter
            {
                User = user.Id,
                Status = status,
                PageSize = count < PageSizeMax ? count + 1 : PageSizeMax,
            };
            await foreach (var plan in session.Client.ListAsync(filter, session.Stopping))
            {
                hasMore = shown == count;
                if (hasMore)
                    yield break;
                shown++;
                yield return plan;
            }
        }
    }

    private static PlanStatus Status(string text)
    {
        PlanStatus[] all = [PlanStatus.Created, PlanStatus.Running, PlanStatus.Completed, PlanStatus.Cancelled];
        var status = all.FirstOrDefault(status => PlanWriter.Word(status) == text);
        return status != PlanStatus.None
            ? status
            : throw new FormatException($"'{text}' is none of {string.Join(", ", all.Select(PlanWriter.Word))}.");
    }
}
