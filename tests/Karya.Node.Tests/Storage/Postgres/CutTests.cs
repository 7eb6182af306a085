using Karya.Engine;
using Karya.Engine.Journal;
using Karya.LocalServers;
using Karya.Node.Plans;
using Karya.Node.Storage;
using Karya.Node.Storage.Postgres;
using Karya.Node.Tests.Joined;
using Xunit;
using static Karya.Node.Tests.Storage.Batches;

namespace Karya.Node.Tests.Storage.Postgres;

/// <summary>
/// The connection is cut in the middle of a commit, at every byte of its answer and at every third of its request; and
/// all over a projection, whose messages are all longer than the steps.
/// </summary>
public sealed class CutTests : IDisposable
{
    private const int RequestStep = 3;
    private const int ProjectionAnswerStep = 7;
    private const int ProjectionRequestStep = 31;
    private const int WarmRows = 1_000_000;

    private readonly StoreSchema _schema = new();
    private readonly CuttingProxy _proxy;
    private readonly PostgresStore _store;
    private readonly IReadOnlyList<ProjectedMark> _marks;

    public CutTests()
    {
        _proxy = new CuttingProxy(PostgresServer.Shared.Host, PostgresServer.Shared.Port);
        _store = new PostgresStore(_schema.SettingsThrough(_proxy.Port), TimeProvider.System);
        _marks = _store.Open(4);
        _store.AddUser(new UserView(Ann, "ann", 1000));
    }

    public void Dispose()
    {
        _store.Dispose();
        _proxy.Dispose();
        _schema.Dispose();
    }

    [Fact]
    public void A_commit_whose_request_is_cut_is_resolved_to_what_is_stored()
    {
        long requestBytes = BytesOfCommit(() => _proxy.ClientBytes);
        var ends = new List<CommitResult>();
        for (int at = 0; at < requestBytes; at += RequestStep)
        {
            Warm(at);
            _proxy.CutAfterClientBytes(at);
            ends.Add(CommitUntilStored(at));
        }

        // Cut before the server had all of it, so that nothing came of any.
        Assert.All(ends, end => Assert.Equal(CommitResult.Refused, end));
        Assert.Equal(ExpectedRows(0, requestBytes, RequestStep), ReadJournal());
    }

    [Fact]
    public void A_commit_whose_answer_is_cut_at_any_byte_is_resolved_to_what_is_stored()
    {
        long answerBytes = BytesOfCommit(() => _proxy.ServerBytes);
        for (int at = 1; at < answerBytes; at++)
        {
            Warm(at);
            _proxy.CutAfterServerBytes(at);
            Assert.Equal(CommitResult.Committed, CommitUntilStored(at));
        }

        Assert.Equal(ExpectedRows(1, answerBytes, 1), ReadJournal());
    }

    [Fact]
    public async Task A_commit_that_is_still_on_its_way_when_it_is_resolved_comes_to_nothing()
    {
        BytesOfCommit(() => 0);
        var before = _proxy.Connections.ToDictionary(connection => connection, connection => connection.ClientBytes);
        Warm(0);
        var stream = _proxy.Connections.Single(connection => connection.ClientBytes > before[connection]);
        stream.HoldClient();
        Assert.Equal(CommitResult.Unknown, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(0)));
        Assert.Equal(CommitResult.Refused, _store.Resolve(0));

