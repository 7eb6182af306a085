using System.Buffers.Text;
using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Tests.Joined;
using Karya.Node.Tests.Storage;
using Xunit;

namespace Karya.Node.Tests.Plans;

public sealed class DeadLetterOfficeTests : IDisposable
{
    private readonly StoreFolder _folder = new();
    private readonly FaultyStore _store;
    private readonly DeadLetterOffice _office;

    public DeadLetterOfficeTests()
    {
        _store = new FaultyStore(_folder.File);
        _store.Open(4);
        _store.AddUser(new UserView(Batches.Ann, "ann", 1000));
        _office = new DeadLetterOffice(4);
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
        string? cursor = null;
        do
        {
            var page = _office.List(_store, cursor, 3);
            seen.AddRange(page.Items.Select(letter => letter.Task.Key));
            cursor = page.Next;
        }
        while (cursor is not null);
        Assert.Equal(keys.Reverse(), seen);
    }

    [Fact]
    public void A_page_that_is_exactly_full_is_the_last_one()
    {
        Bury(Batches.Key(1), Batches.Key(2));
        Assert.Null(_office.List(_store, null, 2).Next);
        Assert.NotNull(_office.List(_store, null, 1).Next);
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
        var first = _office.List(_store, null, 1);
        Assert.Equal(key, Assert.Single(first.Items).Task.Key);
        Assert.Equal(Batches.Key(1), Assert.Single(_office.List(_store, first.Next, 1).Items).Task.Key);
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
        Assert.Equal(
            ["second of 2", "second of 1"], _office.List(_store, null, 9).Items.Select(letter => letter.LastError));
        Assert.All(_office.List(_store, null, 9).Items, letter => Assert.Equal("buried", letter.Description));
    }

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] // One short.
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] // One more.
    [InlineData("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!")]
    [InlineData("+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB")] // Bits set that no byte of a cursor has.
    [InlineData("                                      ")]
    [InlineData("ĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀĀ")]
    public void A_cursor_that_is_not_ours_is_refused(string cursor)
    {
        var exception = Assert.Throws<DeskException>(() => _office.List(_store, cursor, 1));
        Assert.Equal(DeskError.Invalid, exception.Error);
        Assert.Contains("cursor", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cursor_of_the_right_form_that_names_nothing_pages_from_there()
    {
        Bury(Batches.Key(1), Batches.Key(9));
        var page = _office.List(_store, Base64Url.EncodeToString(CursorAt(Batches.Plan(5))), 5);
        Assert.Equal(Batches.Key(1), Assert.Single(page.Items).Task.Key);
    }

    private static byte[] CursorAt(PlanId plan)
    {
        byte[] bytes = new byte[28];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(bytes, plan.Value);
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
    }

    private void Write(ProjectionBatch batch) => Assert.Equal(CommitResult.Committed, _store.Project(batch));
}
