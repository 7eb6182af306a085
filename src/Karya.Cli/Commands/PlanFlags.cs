using System.CommandLine;
using Karya.Cli.Plans;
using Karya.Client;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary>The options that make a plan of an action: when, how often to try, what else.</summary>
internal sealed class PlanFlags
{
    private readonly Option<TimeSpan?> _in = Flags.Value(
        "--in", "DURATION", "Once, so long from now: 90s, 1h30m, PT90S (default: now).", DurationText.Read);

    private readonly Option<DateTimeOffset?> _at = Flags.Value(
        "--at", "INSTANT", "Once, at an instant: 2026-12-01T08:00:00Z.", InstantText.Read);

    private readonly Option<TimeSpan?> _every = Flags.Value(
        "--every", "DURATION", "Again and again, without drift.", DurationText.Read);

    private readonly Option<DateTimeOffset?> _first = Flags.Value(
        "--first", "INSTANT", "With --every: the first time (default: after one period).", InstantText.Read);

    private readonly Option<DateTimeOffset?> _until = Flags.Value(
        "--until", "INSTANT", "With --every or --cron: not after this.", InstantText.Read);

    private readonly Option<string?> _cron = Flags.Text(
        "--cron", "EXPRESSION", "By a cron expression: '30 2 * * *'; with six fields the first is seconds.");

    private readonly Option<string?> _zone = Flags.Text(
        "--tz", "ZONE", "With --cron: its time zone, such as Europe/Berlin (default: UTC).");

    private readonly Option<int?> _retries = new("--retries")
    {
        HelpName = "N",
        Description = "Attempts after the first one that fails (default: 3).",
    };

    private readonly Option<string?> _name = Flags.Text("--name", "TEXT", "What people shall see.");

    private readonly Option<string?> _key = Flags.Text(
        "--key", "KEY", "Idempotency key: submitting the same plan again with it gives the plan that is there.");

    private readonly Option<Guid?> _id = Flags.Value("--id", "UUID", "Your own id: a UUID of version 7.", PlanIds.Read);

    private readonly Option<string?> _onFailure = Flags.Text(
        "--on-failure-url", "URL", "POST to this URL when a task has failed for good.");

    private readonly Option<bool> _accepted = Flags.Switch(
        "--accepted", "Answer before the plan is on disk: faster, and lost when the node crashes at that moment.");

    public void AddTo(Command command)
    {
        Option[] all =
        [
            _in, _at, _every, _first, _until, _cron, _zone, _retries, _name, _key, _id, _onFailure, _accepted,
        ];
        foreach (var option in all)
            command.Add(option);
    }

    /// <exception cref="UsageException">The options do not go together.</exception>
    public Plan ToPlan(ParseResult parsed, KaryaAction action)
    {
        var plan = new Plan
        {
            Action = action,
            Schedule = ToSchedule(parsed),
            Name = parsed.GetValue(_name) ?? "",
            IdempotencyKey = parsed.GetValue(_key),
            Id = parsed.GetValue(_id),
            Durability = parsed.GetValue(_accepted) ? Durability.Accepted : Durability.Durable,
            Hooks = parsed.GetValue(_onFailure) is { } url
                ? [Hook.OnFailure(KaryaAction.Http(HttpMethod.Post, url))]
                : [],
        };
        return plan with { MaxRetries = parsed.GetValue(_retries) ?? plan.MaxRetries };
    }

    private Schedule ToSchedule(ParseResult parsed)
    {
        var words = new ScheduleWords(
            parsed.GetValue(_in), parsed.GetValue(_at), parsed.GetValue(_every), parsed.GetValue(_cron),
            parsed.GetValue(_first), parsed.GetValue(_until), parsed.GetValue(_zone));
        try
        {
            return words.ToSchedule(name => $"--{name}");
        }
        catch (FormatException exception)
        {
            throw new UsageException(exception.Message);
        }
    }
}
