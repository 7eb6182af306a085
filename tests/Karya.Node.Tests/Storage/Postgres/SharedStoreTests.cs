using Karya.Engine.Journal;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Karya.Protocol.Messages;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>Several processes on one schema, between which partitions move.</summary>
public sealed class SharedStoreTests : IDisposable
{
    private const int PartitionCount = 4;

    private readonly StoreSchema _schema = new();
    private readonly List<PostgresStore> _stores = [];
    private readonly List<int> _lost = [];

    public void Dispose()
    {
        foreach (var store in _stores)
            store.Dispose();
        _schema.Dispose();
    }

    [Fact]
    public void A_process_joins_with_streams_of_its_own_and_without_partitions()
    {
        var first = Join("a");
        var second = Join("b");
        Assert.Equal(0, first.Owned.Count);
        Assert.Equal(PartitionCount, second.ReadLeases().Count);
        Assert.Equal(2, _schema.Read("SELECT count(DISTINCT writer) FROM journal_stream WHERE writer <> ''"));
    }

    [Fact]
    public void What_was_released_is_claimed_by_whoever_is_first_and_each_partition_for_itself()
    {
        var first = Join("a");
        var second = Join("b");
        var seen = Seen(second);

        Assert.Equal([(0, 1L), (1, 1L)], Take(first, 0, 1));
        Assert.Equal([2, 3], second.Claim(seen).Select(claimed => claimed.Partition));
        Assert.Equal(["a", "a", "b", "b"], first.ReadLeases().Select(lease => NodeIdentity.NameOf(lease.Owner)));
    }

    [Fact]
    public void What_was_renewed_since_it_was_seen_is_not_claimed()
    {
        var first = Join("a");
        var second = Join("b");
        Take(first, 0, 1);
        var seen = Seen(second);

        Assert.Equal([0, 1], first.RenewLeases().Order());
        Assert.Equal([2, 3], second.Claim(seen).Select(claimed => claimed.Partition));
        Assert.Equal(CommitResult.Committed, Commit(first, 0, 1));
    }

    [Fact]
    public void Whoever_was_not_renewed_loses_what_is_claimed_and_keeps_the_rest()
    {
        var first = Join("a");
        var second = Join("b");
        Take(first, 0, 1);
        Assert.Equal([(1, 2L)], Take(second, 1));

        Assert.Equal([0], first.RenewLeases());
        Assert.Equal(CommitResult.Refused, Commit(first, 0, 1)); // All of a row or nothing.
        Assert.Equal([1], _lost);
        Assert.Null(first.Lost);
        first.Owned.Lose(1);
        Assert.Equal(CommitResult.Committed, Commit(first, 0));
        Assert.Equal(CommitResult.Committed, Commit(second, 1));
    }

    [Fact]
    public void What_is_released_can_be_claimed_and_what_was_claimed_since_is_not_released()
    {
        var first = Join("a");
        var second = Join("b");
        Take(first, 0, 1);

        first.Release(0, epoch: 1);
        first.Owned.Lose(0);
        first.Release(1, epoch: 7);
        Assert.Equal([true, false], second.ReadLeases().Take(2).Select(lease => lease.IsReleased));
        Take(second, 0);
        first.Release(0, epoch: 1); // The same request once more, late.
        Assert.False(second.ReadLeases()[0].IsReleased);
        Assert.Equal([0], second.RenewLeases());
    }

    [Fact]
    public void The_next_owner_reads_what_the_last_one_committed_and_the_tables_lack()
    {
        using var first = new SharedProcess(Join("a"));
        using var second = new SharedProcess(Join("b"));
        first.Take(1, 2);
        first.Submit(1, number: 1);
        first.Project();
        first.Submit(1, number: 2);
        first.Submit(2, number: 3);
        first.Submit(1, number: 4);
        first.Lose(1);

        second.Take(1);

        Assert.Equal([1L], second.Store.ReadMarks([1]));
        Assert.Equal(2, second.Shard.Status.ResidentPlans); // The first is far off, and in the tables.
        second.Submit(1, number: 5);
        second.Project();
        Assert.Equal(4, second.Store.ListPlans(Ann, 0, 10).Count);
        Assert.Equal([4L], second.Store.ReadMarks([1]));
    }

    [Fact]
    public void Rows_of_a_partition_that_went_to_and_fro_come_in_the_order_in_which_they_were_written()
    {
        using var first = new SharedProcess(Join("a"));
        using var second = new SharedProcess(Join("b"));
        int number = 0;
        for (int round = 0; round < 3; round++)
        {
            foreach (var owner in (SharedProcess[])[first, second])
            {
                owner.Take(1);
                Assert.Equal(number, owner.Shard.Status.ResidentPlans);
                owner.Submit(1, ++number);
                owner.Submit(1, ++number);
                owner.Release(1);
            }
        }

        first.Take(1);
        Assert.Equal(12, first.Shard.Status.ResidentPlans);
    }

