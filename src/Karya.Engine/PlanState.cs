namespace Karya.Engine;

/// <summary>Where a plan stands. The values are stored; append only.</summary>
public enum PlanState : byte
{
    Created = 0,
    Running = 1,
    Completed = 2,
    Cancelled = 3,
}

/// <summary>The legal moves of a plan, as a table: row = from, column = to.</summary>
/// <remarks>
/// A completed plan may still be cancelled: clients of the original do that to stop the plans that it started.
/// Nothing leaves <see cref="PlanState.Cancelled"/>.
/// </remarks>
public static class PlanStates
{
    private static readonly bool[,] Legal =
    {
        //                 Created Running Completed Cancelled
        /* Created   */ { false, true, true, true },
        /* Running   */ { false, false, true, true },
        /* Completed */ { false, false, false, true },
        /* Cancelled */ { false, false, false, false },
    };

    public static bool CanMove(PlanState from, PlanState to) => Legal[(int)from, (int)to];

    public static bool IsEnded(PlanState state) => state >= PlanState.Completed;
}
