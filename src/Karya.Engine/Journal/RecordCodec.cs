namespace Karya.Engine.Journal;

/// <summary>Records to bytes and back.</summary>
/// <remarks>
/// <code>
/// record:   length int32 | kind byte | partition varint | sequence varint | plan 16 bytes | fields of the kind
/// </code>
/// The misfire byte of a spec has its highest bit set when workers carry the plan's tasks out. The length counts what
/// follows it. A reader that meets an unknown kind stops: it is older than the writer.
/// A success ends after its attempt, or goes on with <see cref="ResultMark"/> and the bytes of its result. The text of
/// a failure comes after <see cref="FailureMark"/> and the class of the failure, unless that is
/// <see cref="FailureClass.Other"/>.
/// </remarks>
internal static class RecordCodec
{
    private const byte PulledBit = 0x80;

    /// <summary>Tells an empty result from none.</summary>
    private const byte ResultMark = 1;

    /// <summary>Never the first byte of a text in UTF-8, so that failures without a class read as before.</summary>
    private const byte FailureMark = 0xFF;

    public static void Write(ByteWriter writer, in Record record)
    {
        int start = writer.Length;
        writer.WriteInt32(0);
        writer.WriteByte((byte)record.Kind);
        writer.WriteVarint((ulong)record.Partition);
        writer.WriteVarint((ulong)record.Sequence);
        writer.WriteUInt128(record.Key.Plan.Value);
        writer.WriteVarint((ulong)record.AtMs);
        switch (record.Kind)
        {
            case RecordKind.Submitted:
                WriteSpec(writer, record.Spec);
                writer.Write(record.Hooks);
                writer.Write(record.Payload);
                break;
            case RecordKind.Updated:
                writer.WriteByte((byte)record.Update);
                writer.WriteVarint((ulong)record.Spec.PeriodMs);
                writer.WriteVarint((ulong)record.Spec.AttemptsMax);
                writer.WriteByte((byte)record.Spec.HookCount);
                writer.Write(record.Hooks);
                writer.Write(record.Payload);
                break;
            case RecordKind.Cancelled:
                break;
            case RecordKind.Skipped:
                writer.WriteVarint((ulong)record.Key.Occurrence);
                writer.WriteVarint((ulong)record.OccurrenceTo);
                writer.WriteByte((byte)record.Reason);
                writer.WriteVarint((ulong)record.DueMs);
                break;
            default:
                WriteAttempt(writer, record);
                break;
        }

        writer.PatchInt32(start, writer.Length - start - sizeof(int));
    }

    public static void Read(ReadOnlySpan<byte> bytes, ref Record record)
    {
        var reader = new ByteReader(bytes);
        record.Kind = (RecordKind)reader.ReadByte();
        record.Partition = (int)reader.ReadVarint();
        record.Sequence = (long)reader.ReadVarint();
        var plan = new PlanId(reader.ReadUInt128());
        record.Key = new TaskKey(plan, 0, 0);
        record.AtMs = (long)reader.ReadVarint();
        switch (record.Kind)
        {
            case RecordKind.Submitted:
                ReadSpec(ref reader, ref record.Spec);
                record.Spec.Id = plan;
                record.Spec.CreatedMs = record.AtMs;
                ReadBody(ref reader, ref record);
                break;
            case RecordKind.Updated:
                record.Update = (PlanUpdate)reader.ReadByte();
                record.Spec.PeriodMs = (long)reader.ReadVarint();
                record.Spec.AttemptsMax = (int)reader.ReadVarint();
                record.Spec.HookCount = reader.ReadByte();
                ReadBody(ref reader, ref record);
                break;
            case RecordKind.Cancelled:
                break;
            case RecordKind.Skipped:
                record.Key = new TaskKey(plan, (long)reader.ReadVarint(), 0);
                record.OccurrenceTo = (long)reader.ReadVarint();
                record.Reason = (SkipReason)reader.ReadByte();
                record.DueMs = (long)reader.ReadVarint();
                break;
            case RecordKind.Started or RecordKind.Retrying or RecordKind.Succeeded or RecordKind.Failed
                or RecordKind.Replayed or RecordKind.Triggered or RecordKind.HandedOver:
                ReadAttempt(ref reader, ref record, plan);
                break;
            default:
                throw new RecordDamagedException($"Record kind {(byte)record.Kind} is not known to this version.");
        }
    }

