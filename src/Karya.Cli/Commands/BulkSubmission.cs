using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Karya.Cli.Plans;
using Karya.Cli.Rendering;
using Karya.Client;

namespace Karya.Cli.Commands;

/// <summary>
/// Submits many plans. One that is refused, or cannot be read, does not sink the rest: it is told and counted.
/// </summary>
internal sealed class BulkSubmission(Session session)
{
    /// <summary>Where the plans came from that are on their way, in the order in which their outcomes come.</summary>
    private readonly Queue<long> _numbers = new();

    private long _accepted;
    private long _duplicate;
    private long _rejected;

    public Task<int> RunAsync(IEnumerable<Plan> plans) =>
        RunAsync(plans.Select((plan, index) => Handed(plan, index + 1)), session.Stopping);

    public Task<int> RunAsync(IEnumerable<PlanLine> lines) => RunAsync(Sound(lines), session.Stopping);

    /// <summary>With an id, submitting can be tried again when a connection breaks, and is still done once.</summary>
    public static Plan Repeatable(Plan plan, TimeProvider clock) =>
        plan.Id is null && plan.IdempotencyKey is null
            ? plan with { Id = Guid.CreateVersion7(clock.GetUtcNow()) }
            : plan;

    private async Task<int> RunAsync(IEnumerable<Plan> plans, CancellationToken stopping)
    {
        await session.Printer.EachAsync(OutcomesAsync(plans, stopping), WriteJson, PrintId, stopping);
        session.Terminal.Message(string.Create(
            CultureInfo.InvariantCulture, $"accepted {_accepted}  duplicate {_duplicate}  rejected {_rejected}"));
        return _rejected == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }

    private IEnumerable<Plan> Sound(IEnumerable<PlanLine> lines)
    {
        foreach (var line in lines)
        {
            Plan plan;
            try
            {
                plan = line.ToPlan();
            }
            catch (UsageException mistake)
            {
                Reject(mistake.Message);
                continue;
            }

            yield return Handed(plan, line.Number);
        }
    }

    private Plan Handed(Plan plan, long number)
    {
        _numbers.Enqueue(number);
        return Repeatable(plan, session.Clock);
    }

    private async IAsyncEnumerable<(long Number, SubmitOutcome Outcome)> OutcomesAsync(
        IEnumerable<Plan> plans, [EnumeratorCancellation] CancellationToken stopping)
    {
        await foreach (var outcome in session.Client.SubmitManyAsync(plans, cancellationToken: stopping))
        {
            long number = _numbers.Dequeue();
            if (outcome.Error is { } error)
                Reject(string.Create(CultureInfo.InvariantCulture, $"plan {number}: {error.Message}"));
            else if (outcome.Existed)
                _duplicate++;
            else
                _accepted++;
            yield return (number, outcome);
        }
    }

    private void Reject(string why)
    {
        _rejected++;
        session.Terminal.Error(TextTable.Plain(why));
    }

    private static void PrintId(Terminal terminal, (long Number, SubmitOutcome Outcome) result)
    {
        if (result.Outcome.Id is { } id)
            terminal.Line(id.ToString());
    }

    private static void WriteJson(Utf8JsonWriter json, (long Number, SubmitOutcome Outcome) result)
    {
        json.WriteStartObject();
        json.WriteNumber("number", result.Number);
        if (result.Outcome.Id is { } id)
            json.WriteString("id", id);
        else
            json.WriteNull("id");
        json.WriteBoolean("existed", result.Outcome.Existed);
        json.WriteString("durability", PlanWriter.Word(result.Outcome.Durability));
        json.WriteString("error", result.Outcome.Error?.Message);
        json.WriteEndObject();
    }
}
