using Karya.Engine;
using Karya.Node.Storage;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>An operation as whoever carries it out has it, and as it is stored.</summary>
/// <param name="Version">Of the row; 0 before it is stored.</param>
/// <param name="Below">What it comes to next is below this; null at the beginning of a phase.</param>
internal sealed record Operation(OperationSnapshot Snapshot, long Version, TaskKey? Below)
{
    /// <summary>Read from its row. Null: a newer version wrote it, which this one cannot carry out.</summary>
    public static Operation? Of(StoredOperation row)
    {
        var reader = new WireReader(row.Body);
        reader.ReadArray("operation", 2, 2);
        var snapshot = OperationSnapshot.Read(ref reader);
        byte[]? below = reader.ReadBinaryOrNil("operation.below", ProtocolLimits.CursorBytesMax);
        if (!reader.TryEnd())
            return null;
        return new Operation(
            snapshot with { IsStopAsked = row.IsStopAsked, UpdatedMs = row.UpdatedMs }, row.Version,
            DeadLetterOffice.ReadCursor(below));
    }

    public StoredOperation ToRow()
    {
        var writer = new FrameWriter();
        writer.WriteArray(2);
        Snapshot.Write(writer);
        writer.WriteBinaryOrNil(DeadLetterOffice.CursorOf(Below));
        return new StoredOperation(
            Snapshot.Id, !Snapshot.HasEnded, Snapshot.IsStopAsked, Version, Snapshot.UpdatedMs,
            writer.Written.ToArray());
    }
}
