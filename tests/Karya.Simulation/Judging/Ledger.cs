using Karya.Engine;
using Karya.Protocol.Messages;

namespace Karya.Simulation.Judging;

/// <summary>How a request ended, for whoever made it.</summary>
internal enum RequestEnd
{
    /// <summary>It has not, which it has to.</summary>
    None,
    Acknowledged,
    Refused,

    /// <summary>It may have been done, or may yet be.</summary>
    Unknown,
}

/// <summary>A client wants a plan; however often it tries, it wants one.</summary>
internal sealed class Order(int number, PlanMessage terms, string? key, long atUs, long databaseMs)
{
    public int Number => number;

    public PlanMessage Terms => terms;

    public string? Key => key;

    public long AtUs => atUs;

    /// <summary>The database's clock when it was made.</summary>
    public long DatabaseMs => databaseMs;

    public RequestEnd End { get; set; }

    public PlanId Plan { get; set; }

    public bool IsDurable { get; set; }

    /// <summary>Two plans were acknowledged for it.</summary>
    public bool IsTwice { get; set; }

    public long EndedUs { get; set; }

    public long EndedDatabaseMs { get; set; }
}

/// <summary>A client wants a plan changed: cancelled, updated or triggered.</summary>
internal sealed class Change(PlanId plan, long beganUs, long? periodMs = null, int? attemptsMax = null)
{
    public PlanId Plan => plan;

    public long BeganUs => beganUs;

    public long? PeriodMs => periodMs;

    public int? AttemptsMax => attemptsMax;

    public RequestEnd End { get; set; }

    public long EndedUs { get; set; }
}

/// <summary>An attempt began: its first byte left. Times are true ones, but for the database's clock.</summary>
internal readonly record struct Start(
    TaskKey Key, int Attempt, long Epoch, int Partition, int Node, int Life, long DueMs, long AtUs, long DatabaseMs);

/// <summary>A target has answered an attempt.</summary>
internal readonly record struct End(TaskKey Key, int Attempt, bool IsSuccess, bool IsRetryable, long AtUs);

/// <summary>A client has seen a plan in a state; null when it was told that there is none.</summary>
internal readonly record struct Sight(PlanId Plan, PlanState? State, long AskedUs, long AnsweredUs);

/// <summary>A node had a partition from one instant to another.</summary>
internal sealed class Tenure(int partition, long epoch, int node, int life, long fromUs)
{
    public int Partition => partition;

    public long Epoch => epoch;

    public int Node => node;

    public int Life => life;

    public long FromUs => fromUs;

    /// <summary>It was handed over in order: what ran was handed over as running.</summary>
    public bool IsClosed { get; set; }
}

/// <summary>
/// What clients and targets have seen, written by them and by nobody else: the judge believes it, and not the nodes.
/// Times are true ones in us, from any origin. One thread.
/// </summary>
internal sealed class Ledger
{
    public List<Order> Orders { get; } = [];

    public List<Change> Cancels { get; } = [];

    public List<Change> Updates { get; } = [];

    public List<Change> Triggers { get; } = [];

    public List<Start> Starts { get; } = [];

    public List<End> Ends { get; } = [];

    public List<Sight> Sights { get; } = [];

    public List<Tenure> Tenures { get; } = [];

    /// <summary>Lives that ended by a crash.</summary>
    public HashSet<(int Node, int Life)> Crashes { get; } = [];

    /// <summary>Plans that were started by tasks, and by which.</summary>
    public Dictionary<PlanId, (TaskKey Parent, PlanMessage Terms)> Children { get; } = [];

    public Order Ordered(PlanMessage terms, string? key, long atUs, long databaseMs)
    {
        var order = new Order(Orders.Count, terms, key, atUs, databaseMs);
        Orders.Add(order);
        return order;
    }

    public static void Acknowledged(Order order, PlanId plan, bool isDurable, long atUs, long databaseMs)
    {
        if (order.End == RequestEnd.Acknowledged && order.Plan == plan)
            return; // Once more, by a second try.
        order.IsTwice |= order.End == RequestEnd.Acknowledged;
        order.End = RequestEnd.Acknowledged;
        order.Plan = plan;
        order.IsDurable = isDurable;
        order.EndedUs = atUs;
        order.EndedDatabaseMs = databaseMs;
    }

    /// <summary>An answer that does not take back what another try was told.</summary>
    public static void Ended(Order order, RequestEnd end, long atUs)
    {
        if (order.End == RequestEnd.Acknowledged)
            return;
        order.End = order.End == RequestEnd.Unknown ? RequestEnd.Unknown : end;
        order.EndedUs = atUs;
    }

    public static void Ended(Change change, RequestEnd end, long atUs)
    {
        change.End = end;
        change.EndedUs = atUs;
    }

    public Change Cancelled(PlanId plan, long atUs) => Add(Cancels, new Change(plan, atUs));

    public Change Updated(PlanId plan, long? periodMs, int? attemptsMax, long atUs) =>
        Add(Updates, new Change(plan, atUs, periodMs, attemptsMax));

    public Change Triggered(PlanId plan, long atUs) => Add(Triggers, new Change(plan, atUs));

    public void Opened(int partition, long epoch, int node, int life, long atUs) =>
        Tenures.Add(new Tenure(partition, epoch, node, life, atUs));

    public void Closed(int partition, long epoch)
    {
        var tenure = Tenures.FindLast(one => one.Partition == partition && one.Epoch == epoch);
        if (tenure is not null)
            tenure.IsClosed = true;
    }

    private static Change Add(List<Change> changes, Change change)
    {
        changes.Add(change);
        return change;
    }
}
