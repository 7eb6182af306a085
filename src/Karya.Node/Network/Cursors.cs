using System.Buffers.Binary;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Protocol;

namespace Karya.Node.Network;

/// <summary>Where a page ended, as bytes that mean nothing to clients.</summary>
internal static class Cursors
{
    private const int PlanBytes = 16;
    private const int TaskBytes = sizeof(long) + sizeof(int);
    private const int ErrorBytes = TaskBytes + sizeof(int);

    public static byte[] Of(PlanId plan)
    {
        byte[] cursor = new byte[PlanBytes];
        BinaryPrimitives.WriteUInt128BigEndian(cursor, plan.Value);
        return cursor;
    }

    public static byte[] Of((long Occurrence, int Hook) task)
    {
        byte[] cursor = new byte[TaskBytes];
        WriteKey(cursor, task.Occurrence, task.Hook);
        return cursor;
    }

    public static byte[] Of((long Occurrence, int Hook, int Attempt) error)
    {
        byte[] cursor = new byte[ErrorBytes];
        WriteKey(cursor, error.Occurrence, error.Hook);
        BinaryPrimitives.WriteInt32BigEndian(cursor.AsSpan(TaskBytes), error.Attempt);
        return cursor;
    }

    public static PlanId? ReadPlan(byte[]? cursor) =>
        cursor is null ? null : new PlanId(BinaryPrimitives.ReadUInt128BigEndian(Checked(cursor, PlanBytes)));

    public static (long Occurrence, int Hook)? ReadTask(byte[]? cursor) =>
        cursor is null ? null : ReadKey(Checked(cursor, TaskBytes));

    public static (long Occurrence, int Hook, int Attempt)? ReadError(byte[]? cursor)
    {
        if (cursor is null)
            return null;
        var (occurrence, hook) = ReadKey(Checked(cursor, ErrorBytes));
        return (occurrence, hook, BinaryPrimitives.ReadInt32BigEndian(cursor.AsSpan(TaskBytes)));
    }

    private static void WriteKey(Span<byte> cursor, long occurrence, int hook)
    {
        BinaryPrimitives.WriteInt64BigEndian(cursor, occurrence);
        BinaryPrimitives.WriteInt32BigEndian(cursor[sizeof(long)..], hook);
    }

    private static (long Occurrence, int Hook) ReadKey(ReadOnlySpan<byte> cursor) => (
        BinaryPrimitives.ReadInt64BigEndian(cursor), BinaryPrimitives.ReadInt32BigEndian(cursor[sizeof(long)..]));

    private static byte[] Checked(byte[] cursor, int bytes) => cursor.Length == bytes
        ? cursor
        : throw new DeskException(new WireFault(
            ErrorCode.InvalidCursor, "cursor",
            "cursor is not one that this node gave out. Start without it, or pass the next of the page before."));
}
