using System.CommandLine;
using System.Globalization;
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
            : SubmitManyAsync(session, plans.ToAsyncEnumerable()));
    }

    public Task<int> RunBulkAsync(ParseResult parsed, string path)
    {
        if (parsed.GetValue(_wait) || parsed.GetValue(_timeout) is not null)
            throw new UsageException("--wait is for one plan");
        return parsed.GetValue(_dryRun)
            ? Task.FromResult(DryRun(parsed, [.. Lines(path)]))
            : server.RunAsync(parsed, session => SubmitManyAsync(session, Lines(path).ToAsyncEnumerable()));
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

    /// <summary>Read as they are sent: a file may be larger than the memory.</summary>
    private static IEnumerable<Plan> Lines(string path)
    {
        using var reader = TextFile.Open(path);
        for (int number = 1; reader.ReadLine() is { } line; number++)
        {
            if (!string.IsNullOrWhiteSpace(line))
                yield return PlanReader.Read(line, string.Create(CultureInfo.InvariantCulture, $"{path}:{number}"));
        }
    }

    private static async Task<int> SubmitAsync(Session session, Plan plan, bool waits, TimeSpan? timeout)
    {
        var handle = await session.Client.SubmitAsync(Repeatable(plan, session.Clock), session.Stopping);
        bool isLast = session.Printer.Form != OutputForm.Json || !waits;
        if (isLast)
            session.Printer.One(json => WriteJson(json, handle, end: null), terminal => terminal.Line(Line(handle, plan)));
        if (!waits)
            return ExitCodes.Done;

        var end = await new Following(session).RunAsync(handle.Id, timeout);
        if (!isLast)
            session.Printer.One(json => WriteJson(json, handle, end.Task), _ => { });
        return await end.JudgeAsync(session);
    }

    private static async Task<int> SubmitManyAsync(Session session, IAsyncEnumerable<Plan> plans)
    {
        long accepted = 0;
        long duplicate = 0;
        long rejected = 0;
        var outcomes = session.Client.SubmitManyAsync(
            plans.Select(plan => Repeatable(plan, session.Clock)), cancellationToken: session.Stopping);
        await session.Printer.EachAsync(Counted(), WriteJson, PrintId, session.Stopping);
        session.Terminal.Message(string.Create(
            CultureInfo.InvariantCulture, $"accepted {accepted}  duplicate {duplicate}  rejected {rejected}"));
        return rejected == 0 ? ExitCodes.Done : ExitCodes.Failed;

        async IAsyncEnumerable<SubmitOutcome> Counted()
        {
            await foreach (var outcome in outcomes)
            {
                if (outcome.Error is { } error)
                {
                    rejected++;
                    session.Terminal.Error(string.Create(
                        CultureInfo.InvariantCulture, $"plan {outcome.Index + 1}: {TextTable.Plain(error.Message)}"));
                }
                else if (outcome.Existed)
                {
                    duplicate++;
                }
                else
                {
                    accepted++;
                }

                yield return outcome;
            }
        }
    }

    private static void PrintId(Terminal terminal, SubmitOutcome outcome)
    {
        if (outcome.Id is { } id)
            terminal.Line(id.ToString());
    }

    /// <summary>With an id, submitting can be tried again when a connection breaks, and is still done once.</summary>
    private static Plan Repeatable(Plan plan, TimeProvider clock) =>
        plan.Id is null && plan.IdempotencyKey is null ? plan with { Id = Guid.CreateVersion7(clock.GetUtcNow()) } : plan;

    private static string Line(PlanHandle handle, Plan plan)
    {
        string text = $"plan {handle.Id}  {PlanText.Words(plan.Action)}  {PlanText.Words(plan.Schedule)}";
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

    private static void WriteJson(Utf8JsonWriter json, SubmitOutcome outcome)
    {
        json.WriteStartObject();
        json.WriteNumber("index", outcome.Index);
        if (outcome.Id is { } id)
            json.WriteString("id", id);
        else
            json.WriteNull("id");
        json.WriteBoolean("existed", outcome.Existed);
        json.WriteString("durability", PlanWriter.Word(outcome.Durability));
        json.WriteString("error", outcome.Error?.Message);
        json.WriteEndObject();
    }
}
