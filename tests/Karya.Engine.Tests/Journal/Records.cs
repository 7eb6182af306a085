using Karya.Engine.Journal;

namespace Karya.Engine.Tests.Journal;

/// <summary>A record on the heap, with all its fields, so that two can be compared.</summary>
internal sealed record RecordCopy(
    RecordKind Kind, PlanUpdate Update, SkipReason Reason, int Partition, long Sequence, TaskKey Key, int Attempt,
    int AttemptsMax, long AtMs, long DueMs, long OccurrenceTo, PlanSpec Spec, string Hooks, bool HasResult,
    FailureClass Failure, string Payload)
{
    public static RecordCopy Of(in Record record) => new(
        record.Kind, record.Update, record.Reason, record.Partition, record.Sequence, record.Key, record.Attempt,
        record.AttemptsMax, record.AtMs, record.DueMs, record.OccurrenceTo, record.Spec,
        Convert.ToHexString(record.Hooks), record.HasResult, record.Failure,
        Convert.ToHexString(record.Payload));
}

/// <summary>Records of every kind, with only those fields set that the kind has.</summary>
internal static class Records
{
    public static Record Make(
        RecordKind kind, UInt128 plan, long at, long due, int small, ReadOnlySpan<byte> hooks,
        ReadOnlySpan<byte> payload)
    {
        bool isAttempt = kind is >= RecordKind.Started and <= RecordKind.Failed
            or RecordKind.Replayed or RecordKind.HandedOver;
        bool hasOccurrence = isAttempt || kind == RecordKind.Skipped;
        var record = new Record
        {
            Kind = kind,
            Partition = small,
            Sequence = due,
            AtMs = at,
            Key = new TaskKey(new PlanId(plan), hasOccurrence ? due : 0, isAttempt ? small : 0),
            Attempt = isAttempt ? small : 0,
        };
        if (kind is not (RecordKind.Cancelled or RecordKind.Skipped or RecordKind.Started))
            record.Payload = payload;
        record.HasResult = kind == RecordKind.Succeeded && payload.Length > 0;
        if (kind is RecordKind.Retrying or RecordKind.Failed && small % 3 == 0)
            record.Failure = (FailureClass)(small % 22);
        switch (kind)
        {
            case RecordKind.Submitted:
                record.Hooks = hooks;
                record.Spec = new PlanSpec
                {
                    Id = new PlanId(plan),
                    User = new UserId(~plan),
                    Parent = new PlanId(plan ^ 1),
                    CreatedMs = at,
                    FirstDueMs = due,
                    PeriodMs = due,
                    EndMs = due == 0 ? PlanSpec.NoEnd : due - 1,
                    Kind = ScheduleKind.Every,
                    Misfire = MisfirePolicy.All,
                    AttemptsMax = small,
                    RetryDelayMs = small,
                    RetryDelayMsMax = small,
                    Lane = (uint)small * 3,
                    HookCount = hooks.Length / HookTable.BytesPerHook,
                };
                break;
            case RecordKind.Updated:
                record.Hooks = hooks;
                record.Update = PlanUpdate.Hooks | PlanUpdate.Period;
                record.Spec = new PlanSpec
                {
                    PeriodMs = due,
                    AttemptsMax = small,
                    HookCount = hooks.Length / HookTable.BytesPerHook,
                };
                break;
            case RecordKind.Skipped:
                record.OccurrenceTo = at;
                record.Reason = SkipReason.Misfire;
                record.DueMs = due;
                break;
            case RecordKind.Retrying or RecordKind.HandedOver:
                record.DueMs = due;
                break;
            case RecordKind.Replayed:
                record.DueMs = due;
                record.AttemptsMax = small;
                record.Spec = new PlanSpec { CreatedMs = at };
                break;
        }

        return record;
    }

    public static JournalChunk Chunk(params RecordKind[] kinds)
    {
        var chunk = new JournalChunk();
        chunk.AddPartition(3, 7);
        chunk.AddPartition(200, 1L << 40);
        for (int i = 0; i < kinds.Length; i++)
        {
            var record = Make(
                kinds[i], new UInt128(0x0190, (ulong)i), 1_800_000_000_000 + i, 1_800_000_001_000, 5,
                [1, 0, 3, 0, 9, 9, 9, 9], "body"u8);
            chunk.Append(record, mark: 0);
        }

        chunk.Seal();
        return chunk;
    }

    public static List<RecordCopy> Read(ReadOnlySpan<byte> row)
    {
        List<RecordCopy> records = [];
        do
        {
            row = JournalChunk.ReadChunk(row, (in record, _) => records.Add(RecordCopy.Of(record)));
        }
        while (!row.IsEmpty);
        return records;
    }
}
