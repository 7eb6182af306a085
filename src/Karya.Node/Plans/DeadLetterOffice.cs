using System.Buffers.Binary;
using System.Buffers.Text;
using Karya.Engine;
using Karya.Node.Storage;

namespace Karya.Node.Plans;

/// <summary>Pages through dead letters. A cursor is the key of the last one listed, in base64url.</summary>
internal sealed class DeadLetterOffice(int partitionCount)
{
    private const int CursorBytes = 16 + sizeof(long) + sizeof(int);
    private const int ErrorsLookedAt = 100;

    /// <exception cref="DeskException">The cursor is not one of ours.</exception>
    public DeadLetterPage List(IStore store, string? cursor, int take)
    {
        var rows = store.ListDead(cursor is null ? null : Decode(cursor), take + 1);
        var letters = new List<DeadLetter>();
        for (int i = 0; i < Math.Min(take, rows.Count); i++)
        {
            if (store.FindPlan(rows[i].Key.Plan) is { } plan)
                letters.Add(Describe(store, plan, rows[i]));
        }

        return new DeadLetterPage(letters, rows.Count > take ? Encode(rows[take - 1].Key) : null);
    }

    private DeadLetter Describe(IStore store, StoredPlan plan, StoredTask row)
    {
        string lastError = "";
        foreach (var error in store.ListErrors(plan.Id, ErrorsLookedAt))
        {
            if (error.Key == row.Key)
                lastError = error.Text;
        }

        int partition = Protocol.PartitionHash.Of(plan.Id.Value, partitionCount);
        string description = PlanBodyCodec.Read(plan.Body).Description;
        return new DeadLetter(PlanViews.Of(row, partition), plan.User, description, lastError);
    }

    private static string Encode(TaskKey key)
    {
        Span<byte> bytes = stackalloc byte[CursorBytes];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, key.Plan.Value);
        BinaryPrimitives.WriteInt64BigEndian(bytes[16..], key.Occurrence);
        BinaryPrimitives.WriteInt32BigEndian(bytes[24..], key.Hook);
        return Base64Url.EncodeToString(bytes);
    }

    private static TaskKey Decode(string cursor)
    {
        Span<byte> bytes = stackalloc byte[CursorBytes];
        if (cursor.Length != Base64Url.GetEncodedLength(CursorBytes)
            || !Base64Url.IsValid(cursor) // Decoding throws on foreign characters, whatever its name says.
            || !Base64Url.TryDecodeFromChars(cursor, bytes, out int written) || written != CursorBytes)
        {
            throw new DeskException(
                DeskError.Invalid,
                "cursor is not one that this server gave out. Start without it, or pass `next` unchanged.");
        }

        return new TaskKey(
            new PlanId(BinaryPrimitives.ReadUInt128BigEndian(bytes)),
            BinaryPrimitives.ReadInt64BigEndian(bytes[16..]),
            BinaryPrimitives.ReadInt32BigEndian(bytes[24..]));
    }
}
