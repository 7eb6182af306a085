using Karya.Engine;
using Karya.Engine.Journal;

namespace Karya.Node.Storage.Postgres;

/// <summary>
/// The ended tasks of a plan as bytes inside its row: some 25 bytes each, where a row of their own with its index takes
/// more than 200.
/// </summary>
/// <remarks>
/// <code>
/// per task: occurrence | skipped after it | hook | state byte | reason byte | created | due - created
///           | 0 for never started, else 1 | started - created, if it is 1 | finished - created | attempts
/// </code>
/// All but the named bytes are varints, differences zig-zag. Entries end where they end, so that two lists put together
/// are a list. A task that left a result has a row of its own.
/// </remarks>
internal static class TaskBytes
{
    public static void Write(ByteWriter writer, in TaskRow task)
    {
        writer.WriteVarint((ulong)task.Key.Occurrence);
        writer.WriteSigned(task.OccurrenceTo - task.Key.Occurrence);
        writer.WriteVarint((ulong)task.Key.Hook);
        writer.WriteByte((byte)task.State);
        writer.WriteByte((byte)task.Reason);
        writer.WriteVarint((ulong)task.CreatedMs);
        writer.WriteSigned(task.DueMs - task.CreatedMs);
        writer.WriteByte(task.StartedMs == 0 ? (byte)0 : (byte)1);
        if (task.StartedMs != 0)
            writer.WriteSigned(task.StartedMs - task.CreatedMs);
        writer.WriteSigned(task.FinishedMs - task.CreatedMs);
        writer.WriteVarint((ulong)task.Attempts);
    }

    /// <summary>Appends the tasks of a plan to a list. Throws <see cref="RecordDamagedException"/>.</summary>
    public static void Read(PlanId plan, ReadOnlySpan<byte> bytes, List<StoredTask> tasks)
    {
        var reader = new ByteReader(bytes);
        while (reader.Remaining > 0)
        {
            long occurrence = (long)reader.ReadVarint();
            long occurrenceTo = occurrence + reader.ReadSigned();
            int hook = (int)reader.ReadVarint();
            var state = (PlanTaskState)reader.ReadByte();
            var reason = (SkipReason)reader.ReadByte();
            long createdMs = (long)reader.ReadVarint();
            long dueMs = createdMs + reader.ReadSigned();
            long startedMs = reader.ReadByte() == 0 ? 0 : createdMs + reader.ReadSigned();
            long finishedMs = createdMs + reader.ReadSigned();
            int attempts = (int)reader.ReadVarint();
            tasks.Add(new StoredTask(
                new TaskKey(plan, occurrence, hook), state, reason, occurrenceTo, createdMs, dueMs, startedMs,
                finishedMs, attempts, ResultBytes: null));
        }
    }
}
