using System.Buffers.Binary;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Tests.Joined;
using Karya.Node.Tests.Storage;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;
using SlackAction = Karya.Node.Plans.SlackAction;

namespace Karya.Node.Tests.Plans;

public sealed class DeadLetterOfficeTests : IDisposable
{
    /// <summary>Of some plan, as the engine writes it.</summary>
    private static readonly byte[] Memo = Convert.FromHexString(
        "010000000000000000000000000000000000000000000000000000000000000000020000D08603A1E28FC3B1340364904E0100"
        + "00000280A0F1C2B134A4A1F1C2B1340100050100010009000000020001000900000003050000E6BBFDC2B134B489FEC2B134B4"
        + "89FEC2B1340000000301000000040001E5BBFDC2B134E482FBC2B134E482FBC2B134E6BBFDC2B1340001030100000001008180"
        + "A0F1C2B134E4A0F1C2B134A4A1F1C2B134A5A1F1C2B13400030501000000");

    private readonly StoreFolder _folder = new();
    private readonly FaultyStore _store;

    public DeadLetterOfficeTests()
    {
        _store = new FaultyStore(_folder.File);
        _store.Open(4);
        _store.AddUser(new UserView(Batches.Ann, "ann", 1000));
    }

    public void Dispose()
    {
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Pages_follow_each_other_without_gap_or_repetition()
    {
        TaskKey[] keys = [.. Enumerable.Range(1, 7).Select(number => Batches.Key((ulong)number, 2, number % 3))];
        Bury(keys);
        var seen = new List<TaskKey>();
        TaskKey? below = null;
        do
        {
            var page = Scan(below, 3);
            seen.AddRange(page.Letters.Select(letter => letter.Task.Key));
            below = page.Next;
        }
        while (below is not null);
        Assert.Equal(keys.Reverse(), seen);
    }

    [Fact]
    public void A_page_that_is_exactly_full_is_the_last_one()
    {
        Bury(Batches.Key(1), Batches.Key(2));
        Assert.Null(Scan(null, 2).Next);
        Assert.NotNull(Scan(null, 1).Next);
    }

    [Fact]
    public void A_cursor_holds_the_largest_key_there_is()
    {
        var last = new PlanId(UInt128.MaxValue);
        var key = new TaskKey(last, long.MaxValue, Limits.HooksPerPlanMax);
        var batch = new ProjectionBatch();
        AddPlan(batch, last);
        batch.EndedTask(key, PlanTaskState.Failure);
        Write(batch);
        Bury(Batches.Key(1));
        var first = Scan(null, 1);
        Assert.Equal(key, Assert.Single(first.Letters).Task.Key);
        byte[]? cursor = DeadLetterOffice.CursorOf(first.Next);
        var second = Scan(DeadLetterOffice.ReadCursor(cursor), 1);
        Assert.Equal(Batches.Key(1), Assert.Single(second.Letters).Task.Key);
    }

    [Fact]
    public void A_letter_shows_the_last_error_of_its_own_task()
    {
        var batch = new ProjectionBatch();
        AddPlan(batch, Batches.Plan(1));
        for (int occurrence = 1; occurrence <= 2; occurrence++)
        {
            var key = Batches.Key(1, occurrence);
            batch.EndedTask(key, PlanTaskState.Failure)
                .Error(key, 1, $"first of {occurrence}").Error(key, 2, $"second of {occurrence}");
        }

        Write(batch);
        var letters = Scan(null, 9).Letters;
        Assert.Equal(
            ["second of 2", "second of 1"], letters.Select(letter => DeadLetterOffice.Describe(_store, letter).Error));
        Assert.All(letters, letter => Assert.Equal("buried", letter.Description));
    }

    [Fact]
    public void A_letter_whose_plan_has_many_later_errors_shows_its_own()
    {
        var batch = new ProjectionBatch();
        AddPlan(batch, Batches.Plan(1));
        batch.EndedTask(Batches.Key(1), PlanTaskState.Failure).Error(Batches.Key(1), 1, "its own");
        for (int occurrence = 2; occurrence < 300; occurrence++)
            batch.Error(Batches.Key(1, occurrence), 1, "another's");
        Write(batch);

        var letter = Assert.Single(Scan(null, 9).Letters);
        Assert.Equal("its own", DeadLetterOffice.Describe(_store, letter).Error);
    }

    [Fact]
    public void A_letter_whose_error_is_not_stored_any_more_shows_none()
    {
        Bury(Batches.Key(1, 2));
        Write(new ProjectionBatch().Error(Batches.Key(1, 1), 1, "another's"));

        Assert.Equal("", DeadLetterOffice.Describe(_store, Assert.Single(Scan(null, 9).Letters)).Error);
    }

    [Fact]
    public void What_a_filter_passes_over_is_looked_at_in_pieces_and_a_page_ends_at_a_bound()
    {
        const int Count = DeadLetterOffice.LookMax + 2_500;
        var batch = new ProjectionBatch();
        AddPlan(batch, Batches.Plan(1));
        for (int occurrence = 1; occurrence <= Count; occurrence++)
            batch.EndedTask(Batches.Key(1, occurrence), PlanTaskState.Failure);
        batch.Tasks.Span[0].Failure = FailureClass.Dns;
        Write(batch);
        var rare = new DeadLetterFilter(Failure: "dns");

        var first = DeadLetterOffice.Scan(_store, rare, null, 10);
        Assert.Empty(first.Letters);
        Assert.Equal((DeadLetterOffice.LookMax, Batches.Key(1, 2_501)), (first.Looked, first.Next));

        var second = DeadLetterOffice.Scan(_store, rare, first.Next, 10);
        Assert.Equal(Batches.Key(1), Assert.Single(second.Letters).Task.Key);
        Assert.Equal((2_500, null), (second.Looked, second.Next));
    }

    [Fact]
    public void A_page_with_long_errors_ends_early_and_the_next_one_goes_on()
    {
        var batch = new ProjectionBatch();
        AddPlan(batch, Batches.Plan(1));
        for (int occurrence = 1; occurrence <= 300; occurrence++)
        {
            var key = Batches.Key(1, occurrence);
            batch.EndedTask(key, PlanTaskState.Failure).Error(key, 1, new string('x', Limits.ErrorBytesMax));
        }

        Write(batch);
        var seen = new List<long>();
        TaskKey? below = null;
        int pages = 0;
        do
        {
            var page = DeadLetterOffice.List(_store, new DeadLetterFilter(), below, 1000);
            Assert.InRange(page.Letters.Sum(letter => letter.Error.Length), 1, 300 * 1024);
            seen.AddRange(page.Letters.Select(letter => letter.Occurrence));
            below = DeadLetterOffice.ReadCursor(page.Next);
            pages++;
        }
        while (below is not null);
        Assert.Equal(Enumerable.Range(1, 300).Reverse().Select(number => (long)number), seen);
        Assert.InRange(pages, 2, 10);
    }

    [Fact]
    public void No_cause_is_left_out_when_there_are_more_than_a_page_has()
    {
        Bury([.. Enumerable.Range(1, 9).Select(number => Batches.Key((ulong)number))]);
        var batch = new ProjectionBatch();
        for (int number = 1; number <= 9; number++)
            batch.EndedTask(Batches.Key((ulong)number), PlanTaskState.Failure);
        for (int i = 0; i < 9; i++)
            batch.Tasks.Span[i].Failure = (FailureClass)(i % 3);
        Write(batch);
        long count = 0;
        TaskKey? below = null;
        do
        {
            var page = DeadLetterOffice.Group(_store, new DeadLetterFilter(), below, 2);
            Assert.InRange(page.Groups.Count, 1, 2);
            count += page.Groups.Sum(group => group.Count);
            below = DeadLetterOffice.ReadCursor(page.Next);
        }
        while (below is not null);
        Assert.Equal(9, count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(27)]
    [InlineData(29)]
    public void A_cursor_that_is_not_ours_is_refused(int length)
    {
        var exception = Assert.Throws<DeskException>(() => DeadLetterOffice.ReadCursor(new byte[length]));
        Assert.Equal(ErrorCode.InvalidCursor, exception.Fault!.Code);
        Assert.Contains("cursor", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cursor_of_the_right_form_that_names_nothing_pages_from_there()
    {
        Bury(Batches.Key(1), Batches.Key(9));
        var page = Scan(DeadLetterOffice.ReadCursor(CursorAt(Batches.Plan(5))), 5);
        Assert.Equal(Batches.Key(1), Assert.Single(page.Letters).Task.Key);
    }

    private DeadLetterScan Scan(TaskKey? below, int take) =>
        DeadLetterOffice.Scan(_store, new DeadLetterFilter(), below, take);

    private static byte[] CursorAt(PlanId plan)
    {
        byte[] bytes = new byte[28];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, plan.Value);
        return bytes;
    }

    private void Bury(params TaskKey[] keys)
    {
        var batch = new ProjectionBatch();
        foreach (var key in keys)
        {
            AddPlan(batch, key.Plan);
            batch.EndedTask(key, PlanTaskState.Failure);
        }

        Write(batch);
    }

    private static void AddPlan(ProjectionBatch batch, PlanId id)
    {
        var body = new System.Buffers.ArrayBufferWriter<byte>();
        PlanBodyCodec.Write(new PlanBody("buried", "PT1S", new SlackAction("general", "[]"), []), body);
        batch.NewPlan(1, state: PlanState.Completed);
        ref var row = ref batch.Plans.Span[^1];
        row.Id = id;
        row.Body = batch.Bytes.Write(body.WrittenSpan);
        row.Memo = batch.Bytes.Write(Memo);
    }

    private void Write(ProjectionBatch batch) => Assert.Equal(CommitResult.Committed, _store.Project(batch));
}
