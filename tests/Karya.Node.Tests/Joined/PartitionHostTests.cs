using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Xunit;

namespace Karya.Node.Tests.Joined;

public sealed class PartitionHostTests : IDisposable
{
    /// <summary>Beyond what is loaded when a shard is opened.</summary>
    private const long FarMs = 10 * ShardRig.HorizonMs;

    private readonly StoreFolder _folder = new();
    private FaultyStore _store;
    private ShardRig _rig;

    public PartitionHostTests()
    {
        _store = new FaultyStore(_folder.File);
        _rig = new ShardRig(_store);
    }

    public void Dispose()
    {
        _rig.Dispose();
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Plans_that_are_in_the_journal_alone_come_back()
    {
        Commit(_rig.Submit(1));
        Commit(_rig.Submit(2, dueInMs: FarMs));
        Reopen();
        Assert.Equal(2, Resident());
    }

    [Fact]
    public void Plans_of_the_tables_come_back_when_they_are_due_within_the_horizon_and_rest_there_when_not()
    {
        Commit(_rig.Submit(1));
        Commit(_rig.Submit(2, dueInMs: FarMs));
        Project();
        Reopen();
        Assert.Equal(1, Resident());
    }

    [Fact]
    public void A_far_plan_that_only_the_journal_changed_comes_back_changed()
    {
        Commit(_rig.Submit(1, dueInMs: FarMs));
        Project();
        Reopen(); // Now it rests in the tables.
        Assert.Equal(0, Resident());
        CancelWithLoad(1);

        Reopen();
        Assert.Equal(1, Resident());
        Project();
        Assert.Equal(PlanState.Cancelled, _store.FindPlan(_rig.IdFor(0, 1))!.State);
    }

    [Fact]
    public void What_was_acknowledged_before_a_crash_is_there_after_it_whatever_the_tables_had()
    {
        for (int number = 1; number <= 3; number++)
            Commit(_rig.Submit(number));
        Project();
        Commit(_rig.Submit(4));
        Commit(_rig.Cancel(2));

        using var crashed = _folder.CopyAsAfterCrash();
        using var store = new FaultyStore(crashed.File);
        using var rig = new ShardRig(store);
        rig.Turn();
        Assert.Equal(CommitResult.Committed, store.Project(rig.NextBatch()));
        PlanState[] states = [.. Enumerable.Range(1, 4).Select(number => store.FindPlan(rig.IdFor(0, number))!.State)];
        Assert.Equal([PlanState.Created, PlanState.Cancelled, PlanState.Created, PlanState.Created], states);
    }

    [Fact]
    public void Recovering_twice_gives_the_same_as_recovering_once()
    {
        Commit(_rig.Submit(1));
        Commit(_rig.Cancel(1));
        Commit(_rig.Submit(2));
        Reopen();
        Reopen();
        Project();
        Assert.Equal(PlanState.Cancelled, _store.FindPlan(_rig.IdFor(0, 1))!.State);
        Assert.Equal(PlanState.Created, _store.FindPlan(_rig.IdFor(0, 2))!.State);
        Assert.Equal(2, _store.CountPlans(ShardRig.Ann));
    }

    [Fact]
    public void Partitions_may_be_spread_over_another_number_of_shards_after_a_restart()
    {
        for (int number = 1; number <= 40; number++)
            Commit(_rig.Submit(number));
        Reopen(shardCount: 3);
        foreach (var shard in _rig.Shards)
            shard.Turn(ShardRig.NowMs);
        Assert.Equal(40, _rig.Shards.Sum(shard => shard.Status.ResidentPlans));
        Assert.All(_rig.Shards, shard => Assert.True(shard.Status.ResidentPlans > 0));
    }

    [Theory]
    [InlineData(1)] // The mark of a chunk.
    [InlineData(3)] // Its version.
    [InlineData(7)] // Its length.
    [InlineData(30)] // A record.
    public void A_damaged_journal_is_refused_with_advice_and_nothing_is_opened(int at)
    {
        Commit(_rig.Submit(1));
        _rig.Dispose();
        _store.Dispose();
        Assert.Equal(1, _folder.Change(
            $"UPDATE journal SET body = CAST(substr(body, 1, {at - 1}) || x'EE' || substr(body, {at + 1}) AS BLOB)"));

        _store = new FaultyStore(_folder.File);
        var exception = Assert.Throws<StoreException>(() => new ShardRig(_store));
        Assert.IsType<RecordDamagedException>(exception.InnerException);
        Assert.Contains("Restore it from a backup", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_journal_with_a_gap_is_refused()
    {
        Commit(_rig.Submit(1));
        Commit(_rig.Cancel(1)); // Of the same plan, so in the same partition.
        _rig.Dispose();
        _store.Dispose();
        Assert.Equal(1, _folder.Change("DELETE FROM journal WHERE id = 1"));

        _store = new FaultyStore(_folder.File);
        var exception = Assert.Throws<StoreException>(() => new ShardRig(_store));
        Assert.Contains("gap", exception.Message, StringComparison.Ordinal);
    }

    private void Commit(JournalChunk chunk)
    {
        chunk.Seal();
        Assert.Equal(CommitResult.Committed, _store.Commit(0, [], chunk.SealedBytes.ToArray()));
        _rig.Inboxes[chunk.Shard].PostDurable(chunk.Position, chunk);
    }

    private void Project()
    {
        Assert.Equal(CommitResult.Committed, _store.Project(_rig.NextBatch()));
        _rig.Inboxes[0].PostProjected();
        _rig.Turn();
    }

    private void CancelWithLoad(int number)
    {
        var id = _rig.IdFor(0, number);
        var shard = _rig.Shards[0];
        Assert.True(shard.Inbox.TryPost(ShardRig.CommandFor(id, CommandKind.Cancel)));
        Assert.Equal(1, shard.Turn(ShardRig.NowMs).PlanRequests.Count);
        var page = new Engine.Shards.LoadedPage { Requested = id, IsLast = true };
        _store.LoadPlan(id, withDescendants: true, (plan, memo, body) =>
            page.Add(plan, Protocol.PartitionHash.Of(plan.Value, ShardRig.PartitionCount), memo, body));
        shard.Inbox.PostPage(page);
        Commit(shard.Turn(ShardRig.NowMs).Chunk!);
    }

    private void Reopen(int shardCount = 1)
    {
        _rig.Dispose();
        _store.Dispose();
        _store = new FaultyStore(_folder.File);
        _rig = new ShardRig(_store, shardCount);
    }

    private long Resident()
    {
        _rig.Turn();
        return _rig.Shards[0].Status.ResidentPlans;
    }
}
