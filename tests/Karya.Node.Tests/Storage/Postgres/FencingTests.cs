using Karya.Engine.Journal;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Npgsql;
using Xunit;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>
/// A paused owner against the one that follows it, step by step, with the fence's lock as it is and as it must not be.
/// </summary>
public sealed class FencingTests : IDisposable
{
    private readonly StoreSchema _schema = new();
    private readonly PostgresStore _owner;
    private readonly ProjectedMark _mark;

    public FencingTests()
    {
        _owner = new PostgresStore(_schema.Settings, TimeProvider.System);
        _mark = _owner.Open(4)[1];
    }

    public void Dispose()
    {
        _owner.Dispose();
        _schema.Dispose();
    }

    /// <summary>The order in which a plain check is too late: check, claim and load, write.</summary>
    [Theory]
    [InlineData("FOR SHARE", false)]
    [InlineData("", true)]
    [InlineData("FOR KEY SHARE", true)]
    public async Task What_a_paused_owner_commits_is_never_missed_by_the_one_that_has_loaded(
        string lockClause, bool isMissed)
    {
        LockWith(lockClause);
        using var zombie = _schema.Connect();
        await using var batch = await zombie.BeginTransactionAsync(TestContext.Current.CancellationToken);
        Check(zombie, batch);

        // Now it is paused, between its check and its write, and another claims its partitions.
        var claiming = Task.Run(ClaimAndCountRows, TestContext.Current.CancellationToken);
        Assert.Equal(isMissed, !await IsBlockedAsync(claiming, zombie.ProcessID));

        await using (var write = new NpgsqlCommand("INSERT INTO journal_0_0 VALUES (99, '')", zombie, batch))
            await write.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await batch.CommitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(isMissed ? 0 : 1, await claiming);
        Assert.Equal(1, _schema.Read("SELECT count(*) FROM journal_0_0 WHERE id = 99"));
    }

    [Fact]
    public void A_check_after_a_claim_is_refused_with_a_code_of_its_own()
    {
        Assert.Equal(0, ClaimAndCountRows());
        using var zombie = _schema.Connect();
        using var batch = zombie.BeginTransaction();
        Assert.Equal("KF001", Assert.Throws<PostgresException>(() => Check(zombie, batch)).SqlState);
    }

    [Fact]
    public async Task A_check_that_waits_for_a_claim_sees_its_epoch()
    {
        using var other = _schema.Connect();
        await using var claim = await other.BeginTransactionAsync(TestContext.Current.CancellationToken);
        Claim(other, claim);

        var committing = Task.Run(
            () => _owner.Commit(0, [_mark], new byte[1]), TestContext.Current.CancellationToken);
        Assert.True(await IsBlockedAsync(committing, other.ProcessID));
        await claim.CommitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(CommitResult.Refused, await committing);
        Assert.Equal(0, _schema.Read("SELECT count(*) FROM journal_0_0"));
    }

    /// <summary>The function as it is in the schema, but for the lock.</summary>
    private void LockWith(string clause)
    {
        using var connection = _schema.Connect();
        using var read = new NpgsqlCommand("SELECT pg_get_functiondef('fence'::regproc)", connection);
        string text = (string)read.ExecuteScalar()!;
        Assert.Contains("FOR SHARE", text, StringComparison.Ordinal);
        _schema.Change(text.Replace("FOR SHARE", clause, StringComparison.Ordinal));
    }

    private void Check(NpgsqlConnection zombie, NpgsqlTransaction batch)
    {
        using var check = new NpgsqlCommand("SELECT fence(0, $2, ARRAY[1], ARRAY[$1])", zombie, batch);
        check.Parameters.AddWithValue(_mark.Epoch);
        check.Parameters.AddWithValue(_owner.Identity.Owner);
        check.ExecuteNonQuery();
    }

    private long ClaimAndCountRows()
    {
        using var connection = _schema.Connect();
        using (var claim = connection.BeginTransaction())
        {
            Claim(connection, claim);
            claim.Commit();
        }

        using var load = new NpgsqlCommand("SELECT count(*) FROM journal_0_0", connection);
        return (long)load.ExecuteScalar()!;
    }

    private static void Claim(NpgsqlConnection connection, NpgsqlTransaction transaction)
    {
        using var claim = new NpgsqlCommand(
            """
            SELECT claim('other', 5000, array_agg(partition ORDER BY partition), array_agg(epoch ORDER BY partition),
              array_agg(renew_seq ORDER BY partition), array_agg(0 ORDER BY partition)) FROM partition_lease
            """,
            connection, transaction);
        claim.ExecuteNonQuery();
    }

    /// <summary>Whether work ends by itself or comes to wait for a lock of that session.</summary>
    private async Task<bool> IsBlockedAsync(Task work, int sessionId)
    {
        while (!work.IsCompleted)
        {
            if (_schema.Read(
                $"SELECT count(*) FROM pg_stat_activity WHERE {sessionId} = ANY (pg_blocking_pids(pid))") > 0)
            {
                return true;
            }

            await Task.Delay(1, TestContext.Current.CancellationToken);
        }

        return false;
    }
}
