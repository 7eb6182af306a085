using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>All that is known about one plan.</summary>
internal sealed class PlanCase(PlanId id)
{
    public PlanId Id => id;

    /// <summary>What was asked for; null when nobody is known to have asked.</summary>
    public PlanMessage? Terms { get; set; }

    /// <summary>Who asked; null for a child.</summary>
    public Order? Order { get; set; }

    /// <summary>The task that started it; null for a plan of a client.</summary>
    public TaskKey? Parent { get; set; }

    public FinalPlan? Final { get; set; }

    public List<Start> Starts { get; } = [];

    public List<End> Ends { get; } = [];

    public List<Change> Cancels { get; } = [];

    public List<Change> Updates { get; } = [];

    public bool IsTriggered { get; set; }

    public List<Sight> Sights { get; } = [];

    /// <summary>From when on no attempt may start; the maximum when no cancel was acknowledged.</summary>
    public long CancelledUs { get; set; } = long.MaxValue;

    /// <summary>It or an ancestor may have been cancelled.</summary>
    public bool MayBeCancelled { get; set; }

    /// <summary>An acknowledgement that is worth something: durable, and it went to somebody.</summary>
    public bool IsPromised => Order is null || (Order.End == RequestEnd.Acknowledged && Order.IsDurable);

    public bool MayHaveOtherPeriod => Updates.Exists(update => update.PeriodMs is not null);

    /// <summary>The most attempts that it may have had at any time.</summary>
    public int AttemptsMax
    {
        get
        {
            int most = 1 + (Terms?.Policy.Retries ?? 0);
            foreach (var update in Updates)
                most = Math.Max(most, update.AttemptsMax ?? 0);
            return most;
        }
    }

    /// <summary>When its occurrences are due, from the first on, without end if it has none.</summary>
    public IEnumerable<long> DueInstants()
    {
        long createdMs = Final!.Stored.CreatedMs;
        switch (Terms!.Schedule)
        {
            case ScheduleMessage.After after:
                yield return createdMs + after.DelayMs;
                break;
            case ScheduleMessage.At at:
                yield return at.DueMs;
                break;
            case ScheduleMessage.Every every:
                long dueMs = every.FirstMs ?? createdMs + every.PeriodMs;
                yield return dueMs; // The first one comes in any case.
                while ((dueMs += every.PeriodMs) <= (every.EndMs ?? long.MaxValue))
                    yield return dueMs;
                break;
            case ScheduleMessage.Cron cron:
                var oracle = new CronOracle(cron.Expression, cron.Zone);
                for (var next = oracle.NextMs(createdMs); next is { } ms; next = oracle.NextMs(ms))
                {
                    if (ms > (cron.EndMs ?? long.MaxValue) && ms != oracle.NextMs(createdMs))
                        break;
                    yield return ms;
                }

                break;
        }
    }
}