        // Only now does the first one arrive, late, at a server that has given out another epoch.
        stream.Release();
        await Until.TrueAsync(() => !stream.IsOpen, "the old session is over");
        Assert.Equal(CommitResult.Committed, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(1)));
        Assert.Equal([-2, -1, WarmRows, 1], ReadJournal());
    }

    [Fact]
    public void While_the_database_cannot_be_reached_a_commit_stays_unknown_and_is_resolved_afterwards()
    {
        long answerBytes = BytesOfCommit(() => _proxy.ServerBytes);
        _proxy.CutAfterServerBytes(answerBytes / 2);
        Assert.Equal(CommitResult.Unknown, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(0)));
        _proxy.RefuseNew();
        Assert.Equal(CommitResult.Unknown, _store.Resolve(0));
        Assert.NotEqual("", _store.LastError);
        _proxy.ReleaseAll();
        Assert.Equal(CommitResult.Committed, _store.Resolve(0));
        Assert.Null(_store.Lost);
    }

    [Fact]
    public void A_projection_that_is_cut_anywhere_is_written_once()
    {
        ulong number = 0;
        Project(++number);
        long clientBytes = _proxy.ClientBytes;
        long serverBytes = _proxy.ServerBytes;
        Project(++number);
        clientBytes = _proxy.ClientBytes - clientBytes;
        serverBytes = _proxy.ServerBytes - serverBytes;

        for (int at = 1; at < serverBytes; at += ProjectionAnswerStep)
        {
            _proxy.CutAfterServerBytes(at);
            Project(++number);
        }

        for (int at = 0; at < clientBytes; at += ProjectionRequestStep)
        {
            _proxy.CutAfterClientBytes(at);
            Project(++number);
        }

        _proxy.ReleaseAll();
        Assert.Equal((long)number, _schema.Read("SELECT count(*) FROM plan_history"));
        Assert.Equal((long)number, _schema.Read("SELECT count(*) FROM plans"));
        Assert.Equal((long)number, _schema.Read("SELECT count(*) FROM task_history"));
        Assert.Equal((long)number, _schema.Read("SELECT count(*) FROM errors"));
        Assert.Equal(2 * (long)number, _store.CountPlans(Ann));
        Assert.Equal((long)number, _schema.Read("SELECT projected FROM partition_projection WHERE partition = 1"));
    }

    /// <summary>
    /// A plan that waits and one that has ended and failed, written as the projector does: again until it is done.
    /// </summary>
    private void Project(ulong number)
    {
        var batch = new ProjectionBatch()
            .NewPlan(2 * number, wakeMs: 9000)
            .NewPlan(2 * number + 1, state: PlanState.Completed)
            .EndedTask(Key(2 * number + 1), PlanTaskState.Failure).Error(Key(2 * number + 1), 1, "no")
            .Mark(1, _marks[1].Epoch, (long)number);
        while (_store.Project(batch) != CommitResult.Committed)
            Assert.NotEqual("", _store.LastError);
    }

    /// <summary>Two commits, so that everything is prepared; how much the second one took.</summary>
    private long BytesOfCommit(Func<long> count)
    {
        Assert.Equal(CommitResult.Committed, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(-2)));
        long before = count();
        Assert.Equal(CommitResult.Committed, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(-1)));
        return count() - before;
    }

    /// <summary>On a connection where everything is prepared.</summary>
    private void Warm(int number) => Assert.Equal(
        CommitResult.Committed, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(WarmRows + number)));

    private static List<int> ExpectedRows(int first, long end, int step)
    {
        var rows = new List<int> { -2, -1 };
        for (int at = first; at < end; at += step)
            rows.AddRange([WarmRows + at, at]);
        return rows;
    }

    /// <summary>As the journal's writer does it. Returns what a commit that was cut came to.</summary>
    private CommitResult CommitUntilStored(int number)
    {
        var first = _store.Commit(0, [_marks[1]], BitConverter.GetBytes(number));
        while (first == CommitResult.Unknown)
            first = _store.Resolve(0);
        _proxy.ReleaseAll();
        if (first == CommitResult.Refused)
            Assert.Equal(CommitResult.Committed, _store.Commit(0, [_marks[1]], BitConverter.GetBytes(number)));
        return first;
    }

    /// <summary>Not through the proxy, where nothing has survived.</summary>
    private List<int> ReadJournal()
    {
        var rows = new List<int>();
        using var connection = _schema.Connect();
        new PostgresJournalReader(connection).Read(body => rows.Add(BitConverter.ToInt32(body)));
        return rows;
    }
}
