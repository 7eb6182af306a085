using CsCheck;
using Karya.Engine.Journal;
using Xunit;
using Record = Karya.Engine.Journal.Record;

namespace Karya.Engine.Tests.Journal;

public sealed class RecordCodecTests
{
    private static readonly long[] LongEdges = [0, 1, 127, 128, Limits.InstantMsMax, long.MaxValue - 1, long.MaxValue];
    private static readonly int[] IntEdges = [0, 1, 127, 128, int.MaxValue];

    private static readonly Gen<long> Longs =
        Gen.OneOf(Gen.Int[0, LongEdges.Length - 1].Select(i => LongEdges[i]), Gen.Long[0, long.MaxValue]);

    private static readonly Gen<int> Ints =
        Gen.OneOf(Gen.Int[0, IntEdges.Length - 1].Select(i => IntEdges[i]), Gen.Int[0, int.MaxValue]);

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_record_is_read_as_it_was_written(RecordKind kind) =>
        Gen.Select(Gen.ULong, Gen.ULong, Longs, Longs, Ints, Gen.Int[0, Limits.HooksPerPlanMax], Gen.Byte.Array[0, 300])
            .Sample((high, low, at, due, small, hookCount, payload) =>
            {
                var hooks = new byte[hookCount * HookTable.BytesPerHook];
                new Random(hookCount).NextBytes(hooks);
                var written = Records.Make(kind, new UInt128(high, low), at, due, small, hooks, payload);
                return RecordCopy.Of(WriteAndRead(written)) == RecordCopy.Of(written);
            });

    public static TheoryData<RecordKind> Kinds() => [.. Enum.GetValues<RecordKind>()];

    [Fact]
    public void The_start_of_a_cron_plans_occurrence_says_when_the_next_one_is_due() =>
        Longs.Sample(due =>
        {
            var written = Records.Make(RecordKind.Started, 1, 2, 3, 4, [], default);
            written.DueMs = due;
            return RecordCopy.Of(WriteAndRead(written)) == RecordCopy.Of(written);
        });

    [Fact]
    public void A_failure_without_a_class_is_written_as_before_there_were_classes()
    {
        var written = Records.Make(RecordKind.Failed, 1, 2, 3, 4, [], "no"u8);
        written.Failure = FailureClass.Other;
        var writer = new ByteWriter();
        RecordCodec.Write(writer, written);
        Assert.Equal("no"u8, writer.WrittenSpan[^2..]);
        int plain = writer.Length;

        written.Failure = FailureClass.Dns;
        writer.Clear();
        RecordCodec.Write(writer, written);
        Assert.Equal(plain + 2, writer.Length);
        Assert.Equal(FailureClass.Dns, RecordCopy.Of(WriteAndRead(written)).Failure);
        byte[] cut = writer.WrittenSpan[sizeof(int)..^3].ToArray();
        Assert.Throws<RecordDamagedException>(() =>
        {
            var record = default(Record);
            RecordCodec.Read(cut, ref record);
        });
    }

    /// <summary>Found by seed 9YRSNTNBggl2 of the random records. No text in UTF-8 begins so.</summary>
    [Theory]
    [InlineData(RecordKind.Retrying)]
    [InlineData(RecordKind.Failed)]
    public void A_text_that_begins_like_a_class_is_not_taken_for_one(RecordKind kind)
    {
        var written = Records.Make(kind, 1, 2, 3, 4, [], [0xFF, 22, 0xEF]);
        written.Failure = FailureClass.Other;

        Assert.Equal(RecordCopy.Of(written), RecordCopy.Of(WriteAndRead(written)));
    }

    [Fact]
    public void The_schedule_of_a_submitted_cron_plan_follows_its_hooks()
    {
        byte[] hooks = [.. new byte[2 * HookTable.BytesPerHook], .. new byte[Limits.CronBytesMax]];
        new Random(1).NextBytes(hooks);
        var written = Records.Make(RecordKind.Submitted, 1, 2, 3, 4, hooks, "body"u8);
        written.Spec.Kind = ScheduleKind.Cron;
        written.Spec.HookCount = 2;
        written.Spec.CronBytes = Limits.CronBytesMax;

        Assert.Equal(RecordCopy.Of(written), RecordCopy.Of(WriteAndRead(written)));
        Assert.True(Limits.CronBytesMax <= byte.MaxValue);
    }

