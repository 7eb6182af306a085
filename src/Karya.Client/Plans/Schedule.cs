using Karya.Client.Plans;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>When a plan's tasks are due. Milliseconds count; anything finer is rounded up.</summary>
/// <example><c>Schedule.Cron("30 2 * * *", "Europe/Berlin") with { EndAt = lastDay }</c></example>
public sealed record Schedule
{
    private Schedule(ScheduleKind kind) => Kind = kind;

    /// <summary>At once.</summary>
    public static Schedule Now => After(TimeSpan.Zero);

    public ScheduleKind Kind { get; }

    /// <summary>The delay of <see cref="After"/>, or the period of <see cref="Every"/>; else 0.</summary>
    public TimeSpan Period { get; private init; }

    /// <summary>The instant of <see cref="At"/>, or the first one of <see cref="Every"/>; else null.</summary>
    public DateTimeOffset? FirstAt { get; private init; }

    /// <summary>Of <see cref="Cron"/>; else null.</summary>
    public string? Expression { get; private init; }

    /// <summary>IANA name of the time zone of <see cref="Cron"/>; else null.</summary>
    public string? TimeZone { get; private init; }

    /// <summary>No occurrence after this; null for no end. Only plans that recur have one.</summary>
    public DateTimeOffset? EndAt { get; init; }

    /// <summary>Once, so long after the node takes the plan. At most 100 years.</summary>
    public static Schedule After(TimeSpan delay) =>
        new(ScheduleKind.After) { Period = Durations.Checked(delay, nameof(delay)) };

    /// <summary>Once, at an instant. One that has passed means at once.</summary>
    public static Schedule At(DateTimeOffset instant) => new(ScheduleKind.At) { FirstAt = instant };

    /// <summary>Again and again, without drift. At least 1 ms, at most 100 years.</summary>
    /// <param name="firstAt">Null: a period after the node takes the plan.</param>
    public static Schedule Every(TimeSpan period, DateTimeOffset? firstAt = null) => new(ScheduleKind.Every)
    {
        Period = Durations.Checked(period, nameof(period), mayBeZero: false),
        FirstAt = firstAt,
    };

    /// <summary>By a cron expression of five fields, or six with seconds in front.</summary>
    /// <param name="timeZone">IANA name, such as Europe/Berlin.</param>
    public static Schedule Cron(string expression, string timeZone = "UTC")
    {
        ArgumentException.ThrowIfNullOrEmpty(expression);
        ArgumentException.ThrowIfNullOrEmpty(timeZone);
        return new Schedule(ScheduleKind.Cron) { Expression = expression, TimeZone = timeZone };
    }

    internal ScheduleMessage ToMessage()
    {
        if (EndAt is not null && Kind is (ScheduleKind.After or ScheduleKind.At))
            throw new ArgumentException("A plan that runs once has no EndAt.");
        return Kind switch
        {
            ScheduleKind.After => new ScheduleMessage.After(Durations.ToMs(Period)),
            ScheduleKind.At => new ScheduleMessage.At(Durations.ToMs(FirstAt!.Value)),
            ScheduleKind.Every => new ScheduleMessage.Every(
                Durations.ToMs(Period), Durations.ToMs(FirstAt), Durations.ToMs(EndAt)),
            _ => new ScheduleMessage.Cron(Expression!, TimeZone!, Durations.ToMs(EndAt)),
        };
    }

    internal static Schedule From(ScheduleMessage message) => message switch
    {
        ScheduleMessage.After after => new(ScheduleKind.After) { Period = Durations.FromMs(after.DelayMs) },
        ScheduleMessage.At at => At(Durations.InstantFromMs(at.DueMs)),
        ScheduleMessage.Every every => new(ScheduleKind.Every)
        {
            Period = Durations.FromMs(every.PeriodMs),
            FirstAt = Durations.InstantFromMs(every.FirstMs),
            EndAt = Durations.InstantFromMs(every.EndMs),
        },
        ScheduleMessage.Cron cron => new(ScheduleKind.Cron)
        {
            Expression = cron.Expression,
            TimeZone = cron.Zone,
            EndAt = Durations.InstantFromMs(cron.EndMs),
        },
        _ => throw new ArgumentException($"A schedule of type {message.GetType().Name}."),
    };
}

/// <summary>Kinds of schedules.</summary>
public enum ScheduleKind
{
    /// <summary>Once, after a delay.</summary>
    After,

    /// <summary>Once, at an instant.</summary>
    At,

    /// <summary>Again and again, with a fixed period.</summary>
    Every,

    /// <summary>By a cron expression.</summary>
    Cron,
}
