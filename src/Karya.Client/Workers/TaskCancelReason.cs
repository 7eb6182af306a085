namespace Karya.Client;

/// <summary>Why an attempt is told to stop.</summary>
public enum TaskCancelReason
{
    None,

    /// <summary>Its plan was cancelled.</summary>
    PlanCancelled,

    /// <summary>It could not be extended in time, and may be running elsewhere.</summary>
    LeaseLost,

    /// <summary>It took longer than its time limit.</summary>
    TimedOut,

    /// <summary>The worker stops, and the time to drain is over. The attempt is given back, and costs none.</summary>
    Shutdown,
}
