using Karya.Engine;
using Karya.Engine.Scheduling;

namespace Karya.Node.Plans;

/// <summary>A plan that came over the wire, checked: what remains is to give it an id and an instant.</summary>
internal struct Submission
{
    /// <summary>All but the id, the parent and the instants.</summary>
    public PlanSpec Spec;

    /// <summary>The client's choice, or that of its key; none when the node chooses.</summary>
    public PlanId Id;

    /// <summary>When the first occurrence is due, if that is an instant; else null.</summary>
    public long? FirstMs;

    /// <summary>Else how long after the submit.</summary>
    public long DelayMs;

    public HookSpec[]? Hooks;

    /// <summary>Null when the plan does not run by a cron expression.</summary>
    public CronSchedule? Schedule;

    /// <summary>Rented; whoever drops the submission gives it back.</summary>
    public byte[] Body;

    public int BodyBytes;

    /// <summary>Of a plan with an <see cref="Id"/>: a hash of what the client sent.</summary>
    public ulong Fingerprint;
}
