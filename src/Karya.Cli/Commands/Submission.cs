using System.CommandLine;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Client;

namespace Karya.Cli.Commands;

/// <summary>What follows once it is known what to submit: look at it, or submit it, and wait for it.</summary>
internal sealed class Submission(ServerFlags server)
{
    private readonly Option<bool> _wait = Flags.Switch("--wait", "Wait until the plan has ended; 1 when it failed.");

    private readonly Option<TimeSpan?> _timeout = Flags.Value(
        "--timeout", "DURATION", "With --wait: how long at most (default: as long as it takes).", DurationText.Read);

    private readonly Option<bool> _dryRun = Flags.Switch("--dry-run", "Print what would be submitted, and submit nothing.");

    public void AddTo(Command command)
    {
        command.Add(_wait);
        command.Add(_timeout);
        command.Add(_dryRun);
        server.AddTo(command);
    }

    public async Task<int> RunAsync(ParseResult parsed, IReadOnlyList<Plan> plans)
    {
        bool waits = parsed.GetValue(_wait);
        var timeout = parsed.GetValue(_timeout);
        if (timeout is not null && !waits)
        {
            throw new UsageException(
                "--timeout says how long --wait waits", hint: "add --wait; the limit of one attempt is --attempt-timeout");
        }

        if (waits && plans.Count != 1)
            throw new UsageException("--wait is for one plan");
        if (parsed.GetValue(_dryRun))
            return DryRun(parsed, plans);
        return await server.RunAsync(parsed, session => plans.Count == 1
            ? SubmitAsync(session, plans[0], waits, timeout)
            : new BulkSubmission(session).RunAsync(plans));
    }

    /// <summary>Many plans, one on each line of a file.</summary>
    public Task<int> RunLinesAsync(ParseResult parsed, string path)
    {
        if (parsed.GetValue(_wait) || parsed.GetValue(_timeout) is not null)
            throw new UsageException("--wait is for one plan");
        return parsed.GetValue(_dryRun)
            ? Task.FromResult(DryRun(parsed, [.. PlanLine.ReadAll(path).Select(line => line.ToPlan())]))
            : server.RunAsync(parsed, session => new BulkSubmission(session).RunAsync(PlanLine.ReadAll(path)));
    }

    private int DryRun(ParseResult parsed, IReadOnlyList<Plan> plans)
    {
        // A table could not show all of a plan, and this is what -f and --from-jsonl read.
        var form = server.PrinterOf(parsed).Form == OutputForm.Jsonl ? OutputForm.Jsonl : OutputForm.Json;
        var printer = new Printer(server.Terminal, form, server.Clock);
        if (form == OutputForm.Json && plans.Count != 1)
        {
            printer.Array(plans, PlanWriter.Write);
            return ExitCodes.Done;
        }

        foreach (var plan in plans)
            printer.One(json => PlanWriter.Write(json, plan), _ => { });
        return ExitCodes.Done;
    }

    private static async Task<int> SubmitAsync(Session session, Plan plan, bool waits, TimeSpan? timeout)
    {
        var handle = await session.Client.SubmitAsync(BulkSubmission.Repeatable(plan, session.Clock), session.Stopping);
        bool isLast = session.Printer.Form != OutputForm.Json || !waits;
        if (isLast)
            session.Printer.One(json => WriteJson(json, handle, end: null), terminal => terminal.Line(Line(session, handle, plan)));
        if (!waits)
            return ExitCodes.Done;

        var end = await new Following(session).RunAsync(handle.Id, timeout);
        if (!isLast)
            session.Printer.One(json => WriteJson(json, handle, end.Task), _ => { });
        return await end.JudgeAsync(session);
    }

    private static string Line(Session session, PlanHandle handle, Plan plan)
    {
        string text = $"plan {handle.Id}  {PlanText.Words(plan.Action)}  {session.Plans.Words(plan.Schedule)}";
        return TextTable.Plain(handle.Existed ? $"{text}  (was there already)" : text);
    }

    private static void WriteJson(Utf8JsonWriter json, PlanHandle handle, TaskState? end)
    {
        json.WriteStartObject();
        json.WriteString("id", handle.Id);
        json.WriteBoolean("existed", handle.Existed);
        json.WriteString("durability", PlanWriter.Word(handle.Durability));
        if (end is not null)
        {
            json.WritePropertyName("task");
            TaskText.WriteJson(json, end);
        }

        json.WriteEndObject();
    }
}