    [Fact]
    public void A_record_starts_with_its_length()
    {
        var writer = new ByteWriter();
        RecordCodec.Write(writer, Records.Make(RecordKind.Submitted, 1, 2, 3, 4, [], "hello"u8));

        Assert.Equal(writer.Length - sizeof(int), BitConverter.ToInt32(writer.WrittenSpan));
    }

    [Fact]
    public void A_success_without_a_result_is_stored_as_it_was_before_there_were_results()
    {
        var writer = new ByteWriter();
        RecordCodec.Write(writer, Records.Make(RecordKind.Succeeded, 1, 2, 3, 4, [], default));

        Assert.Equal(
            "17000000" + "06" + "04" + "03" + "01000000000000000000000000000000" + "02" + "030404",
            Convert.ToHexString(writer.WrittenSpan));
    }

    [Fact]
    public void An_empty_result_is_not_the_same_as_none()
    {
        Assert.True(ReadSuccess(hasResult: true, mark: 1).HasResult);
        Assert.False(ReadSuccess(hasResult: false, mark: 0).HasResult);
    }

    [Fact]
    public void What_follows_a_success_and_is_no_result_is_refused() =>
        Assert.Throws<RecordDamagedException>(() => ReadSuccess(hasResult: true, mark: 2));

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(255)]
    public void An_unknown_kind_is_refused(byte kind)
    {
        var writer = new ByteWriter();
        RecordCodec.Write(writer, Records.Make(RecordKind.Cancelled, 1, 2, 3, 4, [], default));
        byte[] bytes = writer.WrittenSpan[sizeof(int)..].ToArray();
        bytes[0] = kind;

        Assert.Throws<RecordDamagedException>(() =>
        {
            var record = default(Record);
            RecordCodec.Read(bytes, ref record);
        });
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_record_that_is_cut_inside_its_fields_is_refused(RecordKind kind)
    {
        var writer = new ByteWriter();
        RecordCodec.Write(writer, Records.Make(kind, 1, 1L << 40, 1L << 41, 70_000, new byte[16], default));
        byte[] bytes = writer.WrittenSpan[sizeof(int)..].ToArray();
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Throws<RecordDamagedException>(() =>
            {
                var record = default(Record);
                RecordCodec.Read(bytes.AsSpan(0, length), ref record);
            });
        }
    }

    private static RecordCopy ReadSuccess(bool hasResult, byte mark)
    {
        var written = Records.Make(RecordKind.Succeeded, 1, 2, 3, 4, [], default);
        written.HasResult = hasResult;
        var writer = new ByteWriter();
        RecordCodec.Write(writer, written);
        byte[] bytes = writer.WrittenSpan[sizeof(int)..].ToArray();
        if (hasResult)
            bytes[^1] = mark;
        var read = default(Record);
        RecordCodec.Read(bytes, ref read);
        return RecordCopy.Of(read);
    }

    [Fact]
    public void Hooks_keep_their_largest_values()
    {
        HookSpec[] hooks =
            [new(HookTrigger.OnFailure, ushort.MaxValue, uint.MaxValue), new(HookTrigger.OnCompletion, 1, 0)];
        var bytes = new byte[2 * HookTable.BytesPerHook];

        Assert.Equal(bytes.Length, HookTable.Write(hooks, bytes));
        Assert.Equal((hooks[0], hooks[1]), (HookTable.Read(bytes, 0), HookTable.Read(bytes, 1)));
        Assert.True(Limits.AttemptsMax <= ushort.MaxValue);
    }

    [Fact]
    public void Signed_numbers_and_varints_are_read_as_they_were_written() =>
        Gen.Long.Sample(number =>
        {
            var writer = new ByteWriter();
            writer.WriteSigned(number);
            writer.WriteVarint((ulong)number);
            var reader = new ByteReader(writer.WrittenSpan);
            return reader.ReadSigned() == number && reader.ReadVarint() == (ulong)number && reader.Remaining == 0;
        });

    private static Record WriteAndRead(in Record written)
    {
        var writer = new ByteWriter();
        RecordCodec.Write(writer, written);
        var read = default(Record);
        RecordCodec.Read(writer.WrittenSpan[sizeof(int)..].ToArray(), ref read);
        return read;
    }

    [Fact]
    public void A_varint_of_eleven_bytes_is_refused()
    {
        byte[] bytes = [.. Enumerable.Repeat((byte)0xFF, 10), 1];
        Assert.Throws<RecordDamagedException>(() => new ByteReader(bytes).ReadVarint());
    }
}