    public static void WriteSpec(ByteWriter writer, in PlanSpec spec)
    {
        writer.WriteUInt128(spec.User.Value);
        writer.WriteUInt128(spec.Parent.Value);
        writer.WriteByte((byte)spec.Kind);
        writer.WriteByte((byte)(spec.IsPulled ? (byte)spec.Misfire | PulledBit : (byte)spec.Misfire));
        writer.WriteVarint((ulong)spec.FirstDueMs);
        writer.WriteVarint((ulong)spec.PeriodMs);
        writer.WriteVarint(spec.EndMs == PlanSpec.NoEnd ? 0 : (ulong)spec.EndMs + 1);
        writer.WriteVarint((ulong)spec.AttemptsMax);
        writer.WriteVarint((ulong)spec.RetryDelayMs);
        writer.WriteVarint((ulong)spec.RetryDelayMsMax);
        writer.WriteInt32((int)spec.Lane);
        writer.WriteByte((byte)spec.HookCount);
        if (spec.Kind == ScheduleKind.Cron) // Plans of other kinds are stored as before there were cron plans.
            writer.WriteByte((byte)spec.CronBytes);
    }

    public static void ReadSpec(ref ByteReader reader, ref PlanSpec spec)
    {
        spec.User = new UserId(reader.ReadUInt128());
        spec.Parent = new PlanId(reader.ReadUInt128());
        spec.Kind = (ScheduleKind)reader.ReadByte();
        byte misfire = reader.ReadByte();
        spec.Misfire = (MisfirePolicy)(misfire & ~PulledBit);
        spec.IsPulled = (misfire & PulledBit) != 0;
        spec.FirstDueMs = (long)reader.ReadVarint();
        spec.PeriodMs = (long)reader.ReadVarint();
        ulong end = reader.ReadVarint();
        spec.EndMs = end == 0 ? PlanSpec.NoEnd : (long)(end - 1);
        spec.AttemptsMax = (int)reader.ReadVarint();
        spec.RetryDelayMs = (int)reader.ReadVarint();
        spec.RetryDelayMsMax = (int)reader.ReadVarint();
        spec.Lane = (uint)reader.ReadInt32();
        spec.HookCount = reader.ReadByte();
        spec.CronBytes = spec.Kind == ScheduleKind.Cron ? reader.ReadByte() : 0;
    }

    private static void ReadBody(ref ByteReader reader, ref Record record)
    {
        record.Hooks = reader.ReadBytes(record.Spec.HookCount * HookTable.BytesPerHook + record.Spec.CronBytes);
        record.Payload = reader.ReadBytes(reader.Remaining);
    }

    private static void WriteAttempt(ByteWriter writer, in Record record)
    {
        writer.WriteVarint((ulong)record.Key.Occurrence);
        writer.WriteVarint((ulong)record.Key.Hook);
        writer.WriteVarint((ulong)record.Attempt);
        if (record.Kind is RecordKind.Retrying or RecordKind.Replayed or RecordKind.HandedOver)
            writer.WriteVarint((ulong)record.DueMs);
        if (record.Kind == RecordKind.Replayed)
        {
            writer.WriteVarint((ulong)record.AttemptsMax);
            writer.WriteVarint((ulong)record.Spec.CreatedMs);
        }

        if (record.Kind == RecordKind.Started && record.DueMs != 0)
            writer.WriteVarint((ulong)record.DueMs);
        if (record.HasResult)
            writer.WriteByte(ResultMark);
        bool isMistakable = IsFailure(record) && record.Payload is [FailureMark, ..];
        if (record.Failure != FailureClass.Other || isMistakable)
        {
            writer.WriteByte(FailureMark);
            writer.WriteByte((byte)record.Failure);
        }

        writer.Write(record.Payload);
    }

    private static void ReadAttempt(ref ByteReader reader, ref Record record, PlanId plan)
    {
        record.Key = new TaskKey(plan, (long)reader.ReadVarint(), (int)reader.ReadVarint());
        record.Attempt = (int)reader.ReadVarint();
        if (record.Kind is RecordKind.Retrying or RecordKind.Replayed or RecordKind.HandedOver)
            record.DueMs = (long)reader.ReadVarint();
        if (record.Kind == RecordKind.Replayed)
        {
            record.AttemptsMax = (int)reader.ReadVarint();
            record.Spec.CreatedMs = (long)reader.ReadVarint();
        }

        if (record.Kind == RecordKind.Started && reader.Remaining > 0) // Only cron plans name the next occurrence.
            record.DueMs = (long)reader.ReadVarint();
        record.HasResult = record.Kind == RecordKind.Succeeded && reader.Remaining > 0;
        if (record.HasResult && reader.ReadByte() is var mark and not ResultMark)
            throw new RecordDamagedException($"What follows a success is of kind {mark}, unknown to this version.");
        record.Payload = reader.ReadBytes(reader.Remaining);
        if (IsFailure(record) && record.Payload is [FailureMark, .. var failure])
        {
            record.Failure = failure.IsEmpty
                ? throw new RecordDamagedException("A failure ends where its class should be.")
                : (FailureClass)failure[0];
            record.Payload = failure[1..];
        }
    }

    private static bool IsFailure(in Record record) => record.Kind is RecordKind.Retrying or RecordKind.Failed;
}
