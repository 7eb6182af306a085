using Karya.Engine;

namespace Karya.Node.Storage;

/// <summary>
/// States of tasks as the tables have them: those of <see cref="PlanTaskState"/>, and one that only the tables know.
/// </summary>
internal static class StoredStates
{
    /// <summary>
    /// A failure whose dead letter was dropped. A state of its own takes it out of the index of the dead letters.
    /// </summary>
    public const int Dropped = 6;

    public static PlanTaskState Read(int stored) =>
        stored == Dropped ? PlanTaskState.Failure : (PlanTaskState)stored;
}