    [Fact]
    public void Pruning_counts_rows_whatever_was_claimed_in_between()
    {
        using var process = new SharedProcess(Join("a"));
        process.Take(1);
        for (int number = 1; number <= 3; number++)
            process.Submit(1, number);
        process.Take(2);
        Assert.Equal([3], RowsAfterPruning(process.Store, 2).Select(row => row[1]));
        process.Store.PruneJournal(0, 3);
        process.Submit(1, 4);
        process.Submit(2, 5);
        Assert.Equal([1, 2], RowsAfterPruning(process.Store, 3).Select(row => row.Keys.Single()));
        Assert.Equal([2], RowsAfterPruning(process.Store, 4).Select(row => row.Keys.Single()));
    }

    [Fact]
    public void Rows_of_a_lost_partition_stay_until_its_next_owner_has_them_in_the_tables()
    {
        using var first = new SharedProcess(Join("a"));
        using var second = new SharedProcess(Join("b"));
        using var journal = new Journal(first.Store, [first.Shard.Inbox], first.Store);
        journal.Start();
        first.Take(1, 2);
        Write(journal, first, 1, number: 1);
        Write(journal, first, 2, number: 2);

        second.Take(1);
        journal.Hold(0, 1);
        first.Lose(1);
        first.Project();
        journal.Prune([first.Shard.Status.ProjectedPosition]);
        Assert.Equal(2, RowsOf(first.Store).Count);

        second.Project();
        journal.Prune([first.Shard.Status.ProjectedPosition]);
        Assert.Empty(RowsOf(first.Store));
    }

    [Fact]
    public void Records_of_a_lost_partition_keep_nothing_else_from_being_written()
    {
        using var first = new SharedProcess(Join("a"));
        using var second = new SharedProcess(Join("b"));
        using var journal = new Journal(first.Store, [first.Shard.Inbox], first.Store);
        first.Take(1, 2);
        var lost = first.Decide(1, number: 1);
        var kept = first.Decide(2, number: 2);
        second.Take(1);
        first.Store.Owned.Lose(1);

        journal.Post(lost);
        journal.Post(kept);
        journal.Start();
        Assert.True(journal.WaitDurable(0, 2));

        Assert.Equal([2], RowsOf(second.Store).SelectMany(row => row.Keys));
    }

    [Fact]
    public void A_stream_of_a_process_that_is_gone_is_emptied_when_the_tables_have_it_and_then_taken_again()
    {
        var first = new SharedProcess(Join("a"));
        first.Take(1);
        first.Submit(1, 1);
        first.Submit(1, 2);
        Assert.Equal(0, first.Store.EmptyOldStreams()); // It is there.
        first.Dispose();
        Leave(first.Store);

        using var second = new SharedProcess(Join("b"));
        Assert.Equal(2, _schema.Read("SELECT count(*) FROM journal_stream"));
        second.Take(1);
        Assert.Equal(0, second.Store.EmptyOldStreams()); // Needed still.
        second.Project();
        Assert.Equal(1, second.Store.EmptyOldStreams());
        Assert.Equal(0, second.Store.EmptyOldStreams());
        Join("c");
        Assert.Equal(2, _schema.Read("SELECT count(*) FROM journal_stream"));
    }

