namespace Karya.Engine;

/// <summary>Where a task stands. The values are stored; append only.</summary>
public enum PlanTaskState : byte
{
    /// <summary>Waiting for its due instant, for a retry, or for a free place at its target.</summary>
    Created = 0,

    /// <summary>An attempt is running.</summary>
    Processing = 1,

    Success = 2,

    /// <summary>Its last attempt failed: a dead letter.</summary>
    Failure = 3,

    Cancelled = 4,

    /// <summary>Never run, on purpose, with a <see cref="SkipReason"/>.</summary>
    Skipped = 5,
}

/// <summary>Why occurrences were not run. The values are stored; append only.</summary>
public enum SkipReason : byte
{
    None = 0,

    /// <summary>
    /// They fell due while nobody could run them, and the plan's misfire policy runs only one for all.
    /// </summary>
    Misfire = 1,
}

/// <summary>The legal moves of a task, as a table: row = from, column = to.</summary>
public static class PlanTaskStates
{
    private static readonly bool[,] Legal =
    {
        //                  Created Processing Success Failure Cancelled Skipped
        /* Created    */ { false, true, false, true, true, true },
        /* Processing */ { true, false, true, true, true, false },
        /* Success    */ { false, false, false, false, false, false },
        /* Failure    */ { true, false, false, false, false, false }, // replayed by an operator
        /* Cancelled  */ { false, false, false, false, false, false },
        /* Skipped    */ { false, false, false, false, false, false },
    };

    public static bool CanMove(PlanTaskState from, PlanTaskState to) => Legal[(int)from, (int)to];

    public static bool IsEnded(PlanTaskState state) => state >= PlanTaskState.Success;
}
