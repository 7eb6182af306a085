using Karya.Engine.Scheduling;
using Karya.Engine.Timing;

namespace Karya.Engine.Tables;

/// <summary>
/// The memory of a shard, shared by its partitions: one wheel and one pool of each kind of row, so that 256 partitions
/// cost no more than one. A task's row number is also its timer in the wheel.
/// </summary>
internal sealed class ShardTables(long nowTick) : IDisposable
{
    public Slab<PlanEntry> Plans { get; } = new();

    public Slab<TaskEntry> Tasks { get; } = new();

    public Slab<ErrorEntry> Errors { get; } = new();

    /// <summary>Results of tasks on their way to the tables: apart, since most tasks have none.</summary>
    public Slab<ArenaBytes> Results { get; } = new();

    public ByteArena Bytes { get; } = new();

    public CronCache Crons { get; } = new();

    public TimingWheel Wheel { get; } = new(nowTick);

    public void KeepResult(ref TaskEntry task, ReadOnlySpan<byte> result)
    {
        task.Result = Results.Take();
        Results[task.Result] = Bytes.Store(result);
    }

    /// <summary>Nothing when it has none.</summary>
    public void FreeResult(ref TaskEntry task)
    {
        if (task.Result == TaskEntry.None)
            return;
        Bytes.Free(Results[task.Result]);
        Results.Free(task.Result);
        task.Result = TaskEntry.None;
    }

    /// <summary>
    /// Frees the row of a task; if the ready queue still links it, that frees it when it comes out there.
    /// </summary>
    public void FreeTask(int task)
    {
        Wheel.Cancel(task);
        FreeResult(ref Tasks[task]);
        if (Tasks[task].IsReady)
            Tasks[task].IsDetached = true;
        else
            Tasks.Free(task);
    }

    public void Dispose() => Wheel.Dispose();
}