    [Fact]
    public void A_damaged_stream_of_a_process_that_is_gone_is_left_alone_and_named_as_such()
    {
        var first = Join("a");
        Take(first, 1);
        Assert.Equal(CommitResult.Committed, Commit(first, 1)); // A byte, and no chunk.
        Leave(first);

        var second = Join("b");
        var refusal = Assert.Throws<StoreException>(() => second.EmptyOldStreams());
        Assert.Contains("is damaged", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM journal_0_0"));
    }

    [Fact]
    public void Whoever_was_taken_for_dead_and_has_lost_its_stream_writes_nothing_more()
    {
        var first = Join("a");
        Take(first, 1);
        _schema.Change("UPDATE journal_stream SET writer = 'b/2'");

        Assert.Equal(CommitResult.Refused, Commit(first, 1));
        Assert.Contains("has taken journal stream 0 over", first.Lost, StringComparison.Ordinal);
    }

    [Fact]
    public void A_single_node_takes_over_what_several_have_left_in_their_streams()
    {
        var first = new SharedProcess(Join("a"));
        var second = new SharedProcess(Join("b"));
        first.Take(0, 1);
        second.Take(2, 3);
        first.Submit(1, 1);
        second.Submit(2, 2);
        foreach (var process in (SharedProcess[])[first, second])
        {
            process.Dispose();
            Leave(process.Store);
        }

        using var single = new PostgresStore(_schema.Settings, TimeProvider.System);
        var marks = single.Open(PartitionCount);
        Assert.Equal([1, 2], RowsOf(single).SelectMany(row => row.Keys));
        Assert.Equal(CommitResult.Committed, single.Commit(0, [marks[1], marks[2]], Array.Empty<byte>()));
        single.PruneJournal(0, 0); // The tables have what was there before: a node says so when they do.
        Assert.Empty(Assert.Single(RowsOf(single)));
    }

    [Fact]
    public async Task A_single_node_is_kept_out_while_one_of_several_is_there()
    {
        var first = Join("a");
        Take(first, 0);
        using var single = new PostgresStore(_schema.Settings, TimeProvider.System);
        var opening = Task.Run(() => single.Open(PartitionCount), TestContext.Current.CancellationToken);
        while (!opening.IsCompleted)
            Assert.Equal([0], first.RenewLeases());
        var refusal = await Assert.ThrowsAsync<StoreException>(() => opening);
        Assert.Contains("is in use by node a/", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Processes_say_where_they_are_and_are_forgotten_when_they_are_gone()
    {
        var first = Join("a");
        var second = Join("b");
        var there = new ClusterNode(first.Identity.Owner, new NodeEndpoint("10.0.0.1", 7070), "http://a/", "1.2.3");
        first.Announce(there with { Version = "1.2.2" });
        first.Announce(there);
        var here = new ClusterNode(second.Identity.Owner, new NodeEndpoint("b", 7071), "http://b/", "1.2.3");
        second.Announce(here);
        second.EmptyOldStreams();
        Assert.Equal([there, here], second.ReadNodes());

        Leave(first);
        second.EmptyOldStreams();
        Assert.Equal([here], second.ReadNodes());
    }

    private PostgresStore Join(string name)
    {
        var store = new PostgresStore(
            _schema.Settings with { Identity = NodeIdentity.Of(name) }, TimeProvider.System)
        {
            PartitionLost = _lost.Add,
        };
        _stores.Add(store);
        store.Join(PartitionCount);
        store.AddUser(new UserView(Ann, "ann", 1000));
        return store;
    }

    /// <summary>Its sessions end, as they do when a process does: the server notices a moment after we have.</summary>
    private void Leave(PostgresStore store)
    {
        string owner = store.Identity.Owner;
        _stores.Remove(store);
        store.Dispose();
        Assert.True(SpinWait.SpinUntil(
            () => _schema.Read(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid::bigint = "
                + $"hashtext('{owner}')::bigint & 4294967295") == 0,
            TimeSpan.FromSeconds(30)));
    }

    private static SeenLease[] Seen(PostgresStore store) => [.. store.ReadLeases().Select(PostgresOwnership.Seen)];

    /// <summary>Claims what looks as it does now, for its owner's sake or not.</summary>
    private static (int, long)[] Take(PostgresStore store, params int[] partitions)
    {
        var claimed = store.Claim([.. Seen(store).Where(lease => partitions.Contains(lease.Partition))]);
        foreach (var (partition, epoch) in claimed)
            store.Owned.Take(partition, epoch);
        return [.. claimed.Select(one => (one.Partition, one.Epoch))];
    }

    private static CommitResult Commit(PostgresStore store, params int[] partitions) => store.Commit(
        0,
        [.. partitions.Select(partition => new ProjectedMark
        {
            Partition = partition,
            Epoch = Math.Max(1, store.Owned.EpochOf(partition)),
        })],
        new byte[1]);

    private static void Write(Journal journal, SharedProcess process, int partition, int number)
    {
        var chunk = process.Decide(partition, number);
        long position = chunk.Position;
        journal.Post(chunk);
        Assert.True(journal.WaitDurable(0, position));
    }

    private static List<SortedDictionary<int, long>> RowsAfterPruning(PostgresStore store, long rowCount)
    {
        store.PruneJournal(0, rowCount);
        return RowsOf(store);
    }

    /// <summary>Of each row of the journal, the last records of its partitions.</summary>
    private static List<SortedDictionary<int, long>> RowsOf(PostgresStore store)
    {
        var rows = new List<SortedDictionary<int, long>>();
        store.ReadJournal(row =>
        {
            rows.Add([]);
            JournalChunk.NoteLast(row, rows[^1]);
        });
        return rows;
    }
}
