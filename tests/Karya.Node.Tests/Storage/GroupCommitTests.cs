using Karya.Node.Storage;
using Karya.Node.Tests.Execution;
using Karya.Node.Tests.Joined;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class GroupCommitTests : IDisposable
{
    private const int MegabytesHigh = 16; // Where the writer holds intake.
    private const int BodyBytes = 256 * 1024;

    private readonly StoreFolder _folder = new();
    private readonly FaultyStore _store;
    private readonly ShardRig _rig;
    private readonly GroupCommit _journal;

    public GroupCommitTests()
    {
        _store = new FaultyStore(_folder.File);
        _rig = new ShardRig(_store, shardCount: 2);
        _journal = new GroupCommit(_store, 0, [.. _rig.Inboxes]);
        _journal.Start();
    }

    public void Dispose()
    {
        _store.RefusesCommits = false;
        _store.ReleaseCommits();
        _journal.Dispose();
        _rig.Dispose();
        _store.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task What_queued_up_while_a_commit_was_under_way_goes_out_as_one_row()
    {
        await BlockWithOneCommitAsync();
        for (int number = 2; number <= 6; number++)
            _journal.Post(_rig.Submit(number));
        _store.ReleaseCommits();
        Assert.True(_journal.WaitDurable(0, 6));
        Assert.Equal(2, _store.Rows.Count);
        Assert.Equal(2, _journal.Rows.TakeSuperfluous([6, 0]));
    }

    [Fact]
    public void A_row_that_is_large_enough_takes_no_further_chunk()
    {
        _store.BlockCommits();
        for (int number = 1; number <= 20; number++)
            _journal.Post(_rig.Submit(number, bodyBytes: BodyBytes));
        _store.ReleaseCommits();
        Assert.True(_journal.WaitDurable(0, 20));
        Assert.InRange(_store.Rows.Count, 3, 4);
        Assert.All(_store.Rows, row => Assert.InRange(row.Length, 1, 2 * 1024 * 1024 + 2 * BodyBytes));
    }

    [Fact]
    public void Each_shard_is_told_of_its_own_positions()
    {
        _journal.Post(_rig.Submit(1, shard: 0));
        _journal.Post(_rig.Submit(2, shard: 0));
        Assert.True(_journal.WaitDurable(0, 2));
        _journal.Post(_rig.Submit(3, shard: 1));
        Assert.True(_journal.WaitDurable(1, 1));
        Assert.Equal(-1, _journal.Rows.TakeSuperfluous([2, -1]));
        Assert.Equal(_store.Rows.Count - 1, _journal.Rows.TakeSuperfluous([2, 0]));
        Assert.Equal(_store.Rows.Count, _journal.Rows.TakeSuperfluous([2, 1]));
    }

    [Fact]
    public async Task A_refused_batch_is_written_again_until_it_is_stored_with_intake_held_meanwhile()
    {
        _store.RefusesCommits = true;
        _journal.Post(_rig.Submit(1));
        await Until.TrueAsync(() => !_rig.TakesRequests(0) && !_rig.TakesRequests(1), "intake of all shards is held");
        await Until.TrueAsync( // It is said a moment after intake is held.
            () => _journal.Trouble == "The journal cannot be written: Disk is told to be full.", "the trouble is told");
        Assert.Empty(_store.Rows);
        Assert.False(_journal.Failed.IsCompleted);

        await Until.TrueAsync(() => _store.CommitsTried >= 2, "the batch is tried again");
        _store.RefusesCommits = false;
        Assert.True(_journal.WaitDurable(0, 1));
        await Until.TrueAsync(() => _rig.TakesRequests(0) && _rig.TakesRequests(1), "intake is let go");
        await Until.TrueAsync(() => _journal.Trouble is null, "there is no trouble any more");
        Assert.Single(_store.Rows);
    }

    [Theory]
    [InlineData(CommitFault.UnknownAndLost, 0)]
    [InlineData(CommitFault.UnknownButStored, 1)]
    internal async Task After_an_unknown_commit_nothing_further_is_written(CommitFault fault, int stored)
    {
        _store.NextCommits(fault);
        var first = _rig.Submit(1);
        var second = _rig.Submit(2);
        _journal.Post(first);
        string reason = await Expect.SoonAsync(_journal.Failed, "the journal gives up");
        Assert.Equal("Whether the last journal batch is stored is unknown: Sync is told to fail.", reason);
        Assert.Equal(reason, _journal.Trouble);
        Assert.False(_rig.TakesRequests(0));

        _journal.Post(second);
        Assert.False(_journal.WaitDurable(0, 1));
        _journal.Dispose();
        Assert.Equal(stored, _store.Rows.Count);
        Assert.Equal(1, _store.CommitsTried);
    }

    [Fact]
    public async Task A_backlog_over_the_high_water_mark_holds_intake_until_it_is_below_the_low_one()
    {
        await BlockWithOneCommitAsync();
        int number = 1;
        while (_journal.BacklogBytes <= MegabytesHigh * 1024 * 1024)
        {
            Assert.True(_rig.TakesRequests(0), $"Held at {_journal.BacklogBytes} bytes.");
            _journal.Post(_rig.Submit(++number, bodyBytes: BodyBytes));
        }

        // While the store hangs: what lies here must not grow without a bound.
        Assert.False(_rig.TakesRequests(0));
        Assert.False(_rig.TakesRequests(1));

        _store.ReleaseCommits();
        Assert.True(_journal.WaitDurable(0, number));
        await Until.TrueAsync(() => _rig.TakesRequests(0) && _rig.TakesRequests(1), "intake is let go");
        await Until.TrueAsync(() => _journal.BacklogBytes == 0, "nothing is left behind");
    }

    [Fact]
    public async Task Dispose_writes_what_is_queued()
    {
        await BlockWithOneCommitAsync();
        for (int number = 2; number <= 4; number++)
            _journal.Post(_rig.Submit(number));
        var disposed = Task.Run(_journal.Dispose, TestContext.Current.CancellationToken);
        _store.ReleaseCommits();
        await Expect.SoonAsync(disposed, "the writer stops");
        Assert.True(_journal.WaitDurable(0, 4));
        Assert.False(_journal.WaitDurable(0, 5));
    }

    [Fact]
    public async Task Dispose_does_not_wait_for_a_store_that_goes_on_refusing()
    {
        _store.RefusesCommits = true;
        _journal.Post(_rig.Submit(1));
        await Until.TrueAsync(() => _journal.Trouble is not null, "the store refuses");
        _journal.Dispose();
        Assert.Contains("Disk is told to be full.", await _journal.Failed, StringComparison.Ordinal);
        Assert.False(_journal.WaitDurable(0, 1));
    }

    /// <summary>Leaves the writer waiting in a commit of its own.</summary>
    private async Task BlockWithOneCommitAsync()
    {
        _store.BlockCommits();
        _journal.Post(_rig.Submit(1));
        await Until.TrueAsync(() => _store.CommitsBegun == 1, "a commit is under way");
    }
}
