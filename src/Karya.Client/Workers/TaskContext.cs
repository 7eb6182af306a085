using Karya.Client.Plans;
using Karya.Client.Workers;
using Karya.Protocol;
using Microsoft.Extensions.Logging;

namespace Karya.Client;

/// <summary>What a running task knows of itself. Thread-safe; of no use after the run.</summary>
public sealed class TaskContext
{
    private readonly RunningTask _running;

    internal TaskContext(RunningTask running, IServiceProvider services, ILogger logger, TimeSpan lateness)
    {
        _running = running;
        Services = services;
        Logger = logger;
        Lateness = lateness;
    }

    public Guid PlanId => Uuids.ToGuid(_running.Delivery.Plan);

    public Guid TaskId => _running.Delivery.Task;

    /// <summary>Of the plan, from 1.</summary>
    public long Occurrence => _running.Delivery.Occurrence;

    /// <summary>The name that the task was asked for by.</summary>
    public string Name => _running.Delivery.Name;

    /// <summary>From 1.</summary>
    public int Attempt => _running.Delivery.Attempt;

    public int AttemptsMax => _running.Delivery.AttemptsMax;

    /// <summary>When the task was first due.</summary>
    public DateTimeOffset DueAt => Durations.InstantFromMs(_running.Delivery.DueMs);

    /// <summary>How long after that this attempt began, by the store's clock.</summary>
    public TimeSpan Lateness { get; }

    /// <summary>
    /// Grows with every change of the node that owns the plan: a system that sees a lower one than before deals with a
    /// run that is out of date.
    /// </summary>
    public long Epoch => _running.Delivery.Epoch;

    /// <summary>Those of this run; without any when the worker was made without dependency injection.</summary>
    public IServiceProvider Services { get; }

    public ILogger Logger { get; }

    /// <summary>Why the token has fired; <see cref="TaskCancelReason.None"/> while it has not.</summary>
    public TaskCancelReason CancelReason => _running.CancelReason;

    /// <summary>
    /// Shows how far the run has come. Returns at once: of values that follow one another faster than the node answers,
    /// the latest is sent. Not stored.
    /// </summary>
    /// <param name="fraction">From 0 to 1; what is outside counts as the nearest of them.</param>
    /// <param name="note">At most 1 KiB of UTF-8; the rest is cut off.</param>
    public void ReportProgress(double fraction, string? note = null) => _running.ReportProgress(fraction, note);
}
