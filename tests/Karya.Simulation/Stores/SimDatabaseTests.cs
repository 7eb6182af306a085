using Karya.Engine.Journal;
using Karya.Node;
using Xunit;

namespace Karya.Simulation.Stores;

/// <summary>
/// What real Postgres has surprised with, and what the schema makes of it: the simulated one has to do the same, or the
/// simulation looks at another system.
/// </summary>
public sealed class SimDatabaseTests
{
    private const long LeaseMs = 1000;

    private readonly SimDatabase _database = new(4);
    private readonly int _streamA;
    private readonly int _streamB;

    public SimDatabaseTests()
    {
        _streamA = _database.NewStream();
        _streamB = _database.NewStream();
    }

    [Fact]
    public void A_claim_is_for_what_still_looks_as_it_was_seen()
    {
        Claim("a", 0, _streamA);
        var seen = Seen(0);
        _database.Renew("a");

        Assert.Empty(_database.Claim("b", LeaseMs, [seen], [_streamB]));
        Assert.Equal(2, Assert.Single(_database.Claim("b", LeaseMs, [Seen(0)], [_streamB])).Epoch);
        Assert.Empty(_database.Renew("a"));
    }

    [Fact]
    public void Two_that_saw_the_same_do_not_both_get_it()
    {
        var seen = Seen(0);
        Assert.Single(_database.Claim("a", LeaseMs, [seen], [_streamA]));
        Assert.Empty(_database.Claim("b", LeaseMs, [seen], [_streamB]));
    }

    [Fact]
    public void A_batch_with_one_stale_epoch_is_refused_as_a_whole_and_says_which()
    {
        Claim("a", 0, _streamA);
        Claim("a", 1, _streamA);
        Claim("b", 1, _streamB);

        var begun = _database.Begin(_streamA, Marks((0, 1), (1, 1)));

        Assert.Equal(new StaleEpoch(1, 2, "b"), Assert.Single(begun.Stale));
        Assert.False(_database.Append(begun, 1, [1]).IsCommitted);
        Assert.Empty(Journal());
    }

    [Fact]
    public void A_claim_has_to_wait_for_a_batch_that_has_checked_its_epoch_and_then_reads_it()
    {
        Claim("a", 0, _streamA);
        var begun = _database.Begin(_streamA, Marks((0, 1)));

        // A check that takes no lock, as a plain read does, would let the claim past, and the batch in behind it.
        Assert.True(_database.HasOpenTransactions(_database.StreamsOf([Seen(0)])));
        Assert.Throws<InvalidOperationException>(() => _database.Claim("b", LeaseMs, [Seen(0)], [_streamB]));

        Assert.True(_database.Append(begun, 1, [1]).IsCommitted);
        Claim("b", 0, _streamB);
        Assert.Single(JournalOf(0));
    }

    [Fact]
    public void A_batch_that_begins_after_the_claim_is_refused()
    {
        Claim("a", 0, _streamA);
        Claim("b", 0, _streamB);
        Assert.False(_database.Append(_database.Begin(_streamA, Marks((0, 1))), 1, [1]).IsCommitted);
    }

