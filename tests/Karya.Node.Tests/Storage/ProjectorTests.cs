using Karya.Engine;
using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Node.Tests.Execution;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Storage;

public sealed class ProjectorTests : IDisposable
{
    private static readonly TimeSpan Retention = TimeSpan.FromDays(7);

    private readonly StoreFolder _folder = new();
    private readonly FakeTimeProvider _clock = new(DateTimeOffset.FromUnixTimeMilliseconds(ShardRig.NowMs));
    private FaultyStore _store = null!;
    private ShardRig _rig = null!;
    private Karya.Node.Storage.Journal _journal = null!;
    private Projector _projector = null!;

    public ProjectorTests() => Open();

    public void Dispose()
    {
        Close();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_batch_is_written_only_after_its_records_are_durable()
    {
        _store.BlockCommits();
        _journal.Post(_rig.Submit(1));
        _projector.Post(0, _rig.NextBatch());
        await Until.TrueAsync(() => _store.CommitsBegun == 1, "the commit is under way");
        Assert.Equal(0, _store.ProjectionsBegun);
        Assert.Null(_store.FindPlan(_rig.IdFor(0, 1)));

        _store.ReleaseCommits();
        await Until.TrueAsync(() => Projected() == 1, "the shard hears that the tables have it");
        Assert.NotNull(_store.FindPlan(_rig.IdFor(0, 1)));
    }

    [Fact]
    public async Task A_refused_batch_is_tried_again_until_it_is_written()
    {
        _store.RefusesProjections = true;
        _journal.Post(_rig.Submit(1));
        _projector.Post(0, _rig.NextBatch());
        await Until.TrueAsync(() => _store.ProjectionsTried >= 2, "the batch is tried again");
        Assert.Equal("The tables cannot be written: Tables are told to be full.", _projector.Trouble);
        Assert.Equal(0, Projected());

        _store.RefusesProjections = false;
        await Until.TrueAsync(() => Projected() == 1, "the shard hears that the tables have it");
        Assert.Null(_projector.Trouble);
    }

    [Fact]
    public async Task A_batch_lets_a_journal_that_is_behind_pass_but_not_for_longer_than_a_second()
    {
        _journal.Post(_rig.Submit(1));
        Assert.True(_journal.WaitDurable(0, 1));
        var batch = _rig.NextBatch();
        _store.BlockCommits();
        _journal.Post(_rig.Submit(2, bodyBytes: 3 * 1024 * 1024));
        _projector.Post(0, batch);
        await Until.TrueAsync(() => _store.CommitsBegun == 2, "the commit is under way");
        Assert.Equal(0, _store.ProjectionsBegun);

        // More than once: the projector's thread may not have begun to wait, and counts from when it does.
        await Until.TrueAsync(
            () =>
            {
                _clock.Advance(TimeSpan.FromSeconds(1));
                return Projected() == 1;
            },
            "the shard hears that the tables have it");
    }

    [Fact]
    public async Task Dispose_does_not_wait_for_tables_that_go_on_refusing()
    {
        _store.RefusesProjections = true;
        _journal.Post(_rig.Submit(1));
        _projector.Post(0, _rig.NextBatch());
        await Until.TrueAsync(() => _projector.Trouble is not null, "the store refuses");
        _projector.Dispose();
        Assert.Equal(0, Projected());
    }

    [Fact]
    public async Task Journal_rows_go_when_the_tables_have_them_and_not_before()
    {
        await ProjectAsync(1);
        Assert.Equal(1, JournalCount());
        _journal.Post(_rig.Submit(2));
        Assert.True(_journal.WaitDurable(0, 2));
        _rig.Turn();
        _projector.Nudge();
        await Until.TrueAsync(
            () => JournalCount() == 1 && FirstJournalRow() == 2, "the first row goes, the second stays");
    }

    [Fact]
    public async Task A_crash_at_any_moment_leaves_what_was_acknowledged()
    {
        for (int number = 1; number <= 6; number++)
        {
            await ProjectAsync(number);
            _projector.Nudge();
            _journal.Post(_rig.Submit(100 + number));
            Assert.True(_journal.WaitDurable(0, _rig.Shards[0].Status.Position));
            using var crashed = _folder.CopyAsAfterCrash();
            using var store = new FaultyStore(crashed.File);
            using var rig = new ShardRig(store);
            rig.Turn();
            Assert.Equal(2 * number, rig.Shards[0].Status.ResidentPlans);
        }
    }

    [Fact]
    public async Task A_prune_before_the_first_turn_keeps_the_rows_of_the_last_run()
    {
        _journal.Post(_rig.Submit(1));
        Assert.True(_journal.WaitDurable(0, 1));
        Close();
        Open(); // The plan is in the journal alone, and the shard has not told yet what the tables lack.

        _projector.Nudge();
        await Until.TrueAsync(() => _store.HistoryRowsAsked > 0, "a round of pruning passes");
        Assert.Equal(1, JournalCount());

        _rig.Turn();
        _projector.Post(0, _rig.NextBatch());
        await Until.TrueAsync(() => Projected() == 0, "the tables have what was replayed");
        _projector.Nudge();
        await Until.TrueAsync(() => JournalCount() == 0, "the row of the last run goes");
        Assert.NotNull(_store.FindPlan(_rig.IdFor(0, 1)));
    }

    [Fact]
    public async Task History_goes_in_steps_that_keep_the_store_free_for_commits()
    {
        _projector.Nudge();
        await Until.TrueAsync(() => _store.HistoryRowsAsked > 0, "history is looked at");
        Assert.InRange(_store.HistoryRowsAsked, 1, 200);
    }

    [Fact]
    public async Task History_goes_faster_than_it_comes_when_the_projector_has_nothing_else_to_do()
    {
        var batch = new ProjectionBatch();
        for (ulong number = 1; number <= 700; number++)
            batch.NewPlan(number, state: PlanState.Completed, updatedMs: 1000);
        Assert.Equal(CommitResult.Committed, _store.Project(batch));
        _projector.Nudge();
        await Until.TrueAsync(() => _folder.Read("SELECT count(*) FROM plans") == 0, "one nudge removes it all");
    }

    [Fact]
    public async Task Trouble_with_old_rows_is_over_when_they_can_be_removed_again()
    {
        _store.FailsPruning = true;
        _projector.Nudge();
        await Until.TrueAsync(() => _projector.Trouble is not null, "old rows cannot be removed");
        Assert.Equal("The store fails: Store is told to fail.", _projector.Trouble);

        _store.FailsPruning = false;
        _projector.Nudge(); // Nothing else comes in: an idle node must become ready again.
        await Until.TrueAsync(() => _projector.Trouble is null, "the trouble is over");
    }

    [Fact]
    public async Task A_journal_that_gave_up_ends_the_wait_for_it()
    {
        _store.NextCommits(CommitFault.UnknownAndLost);
        _journal.Post(_rig.Submit(1));
        _projector.Post(0, _rig.NextBatch());
        await Expect.SoonAsync(_journal.Failed, "the journal gives up");
        _projector.Dispose();
        Assert.Equal(0, _store.ProjectionsBegun);
    }

    private void Open()
    {
        _store = new FaultyStore(_folder.File);
        _rig = new ShardRig(_store);
        _journal = new Karya.Node.Storage.Journal(_store, _rig.Inboxes);
        _projector = new Projector(_store, _journal, _rig.Shards, Retention, _clock);
        _journal.Start();
        _projector.Start();
    }

    private void Close()
    {
        _store.RefusesProjections = false;
        _store.ReleaseCommits();
        _journal.Dispose();
        _projector.Dispose();
        _rig.Dispose();
        _store.Dispose();
    }

    private async Task ProjectAsync(int number)
    {
        _journal.Post(_rig.Submit(number));
        long position = _rig.Shards[0].Status.Position;
        _projector.Post(0, _rig.NextBatch());
        await Until.TrueAsync(() => Projected() == position, $"plan {number} is in the tables");
    }

    /// <summary>Lets the shard hear what came in, and tells what it then says.</summary>
    private long Projected()
    {
        _rig.Turn();
        return _rig.Shards[0].Status.ProjectedPosition;
    }

    private long JournalCount() => _folder.Read("SELECT count(*) FROM journal");

    private long FirstJournalRow() => _folder.Read("SELECT min(id) FROM journal");
}
