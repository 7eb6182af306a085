using Karya.Client;

namespace Karya.Cli.Plans;

/// <summary>A schedule as it is written, in options or in a file: exactly one kind, and only what belongs to it.</summary>
internal sealed record ScheduleWords(
    TimeSpan? In, DateTimeOffset? At, TimeSpan? Every, string? Cron, DateTimeOffset? First, DateTimeOffset? Until,
    string? Zone)
{
    /// <param name="shown">How a word is spelt where it was written: <c>in</c> or <c>--in</c>.</param>
    /// <exception cref="FormatException">The words do not go together.</exception>
    public Schedule ToSchedule(Func<string, string> shown)
    {
        string[] kinds = [.. Kinds().Select(shown)];
        if (kinds.Length > 1)
            throw new FormatException($"{string.Join(" and ", kinds)} do not go together: a plan has one schedule.");
        if (First is not null && Every is null)
            throw new FormatException($"{shown("first")} belongs to {shown("every")}.");
        if (Zone is not null && Cron is null)
            throw new FormatException($"{shown("tz")} belongs to {shown("cron")}.");
        if (Until is not null && Every is null && Cron is null)
            throw new FormatException($"{shown("until")} belongs to {shown("every")} or {shown("cron")}.");

        try
        {
            return Chosen() with { EndAt = Until };
        }
        catch (ArgumentException exception)
        {
            throw new FormatException($"{kinds[0]}: {Mistake.Of(exception)}", exception);
        }
    }

    private IEnumerable<string> Kinds()
    {
        if (In is not null)
            yield return "in";
        if (At is not null)
            yield return "at";
        if (Every is not null)
            yield return "every";
        if (Cron is not null)
            yield return "cron";
    }

    private Schedule Chosen() =>
        In is { } delay ? Schedule.After(delay)
        : At is { } instant ? Schedule.At(instant)
        : Every is { } period ? Schedule.Every(period, First)
        : Cron is { } expression ? Schedule.Cron(expression, Zone ?? "UTC")
        : Schedule.Now;
}