    [Fact]
    public void What_was_open_when_the_server_went_down_is_undone_and_lets_claims_pass()
    {
        Claim("a", 0, _streamA);
        var begun = _database.Begin(_streamA, Marks((0, 1)));
        _database.AbortAll();

        Assert.False(_database.Append(begun, 1, [1]).IsCommitted);
        Claim("b", 0, _streamB);
        Assert.Empty(JournalOf(0));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_unknown_commit_is_looked_up_under_a_new_epoch_after_which_it_cannot_come_true(bool wasStored)
    {
        Claim("a", 0, _streamA);
        if (wasStored)
            _database.Append(_database.Begin(_streamA, Marks((0, 1))), 1, [1]);

        var resolution = _database.Resolve("a", LeaseMs, _streamA, [new SeenEpoch(0, 1)], row: 1);

        Assert.Equal(wasStored, resolution.IsRowThere);
        Assert.Equal(new SeenEpoch(0, 2), Assert.Single(resolution.Epochs));
        Assert.Single(_database.Begin(_streamA, Marks((0, 1))).Stale); // The first try, if it arrives now.
    }

    [Fact]
    public void Who_resolves_does_not_get_back_what_another_has_claimed()
    {
        Claim("a", 0, _streamA);
        Claim("b", 0, _streamB);
        var resolution = _database.Resolve("a", LeaseMs, _streamA, [new SeenEpoch(0, 1)], row: 1);
        Assert.Equal(new SeenEpoch(0, 0), Assert.Single(resolution.Epochs));
        Assert.Equal("b", _database.ReadLeases()[0].Owner);
    }

    [Fact]
    public void A_row_number_is_taken_once()
    {
        Claim("a", 0, _streamA);
        Assert.True(_database.Append(_database.Begin(_streamA, Marks((0, 1))), 1, [1]).IsCommitted);
        Assert.False(_database.Append(_database.Begin(_streamA, Marks((0, 1))), 1, [2]).IsCommitted);
        Assert.Equal([1], Assert.Single(Journal()));
    }

    [Fact]
    public void A_full_disk_refuses_and_goes_on_when_there_is_room()
    {
        Claim("a", 0, _streamA);
        _database.IsFull = true;
        Assert.False(_database.Append(_database.Begin(_streamA, Marks((0, 1))), 1, [1]).IsCommitted);
        _database.IsFull = false;
        Assert.True(_database.Append(_database.Begin(_streamA, Marks((0, 1))), 1, [1]).IsCommitted);
    }

    [Fact]
    public void Only_the_owner_releases_and_only_under_its_epoch()
    {
        Claim("a", 0, _streamA);
        Assert.False(_database.Release("b", 0, 1));
        Assert.False(_database.Release("a", 0, 0));
        Assert.True(_database.Release("a", 0, 1));
        Assert.Empty(_database.Renew("a"));
    }

    [Fact]
    public void Pruning_takes_a_stream_s_rows_up_to_a_number_and_no_other_s()
    {
        Claim("a", 0, _streamA);
        Claim("b", 1, _streamB);
        for (byte number = 1; number <= 3; number++)
        {
            _database.Append(_database.Begin(_streamA, Marks((0, 1))), number, [number]);
            _database.Append(_database.Begin(_streamB, Marks((1, 1))), number, [(byte)(10 + number)]);
        }

        _database.PruneJournal(_streamA, 2);

        Assert.Equal([[3]], JournalOf(0));
        Assert.Equal(3, JournalOf(1).Count);
    }

    [Fact]
    public void A_mark_does_not_go_back_when_a_projection_is_written_again()
    {
        Claim("a", 0, _streamA);
        Project(sequence: 5);
        Project(sequence: 3);
        Assert.Equal(5, _database.ReadMark(0));
    }

    private void Project(long sequence)
    {
        var batch = new ProjectionBatch();
        batch.Marks.Add() = new ProjectedMark { Partition = 0, Epoch = 1, Sequence = sequence };
        Assert.True(_database.Project(_database.Begin(_streamA, batch.Marks.Span), batch).IsCommitted);
    }

    private void Claim(string owner, int partition, int stream) =>
        Assert.Single(_database.Claim(owner, LeaseMs, [Seen(partition)], [stream]));

    private SeenLease Seen(int partition)
    {
        var lease = _database.ReadLeases()[partition];
        return new SeenLease(partition, lease.Epoch, lease.RenewSeq);
    }

    private List<byte[]> Journal()
    {
        var rows = new List<byte[]>();
        _database.ReadJournal(row => rows.Add(row.ToArray()));
        return rows;
    }

    private List<byte[]> JournalOf(int partition)
    {
        var rows = new List<byte[]>();
        _database.ReadJournalOf(partition, row => rows.Add(row.ToArray()));
        return rows;
    }

    private static ProjectedMark[] Marks(params ReadOnlySpan<(int Partition, long Epoch)> marks)
    {
        var all = new ProjectedMark[marks.Length];
        for (int i = 0; i < all.Length; i++)
            all[i] = new ProjectedMark { Partition = marks[i].Partition, Epoch = marks[i].Epoch };
        return all;
    }
}
