using Karya.Engine.Journal;
using Karya.LocalServers;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>One node after another that died or sleeps at a bad moment.</summary>
public sealed class SuccessionTests : IDisposable
{
    private const int BodyBytes = 100_000;

    private readonly StoreSchema _schema = new();
    private readonly CuttingProxy _proxy = new(PostgresServer.Shared.Host, PostgresServer.Shared.Port);

    public void Dispose()
    {
        _proxy.Dispose();
        _schema.Dispose();
    }

    [Fact]
    public void An_owner_that_falls_silent_in_the_middle_of_a_commit_keeps_nobody_out()
    {
        using var first = new PostgresStore(WithShortLease(_schema.SettingsThrough(_proxy.Port)), TimeProvider.System);
        var marks = first.Open(4);
        var stream = CommitAndFindConnection(first, marks[1]);

        // The fence is passed, and its lock held, while the server waits for the rest of the row.
        stream.HoldClientAfter(BodyBytes / 2);
        _proxy.RefuseNew();
        Assert.Equal(CommitResult.Unknown, first.Commit(0, [marks[1]], new byte[BodyBytes]));

        using var second = new PostgresStore(WithShortLease(_schema.Settings), TimeProvider.System);
        var later = second.Open(4);
        Assert.Equal(CommitResult.Committed, second.Commit(0, [later[1]], new byte[1]));
        Assert.Equal(2, _schema.Read("SELECT count(*) FROM journal_0_0"));
    }

    [Fact]
    public void An_owner_whose_own_commit_is_stuck_halfway_is_not_kept_out_by_it()
    {
        using var store = new PostgresStore(WithShortLease(_schema.SettingsThrough(_proxy.Port)), TimeProvider.System);
        var marks = store.Open(4);
        var stream = CommitAndFindConnection(store, marks[1]);

        stream.HoldClientAfter(BodyBytes / 2);
        Assert.Equal(CommitResult.Unknown, store.Commit(0, [marks[1]], new byte[BodyBytes]));
        Assert.Equal(CommitResult.Refused, store.Resolve(0));
        Assert.Equal(CommitResult.Committed, store.Commit(0, [marks[1]], new byte[1]));
        Assert.Equal(2, _schema.Read("SELECT count(*) FROM journal_0_0"));
    }

    [Fact]
    public void A_renewal_that_was_on_its_way_when_its_owner_died_is_no_sign_of_life()
    {
        using var first = new PostgresStore(WithShortLease(_schema.Settings), TimeProvider.System);
        first.Open(4);
        var renewing = new ActingLog(() => Assert.True(first.RenewLease()));
        using var second = new PostgresStore(
            WithShortLease(_schema.Settings) with { Log = renewing }, TimeProvider.System);
        second.Open(4);
        Assert.True(renewing.HasActed);
    }

    /// <summary>The connection of the stream: the one that a large row went over.</summary>
    private ProxyConnection CommitAndFindConnection(PostgresStore store, ProjectedMark mark)
    {
        var before = _proxy.Connections.ToDictionary(connection => connection, connection => connection.ClientBytes);
        Assert.Equal(CommitResult.Committed, store.Commit(0, [mark], new byte[BodyBytes]));
        return _proxy.Connections.Single(
            connection => connection.ClientBytes > before.GetValueOrDefault(connection) + BodyBytes);
    }

    private static PostgresSettings WithShortLease(PostgresSettings settings) =>
        settings with { Lease = TimeSpan.FromSeconds(1) };

    /// <summary>Does something once, when the store logs that it waits for a lease: after its first look.</summary>
    private sealed class ActingLog(Action act) : ILogger
    {
        public bool HasActed { get; private set; }

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (HasActed)
                return;
            HasActed = true;
            act();
        }
    }
}
