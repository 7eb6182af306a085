using System.CommandLine;
using System.Globalization;
using Karya.Cli.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Cli.Commands;

/// <summary>Which dead letters are meant.</summary>
internal sealed class DeadLetterFlags
{
    private readonly Option<Guid?> _plan = Flags.Value("--plan", "ID", "Of this plan.", PlanIds.Read);
    private readonly Option<string?> _connector = Flags.Text(
        "--connector", "NAME", "Of rest, slack, email, kafka, chained or worker.");

    private readonly Option<string?> _target = Flags.Text(
        "--target", "NAME", "To this target, as karya dead list shows it.");

    private readonly Option<string?> _failure = Flags.Text(
        "--failure", "CLASS", "Whose last failure was of this class: timeout, refused, http_5xx, ...");

    private readonly Option<string?> _since = Flags.Text(
        "--since", "TIME", "Failed since then: an instant, or how long ago, as in 24h.");

    private readonly Option<string?> _until = Flags.Text("--until", "TIME", "Failed before then.");

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _plan, _connector, _target, _failure, _since, _until })
            command.Add(option);
    }

    /// <exception cref="UsageException">A time is none.</exception>
    public DeadLetterFilter Read(ParseResult parsed, TimeProvider clock) => new(
        null,
        parsed.GetValue(_plan) is { } plan ? Uuids.ToNumber(plan) : null,
        parsed.GetValue(_connector),
        parsed.GetValue(_target),
        parsed.GetValue(_failure),
        Instant("--since", parsed.GetValue(_since), clock),
        Instant("--until", parsed.GetValue(_until), clock));

    /// <summary>A letter as the list shows it: plan, occurrence and hook with slashes between them.</summary>
    public static (Guid Plan, long Occurrence, int Hook) ReadLetter(string text)
    {
        string[] parts = text.Split('/');
        int hook = 0;
        return parts.Length is 2 or 3
            && Guid.TryParse(parts[0], out var plan)
            && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long occurrence)
            && (parts.Length == 2
                || int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out hook))
            ? (plan, occurrence, hook)
            : throw new FormatException(
                $"'{text}' is no dead letter: that is PLAN/OCCURRENCE or PLAN/OCCURRENCE/HOOK, as the list shows it.");
    }

    private static long? Instant(string name, string? text, TimeProvider clock)
    {
        if (text is null)
            return null;
        try
        {
            bool isAgo = text.Length > 0 && char.IsAsciiLetter(text[^1]) && text[^1] != 'Z';
            var instant = isAgo ? clock.GetUtcNow() - DurationText.Read(text) : InstantText.Read(text);
            return instant.ToUnixTimeMilliseconds();
        }
        catch (FormatException)
        {
            throw new UsageException(
                $"{name}: '{text}' is neither an instant such as 2026-12-01T08:00:00Z nor how long ago, such as 24h");
        }
    }
}
